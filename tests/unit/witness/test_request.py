"""tlog-witness: what an `add-checkpoint` request may be, and which answer each one gets.

Other people's witnesses are the oracle: the statuses that the tests of litewitness expect (torchwood, by
FiloSottile), and the checkpoints of its test log, which another log implementation (Sigsum) signed.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.encoding import b64, sha256
from carevouch.kernel.errors import Malformed
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.cosignature import Mldsa44InMemory, MldsaCosignatureSigner, MldsaCosigner
from carevouch.ledger.merkle import EMPTY_ROOT, consistency_proof, leaf_hash
from carevouch.ledger.note import Ed25519InMemory, Note, NoteKey, SignatureLine, Verifier, render_note
from carevouch.witness.request import (
    MAX_REQUEST,
    SIZE,
    CheckpointRequest,
    Cosign,
    KnownRequest,
    Refusal,
    State,
    admit,
    judge,
    origin_hash,
    parse_request,
    render_request,
)
from tests.unit.ledger.logs import MemoryLog, numbered
from tests.unit.ledger.witnesses import HEAD, LOG, LOG_KEY, ORIGIN, log_line, mldsa, signed

KNOWN: dict[str, Sequence[NoteKey]] = {ORIGIN: [LOG_KEY]}
LEAF = leaf_hash(b"leaf")


def body(old: int, note: bytes, proof: Sequence[bytes] = ()) -> bytes:
    return render_request(CheckpointRequest(old, tuple(proof), note))


def checkpoint(size: int, root: bytes) -> bytes:
    text = Checkpoint(ORIGIN, size, root).text
    return signed(text=text)


def answer(request: bytes, state: State = State()) -> Cosign | Refusal:  # noqa: B008 - a frozen value
    admitted = admit(request, KNOWN)
    return judge(admitted, state) if isinstance(admitted, KnownRequest) else admitted


def refusal(request: bytes, state: State = State()) -> Refusal:  # noqa: B008
    found = answer(request, state)
    assert isinstance(found, Refusal)
    return found


def status(request: bytes, state: State = State()) -> int:  # noqa: B008
    found = answer(request, state)
    return 200 if isinstance(found, Cosign) else found.status


# --- the form of a request


# The proof and root in the example of the specification.
EXAMPLE = b"""old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""


def test_the_example_of_the_specification_reads_and_is_written_the_same() -> None:
    request = parse_request(EXAMPLE)
    assert (request.old, len(request.proof)) == (20852014, 4)
    assert request.note.startswith(b"example.com/behind-the-sofa\n20852163\n")
    assert render_request(request) == EXAMPLE


@pytest.mark.parametrize(
    "spoilt",
    [
        b"",
        b"old 0\n",
        b"old 0\n\n",
        b"old 0",
        b"\n\n" + signed(),
        b"old\n\n" + signed(),
        b"old \n\n" + signed(),
        b"old  0\n\n" + signed(),
        b"old 00\n\n" + signed(),
        b"old 01\n\n" + signed(),
        b"old +1\n\n" + signed(),
        b"old -1\n\n" + signed(),
        b"old 1.0\n\n" + signed(),
        b"old 0 \n\n" + signed(),
        b"Old 0\n\n" + signed(),
        b"old 0\r\n\r\n" + signed(),
        "old \N{ARABIC-INDIC DIGIT ONE}\n\n".encode() + signed(),
        b"old " + b"9" * 20 + b"\n\n" + signed(),
        b"old 0\nnot base64\n\n" + signed(),
        b"old 0\n" + b64(bytes(31)).encode() + b"\n\n" + signed(),
        b"old 0\n" + b64(bytes(33)).encode() + b"\n\n" + signed(),
        b"old 0\n" + b64(bytes(32)).encode().rstrip(b"=") + b"\n\n" + signed(),
        b"old 0\n" + signed(),
        b"old 0\n\n\n" + signed(),
        b"old 0\n\n" + signed()[:-1],
        b"old 0\n\n" + HEAD.text.encode(),
        b"old 0\n\n" + signed(text="log.example/super\n042\n" + b64(bytes(32)) + "\n"),
        b"old 0\n\n" + signed(text="log.example/super\n42\n" + b64(bytes(31)) + "\n"),
        b"old 0\n\n" + signed(text="log.example/super\n42\n"),
        body(0, signed(), [bytes(32)] * 64),
        b"old 0\n\n" + signed() + b"x" * MAX_REQUEST,
    ],
)
def test_what_is_no_request_is_a_bad_request(spoilt: bytes) -> None:
    assert status(spoilt) == 400


def test_a_proof_has_63_lines_and_not_one_more() -> None:
    assert len(parse_request(body(0, signed(), [LEAF] * 63)).proof) == 63
    with pytest.raises(Malformed, match="at most 63"):
        parse_request(body(0, signed(), [LEAF] * 64))


def test_a_checkpoint_with_16_post_quantum_signatures_fits() -> None:
    longest = [SignatureLine(f"w{n}.example", bytes(4), bytes(5_000)) for n in range(16)]
    assert status(body(0, signed(*longest))) == 200


@given(st.integers(0, 2**62), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_every_request_reads_back_as_it_was_written(old: int, proof: list[bytes]) -> None:
    request = CheckpointRequest(old, tuple(proof), signed())
    assert parse_request(render_request(request)) == request


# --- whose checkpoint it is


def test_an_unknown_log_is_not_found() -> None:
    text = Checkpoint("log.example/other", 1, LEAF).text
    assert status(body(0, signed(text=text))) == 404
    assert refusal(body(0, signed(text=text))).body.startswith("this witness does not know")


def test_a_checkpoint_that_its_log_did_not_sign_is_forbidden() -> None:
    stranger = Ed25519InMemory(sha256(b"stranger"))
    other = SignatureLine(ORIGIN, Verifier(ORIGIN, stranger.public).key_id, stranger.sign(HEAD.text.encode()))
    assert status(body(0, render_note(Note(HEAD.text, (other,))))) == 403
    broken = replace(log_line(), signature=bytes(64))
    assert status(body(0, render_note(Note(HEAD.text, (broken,))))) == 403
    assert status(body(0, render_note(Note(HEAD.text, (other, log_line()))))) == 200


def test_the_lines_of_strangers_are_left_out_of_what_is_admitted() -> None:
    admitted = admit(body(0, signed(SignatureLine("w1.example", bytes(4), b"anything"))), KNOWN)
    assert isinstance(admitted, KnownRequest)
    assert admitted.note.lines == (log_line(),)


def test_one_bad_line_by_a_trusted_key_refuses_the_good_one_too() -> None:
    second = MldsaCosigner(ORIGIN, mldsa("log").public)
    line = MldsaCosignatureSigner(ORIGIN, mldsa("log"), lambda: 0).line(HEAD.text)
    logs: dict[str, Sequence[NoteKey]] = {ORIGIN: [LOG_KEY, second]}
    assert isinstance(admit(body(0, signed(line)), logs), KnownRequest)
    found = admit(body(0, signed(replace(line, signature=line.signature[:-1] + b"\x00\x01"))), logs)
    assert isinstance(found, Refusal)
    assert found.status == 403


def test_a_log_that_is_known_by_its_mldsa_key_alone_is_admitted() -> None:
    second = MldsaCosigner(ORIGIN, mldsa("log").public)
    line = MldsaCosignatureSigner(ORIGIN, mldsa("log"), lambda: 0).line(HEAD.text)
    assert isinstance(admit(body(0, signed(line)), {ORIGIN: [second]}), KnownRequest)
    assert isinstance(admit(body(0, signed()), {ORIGIN: [second]}), Refusal)


# --- whether it continues what was cosigned


@pytest.mark.parametrize(
    ("known", "old", "size", "root", "proof", "wanted"),
    [
        (0, 0, 0, EMPTY_ROOT, [], 200),
        (0, 0, 0, LEAF, [], 422),
        (0, 0, 0, bytes(32), [], 422),
        (0, 0, 0, EMPTY_ROOT, [LEAF], 422),
        (0, 0, 1, LEAF, [], 200),
        (0, 0, 1, LEAF, [LEAF], 422),
        (1, 0, 1, LEAF, [LEAF], 409),
        (1, 1, 0, EMPTY_ROOT, [], 400),
    ],
    ids=[
        "empty tree",
        "invalid empty root",
        "zero empty root",
        "empty tree with proof",
        "first nonempty tree",
        "first nonempty tree with proof",
        "old size mismatch",
        "old size greater than new",
    ],
)
def test_around_the_empty_tree_the_answers_are_those_of_litewitness(
    known: int, old: int, size: int, root: bytes, proof: list[bytes], wanted: int
) -> None:
    state = State(known, LEAF) if known else State()
    request = body(old, checkpoint(size, root), proof)
    assert status(request, state) == wanted
    found = answer(request, state)
    if isinstance(found, Cosign):  # the same again is cosigned again, from the size that is known now
        assert status(body(size, checkpoint(size, root)), found.after) == 200


def grown(*sizes: int) -> list[tuple[State, MemoryLog]]:
    """A log at some sizes."""
    states, log = [], MemoryLog()
    for size in sizes:
        log.append(numbered(log.edge.size, size - log.edge.size))
        states.append((State(size, log.edge.root()), log))
    return states


def proof_between(log: MemoryLog, old: int, new: int) -> list[bytes]:
    return list(consistency_proof(log.reader(), old, new))


def test_growth_with_its_proof_is_cosigned_and_moves_the_state() -> None:
    (old, _), (new, log) = grown(300, 777)
    found = answer(body(300, checkpoint(777, new.root), proof_between(log, 300, 777)), old)
    assert found == Cosign(Checkpoint(ORIGIN, 777, new.root), old, new)


@pytest.mark.parametrize("bit", [0, 255])
def test_a_proof_with_one_bit_changed_or_one_line_more_or_less_is_unprocessable(bit: int) -> None:
    (old, _), (new, log) = grown(300, 777)
    proof = proof_between(log, 300, 777)
    for at in range(len(proof)):
        changed = bytearray(proof[at])
        changed[bit // 8] ^= 1 << bit % 8
        spoilt = [*proof[:at], bytes(changed), *proof[at + 1 :]]
        assert status(body(300, checkpoint(777, new.root), spoilt), old) == 422
    for spoilt in (proof[:-1], proof[1:], [*proof, LEAF], []):
        assert status(body(300, checkpoint(777, new.root), spoilt), old) == 422


def test_a_fork_is_unprocessable_whatever_it_brings() -> None:
    (old, _), (new, log) = grown(300, 777)
    proof = proof_between(log, 300, 777)
    assert status(body(300, checkpoint(777, LEAF), proof), old) == 422
    assert status(body(300, checkpoint(777, new.root), proof), State(300, LEAF)) == 422


def test_another_old_size_is_a_conflict_that_says_the_known_one() -> None:
    (_, _), (new, log) = grown(300, 777)
    proof = proof_between(log, 300, 777)
    for known in (State(), State(299, LEAF), State(301, LEAF), State(900, LEAF)):
        found = refusal(body(300, checkpoint(777, new.root), proof), known)
        assert (found.status, found.body, found.content_type) == (409, f"{known.size}\n", SIZE)


def test_the_same_size_with_another_root_is_a_conflict_that_invites_to_nothing() -> None:
    found = refusal(body(777, checkpoint(777, LEAF)), State(777, sha256(b"root")))
    assert found.status == 409
    assert found.content_type != SIZE
    assert status(body(777, checkpoint(777, LEAF), [LEAF]), State(777, sha256(b"root"))) == 409


def test_the_same_checkpoint_is_cosigned_again_without_a_proof_and_not_with_one() -> None:
    state = State(777, LEAF)
    assert answer(body(777, checkpoint(777, LEAF)), state) == Cosign(
        Checkpoint(ORIGIN, 777, LEAF), state, state
    )
    assert status(body(777, checkpoint(777, LEAF), [LEAF]), state) == 422


def test_the_form_is_judged_before_the_log_and_the_signature_before_the_sizes() -> None:
    unsigned = render_note(Note(HEAD.text, (replace(log_line(), signature=bytes(64)),)))
    assert status(b"old x\n\n" + signed(text=Checkpoint("other", 1, LEAF).text)) == 400
    assert status(body(99, unsigned)) == 403
    assert status(body(43, signed())) == 400
    assert status(body(43, signed()), State(43, LEAF)) == 400


# --- the test log of litewitness: its checkpoints are signed by another implementation


SIGSUM = Verifier(
    "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562",
    bytes.fromhex("ffdc2d4d98e4124d3feaf788c0c2f9abfd796083d1f0495437f302ec79cf100f"),
)
SIGSUM_HEADS = {
    1: (
        "KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "UgIom7fPZTqpxWWhyjWduBvTvGVqsokMbqTArsQilegKoFBJQjUFAmQ0+YeSPM3wfUQMFSzVnnNuWRTYrajXpNUbIQY=",
        (),
    ),
    3: (
        "RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=",
        "UgIom2VbtIcdFbwFAy1n7s6IkAxIY6J/GQOTuZF2ORV39d75cbAj2aQYwyJre36kezNobZs4SUUdrcawfAB8WVrx6go=",
        ("KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ),
    5: (
        "QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=",
        "UgIomw/EOJmWi0i1FQsOj+etB7F8IccFam/jgd6wzRns4QPVmyEZtdvl1U2KEmLOZ/ASRcWJi0tW90dJWAShei7sDww=",
        (
            "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI=",
            "KgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ),
    ),
}


def sigsum_request(old: int, size: int, proof: Sequence[str] | None = None) -> bytes:
    root, signature, from_one = SIGSUM_HEADS[size]
    lines = [f"old {old}", *(from_one if proof is None else proof), "", SIGSUM.name, str(size), root, ""]
    return "".join(f"{line}\n" for line in [*lines, f"\u2014 {SIGSUM.name} {signature}"]).encode()


def test_the_transcript_of_litewitness_gets_the_same_answers() -> None:
    logs: dict[str, Sequence[NoteKey]] = {SIGSUM.name: [SIGSUM]}
    state = State()
    for old, size, known in ((0, 1, 1), (1, 3, 3)):
        admitted = admit(sigsum_request(old, size), logs)
        assert isinstance(admitted, KnownRequest)
        found = judge(admitted, state)
        assert isinstance(found, Cosign)
        state = found.after
        assert state.size == known
    late = admit(sigsum_request(1, 5), logs)
    assert isinstance(late, KnownRequest)
    assert judge(late, state) == Refusal(409, "3\n", SIZE)
    many = admit(sigsum_request(0, 1, SIGSUM_HEADS[3][2][:1] * 64), logs)
    assert isinstance(many, Refusal)
    assert many.status == 400


def test_the_mldsa_log_of_litewitness_has_the_same_key_here() -> None:
    seed = bytes.fromhex("2886adc2b0eabfce67c0472939127998bf886cf256bfee8ba76a253fce1146e0")
    key = MldsaCosigner("example.com/mldsa-log", Mldsa44InMemory(seed).public)
    assert key.vkey.startswith("example.com/mldsa-log+b5df45c5+BuhtcL97l3dcitjZ8Y9J54gmQ1TWn/BMF0yePKpTzhlF")


def test_a_log_is_called_by_the_hash_of_its_origin() -> None:
    assert origin_hash("example.com/behind-the-sofa") == sha256(b"example.com/behind-the-sofa").hex()
    assert LOG.public == LOG_KEY.public
