"""The page in headless Chromium: accepted files, refused files and words, compared with the command.

It stands among the tests of a door because the page needs no cloud: files go in, words come out. The aim is
parity: for every case here, true or broken, page and `carevouch verify` give the same verdict.
"""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from carevouch.events.opening import render_opening
from carevouch.kernel.times import later
from carevouch.ledger.checkpoint import MAX_STRANDS, Checkpoint
from carevouch.ledger.cosignature import Ed25519Cosigner
from carevouch.ledger.merkle import root
from carevouch.ledger.note import Verifier
from tests.service.ledger.browser import PLACES, SEED, accepted, agreed, all_judged, flips, judged
from tests.service.ledger.evidence import (
    HOUSE,
    PLAIN,
    PROVIDER,
    SAW,
    VKEY,
    Case,
    File,
    Log,
    Strand,
    Witness,
    admission_opening,
    consent_opening,
    device_opening,
    genesis_file,
    policy_file,
    result_opening,
    seal_entry,
    with_line,
)
from tests.unit.sealing.acts import ORIGIN, START, House, Producer, key

LOG = Log([result_opening(), consent_opening(), admission_opening()])
# The same under genesis of version 1.
OLD = replace(LOG, house=PLAIN)
W1, W2, W3 = Witness("witness.example/1"), Witness("witness.example/2"), Witness("witness.example/3")
# The log's own key, as if it were a witness's.
SELF = Ed25519Cosigner("witness.example/self", HOUSE.log.public)
BOTH = policy_file(
    f"log {Verifier(f'{ORIGIN}/super', HOUSE.log.public).vkey}",
    f"witness one {W1.vkey}",
    f"witness two {W2.vkey}",
    "group both all one two",
    "quorum both",
)


def bare(log: Log = LOG) -> Case:
    """The observation's event as a bare entry, with the certificate of its key."""
    opening = log.openings[0]
    assert opening.certificate is not None
    entry = File("event", "entry", opening.event.encode())
    certificate = File("certificate", "certificate", opening.certificate.encode())
    return log.case("genesis", "0.tlog-proof").plus(entry, certificate)


def witnessed(*witnesses: Witness, policy: File = BOTH) -> Case:
    """The consent, chained to a super-log whose head these witnesses cosigned."""
    head = LOG.above.head
    for witness in witnesses:
        head = witness.cosigned(head)
    return LOG.case("genesis", "1.tlog-proof", "1.opening.json").plus(LOG.chained(head), policy)


GOOD = {
    "everything": LOG.case(),
    "one opening": LOG.case("genesis", "0.tlog-proof", "0.opening.json"),
    "a consent with its device": LOG.case("genesis", "1.tlog-proof", "1.opening.json"),
    "the operator's act": LOG.case("genesis", "2.tlog-proof", "2.opening.json"),
    "a bare event": bare(),
    "a certificate nobody asked for": LOG.case().plus(bare()["certificate"]),
    "the chain": LOG.case().plus(LOG.chained()),
    "genesis of version 1": OLD.case().plus(OLD.chained()),
    "a bare event under genesis of version 1": bare(OLD),
    "a checkpoint as the super-log holds it": LOG.case(
        "genesis", "0.tlog-proof", "0.opening.json", head=LOG.strand.plain_head
    ).plus(LOG.chained()),
    "a seal": LOG.case("genesis").plus(
        File("seal", "entry", seal_entry()), File("seal.tlog-proof", "proof", LOG.strand.proof(seal_entry()))
    ),
    "a certificate's own place": LOG.case("genesis").plus(
        File("cert", "entry", bare()["certificate"].data),
        File("cert.tlog-proof", "proof", LOG.strand.proof(bare()["certificate"].data)),
    ),
}


@pytest.mark.parametrize("case", GOOD.values(), ids=GOOD)
def test_true_files_are_verified_by_page_and_command(case: Case, page: Page, tmp_path: Path) -> None:
    assert agreed(page, case, tmp_path) == "verified"


@pytest.mark.parametrize("name", ["genesis", "0.tlog-proof", "0.opening.json"])
def test_without_one_of_the_three_files_nothing_is_called_good(name: str, page: Page) -> None:
    answer = judged(page, LOG.case("genesis", "0.tlog-proof", "0.opening.json").without(name))
    assert answer.verdict == "incomplete"
    assert len(answer.missing) == 1


def test_without_a_key_nothing_is_checked(page: Page) -> None:
    answer = judged(page, replace(LOG.case(), key=""))
    assert (answer.verdict, answer.missing, answer.held) == ("incomplete", ["the log's key"], [])


def test_a_bare_event_waits_for_its_certificate(page: Page, tmp_path: Path) -> None:
    assert agreed(page, bare().without("certificate"), tmp_path) == "incomplete"


OPENED = {name: LOG.case("genesis", f"{name}.tlog-proof", f"{name}.opening.json") for name in "012"}
FLIPPED = {
    "genesis": (OPENED["1"], "genesis"),
    "genesis of version 1": (OLD.case("genesis", "1.tlog-proof", "1.opening.json"), "genesis"),
    "proof under genesis of version 1": (
        OLD.case("genesis", "1.tlog-proof", "1.opening.json"),
        "1.tlog-proof",
    ),
    "proof": (OPENED["1"], "1.tlog-proof"),
    "opening": (OPENED["0"], "0.opening.json"),
    "consent's opening": (OPENED["1"], "1.opening.json"),
    "operator's opening": (OPENED["2"], "2.opening.json"),
    "bare event": (bare(), "event"),
    "certificate": (bare(), "certificate"),
    "super-log's proof": (OPENED["1"].plus(LOG.chained()), "super.tlog-proof"),
    "cosigned proof": (witnessed(W1, W2), "super.tlog-proof"),
    "policy": (witnessed(W1, W2), "policy"),
}


@pytest.mark.parametrize(("case", "name"), FLIPPED.values(), ids=FLIPPED)
def test_a_flipped_byte_is_refused_with_a_sentence_about_its_file(case: Case, name: str, page: Page) -> None:
    broken = flips(case[name].data)
    for data, answer in zip(broken, all_judged(page, case, [{name: each} for each in broken]), strict=True):
        assert answer.verdict == "refused", data
        assert all(len(sentence) > 10 for _, sentence in answer.refused)
        # A cosignature that no longer names its witness is no fault of the proof, but of the quorum.
        assert {file for file, _ in answer.refused} & {name, "policy"}, answer


@pytest.mark.parametrize(("case", "name"), FLIPPED.values(), ids=FLIPPED)
def test_the_command_refuses_the_same_flipped_bytes(case: Case, name: str, tmp_path: Path) -> None:
    assert not any(accepted(case.changed(name, data), tmp_path) for data in flips(case[name].data))


def test_a_flipped_character_of_the_key_is_refused(page: Page, tmp_path: Path) -> None:
    drawn, case, keys = random.Random(SEED), LOG.case(), []  # noqa: S311
    for at in drawn.sample(range(len(VKEY)), PLACES):
        keys.append(VKEY[:at] + chr(ord(VKEY[at]) ^ drawn.randrange(1, 32)) + VKEY[at + 1 :])
    for vkey, answer in zip(keys, all_judged(page, case, [{"key": each} for each in keys]), strict=True):
        assert answer.verdict == "refused", vkey
        assert not accepted(replace(case, key=vkey), tmp_path)


def chained(entry: bytes, name: str = f"{ORIGIN}/super") -> File:
    """The proof, in a super-log of that name, of a wrongly made entry."""
    return File("super.tlog-proof", "super", Strand(name, [b"first", entry]).proof(entry))


OTHER_LOG = House(log=HOUSE.log.__class__(bytes(32))).log
STRANGER = key("stranger")
EVENT = LOG.openings[0].event.encode()


def elsewhere(strand: int) -> Case:
    """The observation's event in a strand that is not its own."""
    proof = File("0.tlog-proof", "proof", Strand(f"{ORIGIN}/strand/{strand}", [b"x", EVENT]).proof(EVENT))
    return LOG.case("genesis", "0.opening.json").plus(proof)


def consenting(**more: object) -> Case:
    """A log of one consent, about which something is untrue."""
    opening = consent_opening(**more)  # type: ignore[arg-type]
    return Log([opening]).case()


def provided(provider: dict[str, str] | None) -> Case:
    """A consent whose opening names this key as the provider's."""
    return Log([replace(consent_opening(), provider=provider)]).case()


def untrue(**members: object) -> Case:
    """A bare event with untrue members, all signed by its certified key."""
    producer = Producer(HOUSE)
    event = producer.event(9, **members)  # type: ignore[arg-type]
    proof = Strand(f"{ORIGIN}/strand/0", [event.encode()]).proof(event.encode())
    entry = File("event", "entry", event.encode())
    certificate = File("certificate", "certificate", producer.certificate.encode())
    return Case((genesis_file(), File("0.tlog-proof", "proof", proof), entry, certificate))


def without_strand_line() -> Case:
    """A proof whose checkpoint a witness signed, but not the log."""
    text = Checkpoint(f"{ORIGIN}/strand/0", len(LOG.strand.leaves), root(LOG.strand.leaves)).text
    note = W1.cosigned(f"{text}\n".encode() + b"\xe2\x80\x94 x AAAAAAA=\n")
    return LOG.case("genesis", "0.tlog-proof", "0.opening.json", head=note).plus(LOG.chained())


REFUSED = {
    "another key": (replace(LOG.case(), key=Verifier(ORIGIN, OTHER_LOG.public).vkey), "carries no signature"),
    "the key under another name": (
        replace(LOG.case(), key=Verifier("log.other", HOUSE.log.public).vkey),
        "carries no signature by the key of log.other",
    ),
    "no key at all": (replace(LOG.case(), key="log.example"), "is not a C2SP vkey"),
    "genesis of more strands than there may be": (
        LOG.case().changed("genesis", genesis_file(House(strands=MAX_STRANDS + 1)).data),
        "strands of genesis",
    ),
    "genesis of another log": (
        LOG.case().changed("genesis", genesis_file(House(log=OTHER_LOG)).data),
        "carries no signature",
    ),
    "a proof of another event": (
        LOG.case("genesis", "1.tlog-proof", "0.opening.json"),
        "is not leaf 3 of the tree of 6",
    ),
    "an opening nobody proves": (LOG.case().without("1.tlog-proof"), "none of the proofs given shows"),
    "proofs of the wrong openings": (
        LOG.case("genesis", "0.tlog-proof", "1.opening.json", "2.opening.json"),
        "none of the events given is the one",
    ),
    "another strand": (elsewhere(1), "belongs into another strand"),
    "an empty file": (LOG.case().changed("0.opening.json", b""), "is empty"),
    "no text": (LOG.case().changed("0.opening.json", b"\xff\xfe"), "is not UTF-8"),
    "an entry with a line end": (
        bare().changed("event", EVENT + b"\n"),
        "is not base64url",
    ),
    "white space in JSON": (
        LOG.case().changed("0.opening.json", render_opening(LOG.openings[0]).replace(b":", b": ", 1)),
        "canonical JSON",
    ),
    "a type unknown": (untrue(type="consent.dreamt"), "consent.dreamt is none that this page knows"),
    "a type not certified": (untrue(type="consent.granted"), "not certified for consent.granted"),
    "a service not its own": (untrue(producer="consent"), "its key is certified for records"),
    "a time before its certificate": (untrue(time=later(START, -3600)), "outside its certificate's"),
    "a day that is none": (untrue(seal_by="2026-02-30T10:00:00.000Z"), "a time that exists"),
    "another epoch": (untrue(epoch=2), "the event's epoch"),
    "a number that is true": (untrue(n=True), "the event's n is not of its form"),
    "the super-log's proof of another head": (
        LOG.case().plus(File("super.tlog-proof", "super", LOG.above.proof(LOG.above.entries[0]))),
        "about another checkpoint",
    ),
    "a super-log of another name": (
        LOG.case().plus(chained(LOG.strand.plain_head, f"{ORIGIN}/supper")),
        "another log than a strand",
    ),
    "a super-log whose entry has more lines": (
        LOG.case().plus(chained(W1.cosigned(LOG.strand.plain_head))),
        "about another checkpoint",
    ),
    "a super-log whose entry has no line": (
        LOG.case().plus(chained(LOG.strand.plain_head.rpartition(b"\n\n")[0] + b"\n")),
        "about another checkpoint",
    ),
    "a strand's line that is missing": (without_strand_line(), "carries no signature by the key of"),
    "a consent unsigned": (consenting(signer=None), "no signature of a device"),
    "a consent by another device": (consenting(signer=STRANGER), "names another key"),
    "a consent of another version": (consenting(version=2), "differs in version"),
    "another person's device": (consenting(device=device_opening(patient="b" * 26)), "another person"),
    "a device bound later": (consenting(device=device_opening(made=later(START, 60))), "only after"),
    "a device bound too late": (consenting(device=device_opening(made=later(START, 3601))), "had expired"),
    "an offer too long": (consenting(device=device_opening(hours=25)), "more than 24 hours"),
    "a device lost": (consenting(device=device_opening(status="lost")), "active binding"),
    "a binding without the code": (consenting(device=device_opening(seed=bytes(16))), "the binding does not"),
    "a provider that made no offer": (provided(STRANGER.jwk), "the offer does not hold"),
    "a provider's key with more in it": (provided({**PROVIDER.jwk, "use": "sig"}), "exactly kty"),
    "a device without a provider": (provided(None), "together"),
}


@pytest.mark.parametrize(("case", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_match_is_refused_by_page_and_command(
    case: Case, sentence: str, page: Page, tmp_path: Path
) -> None:
    assert agreed(page, case, tmp_path) == "refused"
    assert any(sentence in reason for _, reason in judged(page, case).refused), judged(page, case).refused


def test_a_refusal_hides_no_earlier_success(page: Page) -> None:
    answer = judged(page, LOG.case().changed("2.tlog-proof", LOG.case()["0.tlog-proof"].data + b"x"))
    assert [file for file, _ in answer.refused] == ["2.tlog-proof"]
    assert {file for file, _ in answer.held} >= {
        "genesis",
        "0.tlog-proof",
        "0.opening.json",
        "2.opening.json",
    }


def test_the_chain_over_the_super_log_is_told(page: Page) -> None:
    words = " ".join(judged(page, GOOD["the chain"]).words)
    assert "itself number 1 of 3 entries in the super-log" in words


@pytest.mark.parametrize(
    ("lines", "by", "met"),
    [
        (["group q all one two three", "quorum q"], "123", True),
        (["group q all one two three", "quorum q"], "12", False),
        (["group q any one two three", "quorum q"], "3", True),
        (["group q any one two three", "quorum q"], "", False),
        (["group q 2 one two three", "quorum q"], "13", True),
        (["group q 2 one two three", "quorum q"], "2", False),
        (["group a any one two", "group q all a three", "quorum q"], "23", True),
        (["group a any one two", "group q all a three", "quorum q"], "12", False),
        (["quorum two"], "2", True),
        (["quorum two"], "13", False),
        (["quorum none"], "", True),
    ],
)
def test_quorum_is_met_or_refused(lines: list[str], by: str, met: bool, page: Page, tmp_path: Path) -> None:
    named = zip(("one", "two", "three"), (W1, W2, W3), strict=True)
    policy = policy_file("# who shall have seen it", "", *(f"witness {n} {w.vkey}" for n, w in named), *lines)
    witnesses = [witness for witness, mark in ((W1, "1"), (W2, "2"), (W3, "3")) if mark in by]
    case = witnessed(*witnesses, policy=policy)
    assert agreed(page, case, tmp_path) == ("verified" if met else "refused")
    answer = judged(page, case)
    if not met:
        assert [file for file, _ in answer.refused] == ["policy"]
        assert "is not met for 1.tlog-proof" in answer.refused[0][1]
    elif by:
        assert "saw the head of the super-log at 22 November 2026, 10:00:00 UTC" in " ".join(answer.words)


def test_witnesses_of_the_strand_itself_count_too(page: Page, tmp_path: Path) -> None:
    head = W2.cosigned(W1.cosigned(LOG.strand.head), SAW + 60)
    case = LOG.case("genesis", "0.tlog-proof", "0.opening.json", head=head).plus(BOTH)
    assert agreed(page, case, tmp_path) == "verified"
    words = " ".join(judged(page, case).words)
    assert "two (witness.example/2) saw the head of the strand at 22 November 2026, 10:01:00 UTC" in words


def test_a_cosignature_of_another_checkpoint_refuses_its_proof(page: Page, tmp_path: Path) -> None:
    line = W1.cosigned(LOG.strand.head).removeprefix(LOG.strand.head)
    case = OPENED["1"].plus(LOG.chained(W2.cosigned(LOG.above.head) + line), BOTH)
    assert agreed(page, case, tmp_path) == "refused"
    assert "does not match the checkpoint" in dict(judged(page, case).refused)["super.tlog-proof"]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([f"witness one {W1.vkey}"], "no quorum"),
        (["quorum one", f"witness one {W1.vkey}"], "not defined before"),
        ([f"witness one {W1.vkey}", f"witness two {W1.vkey}", "quorum one"], "another witness has this key"),
        ([f"log {VKEY}", f"witness log {SELF.vkey}", "quorum log"], "another log has this key"),
        ([f"witness log {SELF.vkey}", f"log {VKEY}", "quorum log"], "another witness has this key"),
        ([f"witness one {W1.vkey}", f"witness one {W2.vkey}", "quorum one"], "is taken"),
        ([f"witness one {VKEY}", "quorum one"], "of a type that may stand here"),
        ([f"witness one {W1.vkey[:-4]}AAA=", "quorum one"], "vkey"),
        ([f"witness one {W1.vkey}", "group g 2 one", "quorum g"], "a number of its members"),
        ([f"witness one {W1.vkey}", "group g 0 one", "quorum g"], "a number of its members"),
        ([f"witness one {W1.vkey}", "group g all one", "group h all one", "quorum g"], "only once"),
        (["quorum none", "quorum none"], "exactly one quorum"),
        (["quorum none", "witnesses none"], "no line begins"),
        ([f"log {Verifier(ORIGIN, OTHER_LOG.public).vkey}", "quorum none"], "about other logs"),
        ([f"log {Verifier('log.other', HOUSE.log.public).vkey}", "quorum none"], "about other logs"),
    ],
)
def test_no_policy_is_refused(lines: list[str], sentence: str, page: Page, tmp_path: Path) -> None:
    case = LOG.case().plus(policy_file(*lines))
    assert agreed(page, case, tmp_path) == "refused"
    assert sentence in dict(judged(page, case).refused)["policy"]


def test_lines_that_nobody_here_can_check_neither_help_nor_hide(page: Page, tmp_path: Path) -> None:
    head = with_line(with_line(LOG.strand.head, f"{ORIGIN}/strand/0", bytes(2428)), "unknown", bytes(72))
    case = LOG.case("genesis", "0.tlog-proof", "0.opening.json", head=head).plus(LOG.chained())
    assert agreed(page, case, tmp_path) == "verified"
    words = " ".join(judged(page, case).words)
    assert "2 signature lines could not be checked here (1 by ML-DSA-44, which this page does not" in words
    assert "None was checked" in words
