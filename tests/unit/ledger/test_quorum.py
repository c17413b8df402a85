"""Which cosignatures meet a policy's quorum, explained: who signed when, and who is missing."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.kernel.encoding import sha256
from carevouch.ledger.checkpoint import Checkpoint, CheckpointFault
from carevouch.ledger.cosignature import MldsaCosignatureSigner, MldsaCosigner
from carevouch.ledger.note import Ed25519InMemory, Note, NoteFault, SignatureLine, Verifier, render_note
from carevouch.ledger.policy import (
    Policy,
    QuorumFault,
    Tally,
    WitnessLine,
    evaluate,
    satisfied,
)
from tests.unit.ledger.policies import TWO_LEVELS, W1, policy, with_log
from tests.unit.ledger.witnesses import (
    HEAD,
    LOG_KEY,
    NAMES,
    ORIGIN,
    TIME,
    cosigned,
    line,
    log_line,
    mldsa,
    mldsa_line,
    mldsa_vkey,
    signed,
    vkey,
)


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
    assert found.by == (WitnessLine("X1", TIME), WitnessLine("X3", TIME + 5), WitnessLine("Y2", TIME + 9))
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
        "the quorum X-and-Y is not met: X-and-Y has 1 of the 2 members it needs (missing: X-witnesses); "
        "X-witnesses has 1 of the 2 members it needs (missing: X2, X3)"
    )
    assert fault.value.witnessed.by == (WitnessLine("X1", TIME), WitnessLine("Y1", TIME))
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
    assert found.by == (WitnessLine("w1", TIME + 7),)


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
    with pytest.raises(NoteFault, match="no log of the policy signed"):
        satisfied(one, unsigned)
    wrong = replace(log_line(), signature=bytes(64))
    with pytest.raises(NoteFault, match="does not match"):
        satisfied(one, render_note(Note(HEAD.text, (wrong, line("w1")))))
    other = Checkpoint("log.example/other", 1, HEAD.root)
    with pytest.raises(NoteFault, match=r"is of log\.example/other and is signed by"):
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
