"""Acts that are tried again, or that meet a rival: one act, one answer, on every store."""

import os
from collections.abc import Callable, Sequence

import pytest

from carevouch.kernel.errors import Busy, Unprocessable
from carevouch.kernel.ids import Doc, Key, about, directory
from carevouch.store.documents import ActNames, ActPlan, ActRequest, CommittedAct, Draft, StoredAnswer
from carevouch.store.documents.model import commit_key, stage_key
from carevouch.store.documents.writer import STAGE_SECONDS
from carevouch.store.rows import Row
from tests.acts import perform
from tests.contract.stores import (
    Hooked,
    before_the_transaction,
    hooked,
    late_commit,
    only,
    random_part,
    register,
    request,
    seen_through,
    store_observations,
    update,
    visible,
)
from tests.world import World

# --- retries


@pytest.mark.parametrize(("count", "staged"), [(1, False), (3, False), (60, True)])
def test_a_retry_gets_the_same_answer_and_makes_no_second_event(
    world: World, patient: str, count: int, *, staged: bool
) -> None:
    asked = request(key="k-1")
    once = store_observations(world, patient, count, asked=asked, staged=staged)
    again = store_observations(world, patient, count, asked=asked, staged=staged)
    assert (again.event, again.certificate, again.answer) == (once.event, once.certificate, once.answer)
    assert (once.replayed, again.replayed) == (False, True)
    assert visible(world, patient) == count


def test_a_retry_decides_nothing_again(world: World, patient: str) -> None:
    asked, doc = request(key="k-1"), Doc("Observation", about(patient, random_part()))
    plan = ActPlan("records.stored", (Draft(doc, b"{}"),), StoredAnswer(201), (patient,))
    perform(world.writer("records"), asked, lambda _: doc, lambda _: plan)

    def decides(_naming: ActNames) -> ActPlan:
        raise AssertionError("a retry must not be decided again")

    assert perform(world.writer("records"), asked, lambda _: doc, decides).replayed


def test_a_retried_update_is_found_behind_later_versions(world: World, patient: str) -> None:
    store_observations(world, patient)
    first, asked = only(world, patient), request(key="k-2")
    once = update(world, first, b"2", asked=asked)
    update(world, only(world, patient), b"3")
    assert update(world, first, b"2", asked=asked).event == once.event
    assert len(world.reader.person(patient).history(first.doc)) == 3


def test_a_key_used_for_another_request_is_refused(world: World, patient: str) -> None:
    store_observations(world, patient, asked=request("k", b"one"))
    with pytest.raises(Unprocessable, match="Idempotency-Key"):
        store_observations(world, patient, asked=request("k", b"two"))
    assert visible(world, patient) == 1


def test_the_same_key_of_another_caller_is_another_request(world: World, patient: str) -> None:
    for caller in ("d.one", "d.two"):
        store_observations(world, patient, asked=request("k", caller=caller))
    assert visible(world, patient) == 2


def test_without_a_key_a_retry_is_a_new_act(world: World, patient: str) -> None:
    for _ in range(2):
        store_observations(world, patient)
    assert visible(world, patient) == 2


def test_what_a_retry_is_told_is_not_stored_in_clear(world: World, patient: str) -> None:
    done = store_observations(world, patient, asked=request("k", b"POST secret-words"))
    for row in world.rows.query(f"P#{patient}"):
        for value in row.attributes.values():
            assert b"secret-words" not in (value if isinstance(value, bytes) else str(value).encode())
    sealed = world.rows.query(f"P#{patient}", "Observation#")[0].binary("answer") or b""
    assert done.answer.references[0].encode() not in sealed


def test_a_copy_of_the_request_that_lost_the_race_gets_the_winners_answer(world: World, patient: str) -> None:
    asked = request("k")
    other, hooks = hooked(world)
    winner: list[CommittedAct] = []
    # The first put of a fresh environment is its certificate, the second its document.
    hooks.before("put_new", lambda: winner.append(store_observations(world, patient, asked=asked)), nth=2)
    loser = store_observations(other, patient, asked=asked)
    assert loser.replayed
    assert loser.event == winner[0].event
    assert visible(world, patient) == 1


# --- identifiers


def blind_of(world: World) -> str:
    return world.reader.keys.deployment().blind("Patient", "urn:system", os.urandom(8).hex())


def test_an_identifier_lost_to_a_rival_leads_to_the_rivals_person(world: World) -> None:
    # Ids of retried acts come from the key alone, and the local cloud keeps what earlier tests stored.
    blind, asked, rival = blind_of(world), request(random_part()), request(random_part())
    rivals: list[CommittedAct] = []
    other = before_the_transaction(world, lambda: rivals.append(register(world, blind, rival)))
    mine = register(other, blind, asked)
    assert rivals[0].answer.status == 201
    assert mine.answer.status == 200
    assert mine.answer.references == rivals[0].answer.references


def test_a_retry_after_a_lost_race_gets_the_one_answer(world: World) -> None:
    # Ids of retried acts come from the key alone, and the local cloud keeps what earlier tests stored.
    blind, asked, rival = blind_of(world), request(random_part()), request(random_part())
    other = before_the_transaction(world, lambda: register(world, blind, rival))
    mine = register(other, blind, asked)
    again = register(world, blind, asked)
    assert again.replayed
    assert (again.event, again.answer) == (mine.event, mine.answer)
    assert visible(world, mine.answer.references[0]) == 2


def test_one_identifier_twice_in_an_act_is_one_row(world: World, patient: str) -> None:
    doc, blind = Doc("Patient", patient), blind_of(world)
    drafts, pairs = (Draft(doc, b"{}"),), ((blind, doc), (blind, doc))
    plan = ActPlan("patient.registered", drafts, StoredAnswer(201), (patient,), pairs)
    perform(world.writer("identity"), request(), lambda _: doc, lambda _: plan)
    row = world.rows.get(Key(blind, "id"))
    assert row is not None
    assert row.text("doc") == str(doc)


def test_two_documents_of_an_act_with_one_identifier_are_refused(world: World, patient: str) -> None:
    blind = blind_of(world)
    one, two = (Doc("Organization", directory(random_part())) for _ in range(2))
    drafts, pairs = (Draft(one, b"{}"), Draft(two, b"{}")), ((blind, one), (blind, two))
    plan = ActPlan("records.stored", drafts, StoredAnswer(201), (), pairs)
    with pytest.raises(Unprocessable, match="identifier"):
        perform(world.writer("records"), request(), lambda _: one, lambda _: plan)
    assert world.reader.find(one) is None


# --- stages met by others


def stage_only(world: World, patient: str, asked: ActRequest, count: int = 30) -> None:
    """Leave a stage behind as an environment does that dies before its commit."""

    class Death(BaseException):
        pass

    def die() -> None:
        raise Death

    other = before_the_transaction(world, die)
    with pytest.raises(Death):
        store_observations(other, patient, count, staged=True, asked=asked)


def test_a_request_whose_copy_is_under_way_is_told_to_wait(world: World, patient: str) -> None:
    stage_only(world, patient, request("k"))
    with pytest.raises(Busy, match="in progress"):
        store_observations(world, patient, 30, staged=True, asked=request("k"))
    assert visible(world, patient) == 0


def test_an_overdue_stage_is_aborted_and_the_request_done_under_new_names(world: World, patient: str) -> None:
    stage_only(world, patient, request("k"))
    world.clock.advance(STAGE_SECONDS + 1)
    done = store_observations(world, patient, 30, staged=True, asked=request("k"))
    assert visible(world, patient) == 30
    again = store_observations(world, patient, 30, staged=True, asked=request("k"))
    assert again.event == done.event
    assert visible(world, patient) == 30


def test_rows_of_an_aborted_act_stay_invisible(world: World, patient: str) -> None:
    stage_only(world, patient, request("k"))
    event_id = world.rows.query(f"P#{patient}", "Observation#")[0].text("act") or ""
    world.rows.put_new(Row(commit_key(f"P#{patient}", event_id), {"state": "aborted"}))
    assert visible(world, patient) == 0
    store_observations(world, patient, 30, staged=True, asked=request("k"))
    assert visible(world, patient) == 30


def test_a_stage_aborted_by_another_cannot_be_committed_any_more(world: World, patient: str) -> None:
    def abort() -> None:
        event_id = world.rows.query(f"P#{patient}", "Observation#")[0].text("act") or ""
        world.rows.put_new(Row(commit_key(f"P#{patient}", event_id), {"state": "aborted"}))

    other = before_the_transaction(world, abort)
    done = store_observations(other, patient, 30, staged=True, asked=request("k"))
    assert visible(world, patient) == 30
    assert {stored.event.text for stored in world.reader.person(patient).latest()} == {done.event}


def test_a_stage_committed_while_it_is_declared_dead_gives_its_answer(world: World, patient: str) -> None:
    asked, told = request("k"), []
    impatient, hooks = hooked(world)

    def meanwhile(commit: Callable[[], None]) -> None:
        world.clock.advance(STAGE_SECONDS + 1)
        # The copy fails to put the guard, finds it overdue, and is about to put "aborted".
        hooks.before("put_new", commit, nth=2)
        told.append(store_observations(impatient, patient, 30, staged=True, asked=asked))

    done = store_observations(late_commit(world, meanwhile), patient, 30, staged=True, asked=asked)
    assert [copy.event for copy in told] == [done.event]
    assert visible(world, patient) == 30


def test_a_commit_between_the_reads_of_a_retry_is_not_taken_for_an_abort(world: World, patient: str) -> None:
    asked, told = request("k"), []

    def meanwhile(commit: Callable[[], None]) -> None:
        class Torn(Hooked):
            """Reads the last key of a batch after the others: DynamoDB promises no snapshot."""

            def get_many(self, keys: Sequence[Key]) -> dict[Key, Row]:
                found = self.rows.get_many(keys[:-1])
                with self._around("last key"):
                    return found | self.rows.get_many(keys[-1:])

        torn = Torn(world.rows)
        torn.before("last key", commit)
        told.append(store_observations(seen_through(world, torn), patient, 30, staged=True, asked=asked))

    done = store_observations(late_commit(world, meanwhile), patient, 30, staged=True, asked=asked)
    assert [copy.event for copy in told] == [done.event]
    assert visible(world, patient) == 30


def test_two_bundles_under_one_key_never_mix_their_rows(world: World, patient: str) -> None:
    def other_types(asked: ActRequest) -> CommittedAct:
        def build(naming: ActNames) -> ActPlan:
            types = ("Observation", "Condition", "Observation")
            docs = [Doc(t, about(patient, naming.part(index))) for index, t in enumerate(types)]
            drafts = tuple(Draft(doc, b'{"other":1}') for doc in docs)
            return ActPlan("records.stored", drafts, StoredAnswer(201), (patient,), staged=True)

        first: Callable[[ActNames], Doc] = lambda naming: Doc("Observation", about(patient, naming.part(0)))  # noqa: E731
        return perform(world.writer("records"), asked, first, build)

    def rival() -> None:
        with pytest.raises(Busy):
            other_types(request("k", b"another body"))

    other = before_the_transaction(world, rival)
    store_observations(other, patient, 3, staged=True, asked=request("k"))
    assert visible(world, patient) == 3
    with pytest.raises(Unprocessable):
        other_types(request("k", b"another body"))


def test_the_row_that_guards_a_stage_says_until_when(world: World, patient: str) -> None:
    stage_only(world, patient, request("k"))
    event_id = world.rows.query(f"P#{patient}", "Observation#")[0].text("act") or ""
    guard = world.rows.get(stage_key(f"P#{patient}", event_id))
    assert guard is not None
    assert guard.text("until") == "2026-11-22T10:02:00.000Z"
