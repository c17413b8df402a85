"""The witness's use case and its routes: stored before signed, and of two that meet one is told."""

import pytest

from carevouch.door.http import Door
from carevouch.kernel.encoding import sha256
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.cosignature import timestamp_of
from carevouch.ledger.note import open_note, parse_note
from carevouch.witness.request import SIZE, State, WitnessSigner, origin_hash
from carevouch.witness.witness import Witness, WitnessAnswer
from services.witness.routes import ROUTES
from tests.api import Api
from tests.fakes import Crash, Faults
from tests.service.witness.memory_witness import MemoryWitness, Stand, grown, signer
from tests.unit.ledger.witnesses import LOG, TIME, ed25519, key_name
from tests.unit.verifier.deployments import SIGNER, SUPER_KEY, SUPER_ORIGIN


def verified(answer: WitnessAnswer, note: bytes, who: WitnessSigner | None = None) -> int:
    """How many lines an answer has, all of them verified over the note."""
    assert answer.status == 200
    whole = open_note(note + answer.body.encode(), (who or signer()).keys)
    assert [timestamp_of(line.signature) for line in whole.lines] == [TIME] * len(whole.lines)
    return len(whole.lines)


def test_growth_is_cosigned_by_both_keys_and_remembered() -> None:
    stand = Stand()
    for old, size in ((0, 3), (3, 3), (3, 11)):
        head = grown(stand, size)
        assert verified(stand.ask(old), SIGNER.sign(head)) == 2
        assert stand.state == State(size, head.root)
    assert stand.told.counts["Cosigned"] == 3


def test_a_witness_without_a_second_key_gives_one_line() -> None:
    stand = Stand()
    grown(stand, 2)
    alone = WitnessSigner(key_name("w1"), ed25519("w1"))
    whole = stand.witness()
    whole._signer = alone
    assert verified(whole.add_checkpoint(stand.request(0)), stand.made.note, alone) == 1


def test_the_race_of_the_specification_does_not_roll_the_log_back() -> None:
    """Both are checked, then N+K is stored and cosigned; N must not be stored or cosigned after it."""
    stand = Stand()
    first = grown(stand, 5)
    late = stand.request(0)
    second = grown(stand, 9)
    early = stand.request(0)
    stand.store.meanwhile = lambda: verified(stand.witness().add_checkpoint(early), SIGNER.sign(second))
    answer = stand.witness().add_checkpoint(late)
    assert (answer.status, answer.body, answer.content_type) == (409, "9\n", SIZE)
    assert stand.state == State(9, second.root)
    assert first.size < second.size


def test_two_forks_that_meet_are_not_both_cosigned() -> None:
    stand = Stand()
    grown(stand, 4)
    fork = stand.request(0, Checkpoint(SUPER_ORIGIN, 4, sha256(b"another history")))
    stand.store.meanwhile = lambda: stand.witness().add_checkpoint(fork)
    assert stand.ask(0).status == 409
    assert stand.state.root == sha256(b"another history")
    assert stand.ask(4).status == 409
    assert stand.told.counts["TwoTrees"] == 1
    assert stand.told.errors[0][1]["size"] == "4"


def test_the_same_checkpoint_twice_at_once_is_cosigned_twice() -> None:
    stand = Stand()
    grown(stand, 4)
    stand.store.meanwhile = lambda: stand.ask(0)
    assert verified(stand.ask(0), stand.made.note) == 2


@pytest.mark.parametrize("what", ["lost", "dropped"])
def test_a_write_without_an_answer_is_settled_by_a_read(what: str) -> None:
    stand = Stand(store=MemoryWitness(Faults({1: what})))
    grown(stand, 4)
    answer = stand.ask(0)
    if what == "lost":
        assert verified(answer, stand.made.note) == 2
    else:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert stand.state == State()
        assert verified(stand.ask(0), stand.made.note) == 2


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("when", ["before", "after"])
def test_wherever_it_dies_the_log_is_never_cosigned_back(at: int, when: str) -> None:
    stand = Stand(store=MemoryWitness(Faults({at: when})))
    grown(stand, 4)
    with pytest.raises(Crash):
        stand.ask(0)
    known = stand.state.size
    assert known == (0 if (at, when) == (1, "before") else 4)
    assert stand.ask(known).status == 200
    assert stand.ask(0, Checkpoint(SUPER_ORIGIN, 2, sha256(b"fork"))).status == 409


def test_an_unknown_log_and_a_stranger_are_refused_and_leave_no_trace() -> None:
    stand = Stand()
    grown(stand, 1)
    assert (
        Witness([], stand.store, signer(), lambda: TIME, stand.told).add_checkpoint(stand.request(0)).status
        == 404
    )
    text = stand.made.checkpoint.text.encode()
    forged = b"old 0\n\n" + text + b"\n" + b"\xe2\x80\x94 " + SUPER_ORIGIN.encode() + b" " + b"A" * 92 + b"\n"
    assert stand.witness().add_checkpoint(forged).status == 403
    assert stand.store.states == {}
    assert LOG.public != SUPER_KEY.public


def test_readers_get_the_largest_cosigned_checkpoint_with_all_signatures() -> None:
    stand = Stand()
    for old, size in ((0, 2), (2, 6)):
        grown(stand, size)
        stand.ask(old)
    note = stand.witness().checkpoint(origin_hash(SUPER_ORIGIN))
    assert note is not None
    assert len(open_note(note, [SUPER_KEY, *signer().keys]).lines) == 3
    assert parse_note(note).text == stand.made.checkpoint.text
    assert stand.witness().checkpoint(origin_hash("log.example/other")) is None


def test_a_log_that_is_no_longer_known_is_no_longer_shown() -> None:
    stand = Stand()
    grown(stand, 2)
    stand.ask(0)
    forgetful = Witness([], stand.store, signer(), lambda: TIME, stand.told)
    assert forgetful.checkpoint(origin_hash(SUPER_ORIGIN)) is None


# --- the routes


def door_of(stand: Stand) -> Api:
    door = Door("witness")
    door.serve(ROUTES, stand.witness)
    return Api(door)


@pytest.mark.parametrize("kind", ["", "text/plain", "text/plain; charset=utf-8", "application/octet-stream"])
def test_a_request_is_taken_whatever_its_body_is_called(kind: str) -> None:
    stand = Stand()
    grown(stand, 2)
    answer = door_of(stand).call(
        "POST", "/ledger/add-checkpoint", stand.request(0), headers={"content-type": kind}
    )
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert len(open_note(stand.made.note + answer.body, signer().keys).lines) == 2


def test_a_conflict_has_the_content_type_of_the_protocol() -> None:
    stand = Stand()
    grown(stand, 2)
    stand.ask(0)
    answer = door_of(stand).call("POST", "/ledger/add-checkpoint", stand.request(0))
    assert (answer.status, answer.body, answer.headers["content-type"]) == (409, b"2\n", SIZE)


def test_the_witness_says_who_it_is_and_which_logs_it_knows() -> None:
    told = door_of(Stand()).call("GET", "/ledger/witness").json()
    assert told["name"] == key_name("w1")
    assert told["vkeys"] == [key.vkey for key in signer().keys]
    assert told["logs"] == [{"origin": SUPER_ORIGIN, "log": origin_hash(SUPER_ORIGIN)}]


def test_a_cosigned_checkpoint_is_served_as_the_note_it_is() -> None:
    stand = Stand()
    path = f"/ledger/witness/{origin_hash(SUPER_ORIGIN)}/checkpoint"
    assert door_of(stand).call("GET", path).status == 404
    grown(stand, 2)
    stand.ask(0)
    answer = door_of(stand).call("GET", path)
    assert answer.body == stand.witness().checkpoint(origin_hash(SUPER_ORIGIN))
    assert answer.headers["cache-control"] == "no-cache"
    assert door_of(stand).call("GET", "/ledger/witness/../checkpoint").status == 404
