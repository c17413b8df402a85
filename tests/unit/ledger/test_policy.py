"""tlog-policy: what a policy file may say, and which cosignatures meet its quorum, explained.

The rules are those of the specification; the cases that other implementations test (the Go packages
transparency-dev/formats and FiloSottile/torchwood) are all among them.
"""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.encoding import b64, sha256
from shared.kernel.errors import Malformed
from shared.ledger import note as notes
from shared.ledger.checkpoint import Checkpoint, CheckpointFault
from shared.ledger.cosignature import MldsaCosignatureSigner, MldsaCosigner
from shared.ledger.note import Ed25519InMemory, Note, NoteFault, SignatureLine, Verifier, render_note
from shared.ledger.policy import (
    MAX_EACH,
    MAX_POLICY,
    Cosigned,
    Group,
    Policy,
    QuorumFault,
    Tally,
    evaluate,
    parse_policy,
    satisfied,
    shown,
)
from tests.unit.ledger.witnesses import (
    HEAD,
    LOG,
    LOG_KEY,
    NAMES,
    ORIGIN,
    TIME,
    cosigned,
    ed25519,
    line,
    log_line,
    mldsa,
    mldsa_line,
    mldsa_vkey,
    signed,
    vkey,
)

W1, W2 = vkey("w1"), vkey("w2")
ED_PUBLIC = ed25519("w1").public
TWO_LEVELS = f"""# The example of the specification.
log {LOG_KEY.vkey}

witness X1 {vkey("w1")}
witness X2 {vkey("w2")}
witness X3 {vkey("w3")}
group X-witnesses 2 X1 X2 X3

witness Y1 {vkey("w4")}
witness Y2 {vkey("w5")}
witness Y3 {vkey("w6")}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def policy(text: str | bytes) -> Policy:
    return parse_policy(text if isinstance(text, bytes) else text.encode())


def with_log(*lines: str) -> Policy:
    return policy("\n".join((f"log {LOG_KEY.vkey}", *lines)))


# --- what a policy file says


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
        ("quorum none\n\x01", "line 2 of the policy holds the octet 0x01"),
        ("quorum none\r\n", "octet 0x0d"),
        ("quorum none\x7f\n", "octet 0x7f"),
        ("quibble w1\nquorum none\n", "line 1 .* quibble is none of"),
        ("Quorum none\n", "none of log"),
        (f"witness w1 {W1} https://w1.example/ # words\nquorum w1\n", "a witness is"),
        ("log\nquorum none\n", "a log is"),
        ("log garbage\nquorum none\n", "line 1 of the policy"),
        (f"log {UNKNOWN}\nquorum none\n", "no type that is known here"),
        (f"log {W1}\nquorum none\n", "type 01 .* or 06"),
        (f"log {LOG_KEY.vkey}\nlog {LOG_KEY.vkey} https://x/\nquorum none\n", "already that of a log"),
        (f"log {LOG_KEY.vkey}\nlog {LOG_KEY.named('o').vkey}\nquorum none\n", "already that of a log"),
        ("witness w1\nquorum none\n", "a witness is"),
        (f"witness w1 {Verifier('w1', ED_PUBLIC).vkey}\nquorum w1\n", "type 04 .* or 06"),
        (f"witness w1 {W1[:-1]}\nquorum w1\n", "line 1 of the policy"),
        (f"witness w1 {W1.replace('w1.example+', 'w2.example+')}\nquorum w1\n", "does not match its name"),
        (f"witness none {W1}\nquorum none\n", "cannot be given away"),
        (f"witness w1 {W1}\nwitness w1 {W2}\nquorum w1\n", "w1 is taken"),
        (f"witness w1 {W1}\nwitness w2 {W1}\nquorum w1\n", "already that of a witness"),
        (f"witness w1 {W1}\ngroup w1 any w1\nquorum w1\n", "w1 is taken"),
        (f"witness w1 {W1}\ngroup g any g\nquorum w1\n", "not defined on an earlier line"),
        (f"witness w1 {W1}\ngroup g 1\nquorum w1\n", "a group is"),
        (f"witness w1 {W1}\ngroup none any w1\nquorum none\n", "cannot be given away"),
        (f"witness w1 {W1}\ngroup g 0 w1\nquorum g\n", "from 1 to 1"),
        (f"witness w1 {W1}\ngroup g -1 w1\nquorum g\n", "from 1 to 1"),
        (f"witness w1 {W1}\ngroup g 01 w1\nquorum g\n", "from 1 to 1"),
        (f"witness w1 {W1}\ngroup g 2 w1\nquorum g\n", "from 1 to 1"),
        (f"witness w1 {W1}\ngroup g one w1\nquorum g\n", "from 1 to 1"),
        (f"witness w1 {W1}\ngroup g any w2\nquorum g\n", "w2 is not defined"),
        (f"group g any w1\nwitness w1 {W1}\nquorum g\n", "line 1 .* w1 is not defined"),
        (f"witness w1 {W1}\ngroup g any none w1\nquorum g\n", "none is not defined"),
        (f"witness w1 {W1}\ngroup g all w1 w1\nquorum g\n", "w1 is a member already"),
        (
            f"witness w1 {W1}\nwitness w2 {W2}\ngroup g any w1 w2\ngroup h any w1\nquorum g\n",
            "line 4 .* w1 is a member already",
        ),
        (f"witness w1 {W1}\n", "no quorum line"),
        ("", "no quorum line"),
        (f"witness w1 {W1}\nquorum w1\nquorum w1\n", "exactly one quorum"),
        ("quorum none\nquorum none\n", "exactly one quorum"),
        ("quorum unknown\n", "unknown is not defined"),
        (f"quorum w1\nwitness w1 {W1}\n", "w1 is not defined"),
        ("quorum\n", "a quorum is"),
        (f"witness w1 {W1}\nquorum w1 w1\n", "a quorum is"),
        ("quorum none" + " " * MAX_POLICY, "at most"),
    ],
)
def test_a_policy_may_not_be_written_so(text: str, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        policy(text)


def test_a_key_under_another_name_is_still_the_same_key() -> None:
    again = notes.vkey("impostor.example", 0x04, ED_PUBLIC)
    with pytest.raises(Malformed, match="already that of a witness"):
        policy(f"witness w1 {W1}\nwitness w2 {again}\nquorum w1\n")


def test_a_log_is_no_witness_of_itself() -> None:
    itself = notes.vkey(ORIGIN, 0x04, LOG.public)
    with pytest.raises(Malformed, match="already that of a log"):
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


# --- which cosignatures meet it


@pytest.mark.parametrize(
    ("who", "met"),
    [
        (("w1", "w2", "w4"), True),
        (("w2", "w3", "w6"), True),
        (NAMES, True),
        (("w1", "w4"), False),
        (("w1", "w2", "w3"), False),
        (("w4", "w5", "w6"), False),
        ((), False),
    ],
)
def test_the_quorum_of_the_specification_takes_two_of_one_and_one_of_the_other(
    who: tuple[str, ...], met: bool
) -> None:
    note = cosigned(dict.fromkeys(who, TIME))
    assert evaluate(policy(TWO_LEVELS), note).met is met
    if met:
        assert satisfied(policy(TWO_LEVELS), note).checkpoint == HEAD
    else:
        with pytest.raises(QuorumFault, match="the quorum X-and-Y is not met"):
            satisfied(policy(TWO_LEVELS), note)


def test_it_is_said_who_signed_when_and_how_each_group_stands() -> None:
    found = satisfied(policy(TWO_LEVELS), cosigned({"w1": TIME, "w3": TIME + 5, "w5": TIME + 9}))
    assert found.by == (Cosigned("X1", TIME), Cosigned("X3", TIME + 5), Cosigned("Y2", TIME + 9))
    assert found.absent == ("X2", "Y1", "Y3")
    assert found.tallies == (
        Tally("X-witnesses", 2, ("X1", "X3"), ("X2",)),
        Tally("Y-witnesses", 1, ("Y2",), ("Y1", "Y3")),
        Tally("X-and-Y", 2, ("X-witnesses", "Y-witnesses"), ()),
    )
    assert [tally.met for tally in found.tallies] == [True, True, True]
    assert found.as_of == TIME


def test_who_is_missing_is_named_down_to_the_witnesses() -> None:
    with pytest.raises(QuorumFault) as fault:
        satisfied(policy(TWO_LEVELS), cosigned({"w1": TIME, "w4": TIME}))
    assert fault.value.message == (
        "the quorum X-and-Y is not met: X-and-Y has 1 of the 2 it needs, without X-witnesses; "
        "X-witnesses has 1 of the 2 it needs, without X2, X3"
    )
    assert fault.value.witnessed.by == (Cosigned("X1", TIME), Cosigned("Y1", TIME))
    with pytest.raises(QuorumFault, match="not met: w1 did not cosign"):
        satisfied(with_log(f"witness w1 {W1}", "quorum w1"), signed())


def test_a_quorum_of_none_takes_the_logs_word() -> None:
    found = satisfied(with_log(f"witness w1 {W1}", "quorum none"), signed())
    assert (found.met, found.by, found.absent, found.as_of) == (True, (), ("w1",), None)


def test_either_line_of_a_witness_with_two_keys_is_enough_where_its_group_says_any() -> None:
    both = with_log(
        f"witness w1-ed {W1}", f"witness w1-pq {mldsa_vkey('w1')}", "group w1 any w1-ed w1-pq", "quorum w1"
    )
    for lines in ([line("w1")], [mldsa_line("w1")], [line("w1"), mldsa_line("w1")]):
        assert satisfied(both, signed(*lines)).by
    with pytest.raises(QuorumFault):
        satisfied(both, signed(line("w2")))


def test_the_later_of_two_lines_by_one_witness_counts() -> None:
    found = satisfied(
        with_log(f"witness w1 {W1}", "quorum w1"), signed(line("w1", TIME + 7), line("w1", TIME))
    )
    assert found.by == (Cosigned("w1", TIME + 7),)


def test_the_quorum_is_dated_by_the_one_that_it_cannot_do_without() -> None:
    three = [f"witness {name} {vkey(name)}" for name in ("w1", "w2", "w3")]
    two_of_three = with_log(*three, "group g 2 w1 w2 w3", "quorum g")
    assert evaluate(two_of_three, cosigned({"w1": 30, "w2": 10, "w3": 20})).as_of == 20
    assert evaluate(two_of_three, cosigned({"w1": 30, "w2": 10})).as_of == 10
    assert evaluate(two_of_three, cosigned({"w1": 30})).as_of is None


@pytest.mark.parametrize("who", ["w1", "w6"])
def test_a_bad_signature_by_a_known_witness_refuses_the_note_even_if_it_is_not_needed(who: str) -> None:
    broken = line(who).signature[:-1] + bytes([line(who).signature[-1] ^ 1])
    good = [line(name) for name in NAMES if name != who]
    with pytest.raises(NoteFault, match="does not match"):
        evaluate(policy(TWO_LEVELS), signed(*good, SignatureLine(line(who).name, line(who).key_id, broken)))


def test_a_cosignature_moved_to_another_checkpoint_refuses_it() -> None:
    other = Checkpoint(ORIGIN, HEAD.size + 1, HEAD.root)
    with pytest.raises(NoteFault, match="does not match"):
        evaluate(with_log(f"witness w1 {W1}", "quorum w1"), signed(line("w1"), text=other.text))


def test_signatures_of_unknown_keys_count_for_nothing_and_harm_nothing() -> None:
    stranger = SignatureLine("w1.example", b"\x00" * 4, b"anything")
    assert satisfied(with_log(f"witness w1 {W1}", "quorum w1"), signed(line("w1"), stranger, line("w6"))).by
    with pytest.raises(QuorumFault):
        satisfied(with_log(f"witness w1 {W1}", "quorum w1"), signed(stranger, line("w6")))


def test_the_log_must_have_signed_its_own_checkpoint() -> None:
    one = with_log(f"witness w1 {W1}", "quorum w1")
    unsigned = render_note(Note(HEAD.text, (line("w1"),)))
    with pytest.raises(NoteFault, match="none of the logs"):
        satisfied(one, unsigned)
    wrong = replace(log_line(), signature=bytes(64))
    with pytest.raises(NoteFault, match="does not match"):
        satisfied(one, render_note(Note(HEAD.text, (wrong, line("w1")))))
    other = Checkpoint("log.example/other", 1, HEAD.root)
    with pytest.raises(NoteFault, match=r"is of log\.example/other, but signed by"):
        satisfied(one, signed(line("w1", TIME, other.text), text=other.text))


def test_any_one_of_several_logs_is_enough() -> None:
    second = Verifier("log.example/second", Ed25519InMemory(sha256(b"second")).public)
    assert satisfied(with_log(f"log {second.vkey}", "quorum none"), signed()).checkpoint == HEAD


def test_a_log_that_signs_with_mldsa_is_one() -> None:
    key = MldsaCosigner(ORIGIN, mldsa("log").public)
    signer = MldsaCosignatureSigner(ORIGIN, mldsa("log"), lambda: 0)
    note = render_note(Note(HEAD.text, (signer.line(HEAD.text),)))
    assert satisfied(policy(f"log {key.vkey}\nquorum none\n"), note).checkpoint == HEAD


def test_a_policy_without_logs_needs_to_be_told_the_log() -> None:
    nobody = policy(f"witness w1 {W1}\nquorum w1\n")
    with pytest.raises(NoteFault, match="names no log"):
        satisfied(nobody, signed(line("w1")))
    assert satisfied(nobody, signed(line("w1")), logs=[LOG_KEY]).met


def test_what_is_no_checkpoint_meets_no_policy() -> None:
    text = "log.example/super\nforty-two\nroot\n"
    with pytest.raises(CheckpointFault, match="size"):
        evaluate(with_log("quorum none"), render_note(Note(text, (log_line(text),))))
    with pytest.raises(NoteFault):
        evaluate(with_log("quorum none"), b"no note")


# --- against an evaluator that is written to be obvious


def obvious(policy_: Policy, name: str, present: Mapping[str, int]) -> bool:
    """Whether `name` witnesses, by the words of the specification."""
    if name == "none":
        return True
    groups = {group.name: group for group in policy_.groups}
    if name not in groups:
        return name in present
    return sum(obvious(policy_, member, present) for member in groups[name].members) >= groups[name].needs


@st.composite
def policies(draw: st.DrawFn) -> str:
    """A policy over some of the witnesses, its groups nested at random."""
    count = draw(st.integers(1, len(NAMES)))
    lines = [f"log {LOG_KEY.vkey}", *(f"witness {name} {vkey(name)}" for name in NAMES[:count])]
    free, named = list(NAMES[:count]), list(NAMES[:count])
    for number in range(draw(st.integers(0, 5))):
        if not free:
            break
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        needs = draw(st.sampled_from(["all", "any", *map(str, range(1, len(members) + 1))]))
        lines.append(f"group g{number} {needs} {' '.join(members)}")
        free = [name for name in free if name not in members] + [f"g{number}"]
        named.append(f"g{number}")
    return "\n".join([*lines, f"quorum {draw(st.sampled_from([*named, 'none']))}", ""])


@given(policies(), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 5)))
@settings(max_examples=300, deadline=None)
def test_any_policy_is_evaluated_as_its_words_say(text: str, times: dict[str, int]) -> None:
    read = policy(text)
    known = {witness.name for witness in read.witnesses}
    present = {name: time for name, time in times.items() if name in known}
    found = evaluate(read, cosigned(times))
    assert found.met == obvious(read, read.quorum, present)
    assert {item.witness: item.time for item in found.by} == present
    assert set(found.absent) == known - present.keys()
    for tally in found.tallies:
        assert tally.met == obvious(read, tally.group, present)
    if found.as_of is not None:
        # The latest time at which those who signed no earlier still are enough.
        good = [
            time
            for time in range(7)
            if obvious(read, read.quorum, {name: at for name, at in present.items() if at >= time})
        ]
        assert found.as_of == max(good)
    assert (found.as_of is None) == (read.quorum == "none" or not found.met)
