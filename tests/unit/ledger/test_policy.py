"""tlog-policy: what a policy file may say, and what it may not.

The rules are those of the specification; the cases that other implementations test (the Go packages
transparency-dev/formats and FiloSottile/torchwood) are all among them.
"""

import pytest

from carevouch.kernel.encoding import b64, sha256
from carevouch.kernel.errors import Malformed
from carevouch.ledger import note as notes
from carevouch.ledger.cosignature import MldsaCosigner
from carevouch.ledger.note import Ed25519InMemory, Verifier
from carevouch.ledger.policy import (
    MAX_EACH,
    MAX_POLICY,
    Group,
    shown,
)
from tests.unit.ledger.policies import ED_PUBLIC, TWO_LEVELS, W1, W2, policy, with_log
from tests.unit.ledger.witnesses import (
    LOG,
    LOG_KEY,
    NAMES,
    ORIGIN,
    mldsa,
    mldsa_vkey,
    vkey,
)


def test_the_policy_of_the_specification_reads_as_it_is_explained_there() -> None:
    read = policy(TWO_LEVELS)
    assert [log.key for log in read.logs] == [LOG_KEY]
    assert [(witness.name, witness.key.vkey) for witness in read.witnesses] == [
        (name, vkey(key)) for name, key in zip(("X1", "X2", "X3", "Y1", "Y2", "Y3"), NAMES, strict=True)
    ]
    assert read.groups == (
        Group("X-witnesses", 2, ("X1", "X2", "X3")),
        Group("Y-witnesses", 1, ("Y1", "Y2", "Y3")),
        Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    )
    assert read.quorum == "X-and-Y"


@pytest.mark.parametrize(
    "text",
    [
        "quorum none\n",
        f"\n# words\n\t # words\n\twitness \t w1  {W1}   https://w1.example/  \n\n  quorum\tw1",
        f"log {LOG_KEY.vkey} https://log.example/\nwitness w1 {W1}\nquorum w1\n",
        f"witness all {W1}\nwitness any {W2}\ngroup group 2 all any\nquorum group\n",
        f"witness w1 {mldsa_vkey('w1')}\nquorum w1\n",
        f"log {MldsaCosigner(ORIGIN, mldsa('log').public).vkey}\nquorum none\n",
        f"quorum none\nwitness w1 {W1}\n",
        f"witness #w {W1}\nquorum #w\n",
        f"witness é\N{NO-BREAK SPACE}x {W1}\nquorum é\N{NO-BREAK SPACE}x\n",
    ],
    ids=[
        "nobody is asked",
        "white space, comments, no last newline",
        "addresses may be left out",
        "keywords are names like others",
        "a witness with ML-DSA-44",
        "a log with ML-DSA-44",
        "order binds only what refers",
        "a sharp sign inside a line is no comment",
        "only space and tab divide",
    ],
)
def test_a_policy_may_be_written_so(text: str) -> None:
    assert policy(text).quorum


def test_addresses_are_carried_as_they_are_written() -> None:
    read = policy(f"log {LOG_KEY.vkey} here\nwitness w1 {W1} https://w1.example/é\nquorum w1\n")
    assert read.logs[0].url == "here"
    assert read.witnesses[0].url == "https://w1.example/é"


def test_names_are_octets_and_not_text() -> None:
    kelvin = "\N{KELVIN SIGN}"
    read = policy(f"witness K {W1}\nwitness {kelvin} {W2}\nquorum {kelvin}\n")
    assert [witness.name for witness in read.witnesses] == ["K", kelvin]
    odd = policy(b"witness w\x80 " + W1.encode() + b"\nwitness w\x81 " + W2.encode() + b"\nquorum w\x81\n")
    assert odd.quorum == odd.witnesses[1].name != odd.witnesses[0].name
    assert shown(odd.quorum) == "w\\x81"


OTHER_TYPE = bytes([0x63]) + ED_PUBLIC
UNKNOWN = f"x.example+{sha256(b'x.example' + chr(10).encode() + OTHER_TYPE)[:4].hex()}+{b64(OTHER_TYPE)}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quorum none\n\x01", "line 2 of the policy has the octet 0x01"),
        ("quorum none\r\n", "octet 0x0d"),
        ("quorum none\x7f\n", "octet 0x7f"),
        ("quibble w1\nquorum none\n", "line 1 .* quibble is not one of"),
        ("Quorum none\n", "not one of log"),
        (f"witness w1 {W1} https://w1.example/ # words\nquorum w1\n", "a witness line must be"),
        ("log\nquorum none\n", "a log line must be"),
        ("log garbage\nquorum none\n", "line 1 of the policy"),
        (f"log {UNKNOWN}\nquorum none\n", "must be of type 01 or 04"),
        (f"log {W1}\nquorum none\n", "type 01 .* or 06"),
        (f"log {LOG_KEY.vkey}\nlog {LOG_KEY.vkey} https://x/\nquorum none\n", "already the key of a log"),
        (f"log {LOG_KEY.vkey}\nlog {LOG_KEY.named('o').vkey}\nquorum none\n", "already the key of a log"),
        ("witness w1\nquorum none\n", "a witness line must be"),
        (f"witness w1 {Verifier('w1', ED_PUBLIC).vkey}\nquorum w1\n", "type 04 .* or 06"),
        (f"witness w1 {W1[:-1]}\nquorum w1\n", "line 1 of the policy"),
        (f"witness w1 {W1.replace('w1.example+', 'w2.example+')}\nquorum w1\n", "does not match its name"),
        (f"witness none {W1}\nquorum none\n", "is reserved for the empty quorum"),
        (f"witness w1 {W1}\nwitness w1 {W2}\nquorum w1\n", "w1 is taken"),
        (f"witness w1 {W1}\nwitness w2 {W1}\nquorum w1\n", "already the key of a witness"),
        (f"witness w1 {W1}\ngroup w1 any w1\nquorum w1\n", "w1 is taken"),
        (f"witness w1 {W1}\ngroup g any g\nquorum w1\n", "not defined on an earlier line"),
        (f"witness w1 {W1}\ngroup g 1\nquorum w1\n", "a group line must be"),
        (f"witness w1 {W1}\ngroup none any w1\nquorum none\n", "is reserved for the empty quorum"),
        (f"witness w1 {W1}\ngroup g 0 w1\nquorum g\n", "from 1 to 1"),
        (f"witness w1 {W1}\ngroup g -1 w1\nquorum g\n", "from 1 to 1"),
        (f"witness w1 {W1}\ngroup g 01 w1\nquorum g\n", "from 1 to 1"),
        (f"witness w1 {W1}\ngroup g 2 w1\nquorum g\n", "from 1 to 1"),
        (f"witness w1 {W1}\ngroup g one w1\nquorum g\n", "from 1 to 1"),
        (f"witness w1 {W1}\ngroup g any w2\nquorum g\n", "w2 is not defined"),
        (f"group g any w1\nwitness w1 {W1}\nquorum g\n", "line 1 .* w1 is not defined"),
        (f"witness w1 {W1}\ngroup g any none w1\nquorum g\n", "none is not defined"),
        (f"witness w1 {W1}\ngroup g all w1 w1\nquorum g\n", "w1 is already a member"),
        (
            f"witness w1 {W1}\nwitness w2 {W2}\ngroup g any w1 w2\ngroup h any w1\nquorum g\n",
            "line 4 .* w1 is already a member",
        ),
        (f"witness w1 {W1}\n", "no quorum line"),
        ("", "no quorum line"),
        (f"witness w1 {W1}\nquorum w1\nquorum w1\n", "exactly one quorum"),
        ("quorum none\nquorum none\n", "exactly one quorum"),
        ("quorum unknown\n", "unknown is not defined"),
        (f"quorum w1\nwitness w1 {W1}\n", "w1 is not defined"),
        ("quorum\n", "a quorum line must be"),
        (f"witness w1 {W1}\nquorum w1 w1\n", "a quorum line must be"),
        ("quorum none" + " " * MAX_POLICY, "at most"),
    ],
)
def test_a_policy_may_not_be_written_so(text: str, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        policy(text)


def test_a_key_under_another_name_is_still_the_same_key() -> None:
    again = notes.vkey("impostor.example", 0x04, ED_PUBLIC)
    with pytest.raises(Malformed, match="already the key of a witness"):
        policy(f"witness w1 {W1}\nwitness w2 {again}\nquorum w1\n")


def test_a_log_is_no_witness_of_itself() -> None:
    itself = notes.vkey(ORIGIN, 0x04, LOG.public)
    with pytest.raises(Malformed, match="already the key of a log"):
        with_log(f"witness w1 {itself}", "quorum w1")


def test_a_vkey_name_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(Malformed, match="UTF-8"):
        policy(b"witness w1 \xff" + W1.encode() + b"\nquorum w1\n")


def test_a_policy_holds_as_many_as_it_may_and_not_one_more() -> None:
    def of(count: int) -> str:
        keys = (Verifier(f"l{n}", Ed25519InMemory(sha256(b"%d" % n)).public).vkey for n in range(count))
        return "".join(f"log {key}\n" for key in keys) + "quorum none\n"

    assert len(policy(of(MAX_EACH)).logs) == MAX_EACH >= 32
    with pytest.raises(Malformed, match="at most"):
        policy(of(MAX_EACH + 1))
