"""Acts on every store: whole or not at all, once, in order, and only by whom the matrix names."""

import os
from collections.abc import Callable, Iterator, Sequence

import pytest

from shared.aws.documents import Answer, Committed, Draft, Naming, Plan, Reader, Request
from shared.aws.documents.layout import commit_key, stage_key
from shared.aws.documents.writer import MAX_TRANSACTED, STAGE_SECONDS, Writer
from shared.aws.keys import KeyRing
from shared.aws.rows import Row
from shared.aws.session import Session
from shared.events.certificate import verify_event
from shared.events.envelope import parse_event, tag
from shared.kernel.errors import Busy, Conflict, Erased, IntegrityFault, NotFound, TooLarge, Unprocessable
from shared.kernel.ids import Doc, Key, about, audit, directory
from shared.ledger.merkle import verify_inclusion
from tests.contract.stores import (
    STORES,
    Hooked,
    Store,
    new_person,
    only,
    open_store,
    random_part,
    register,
    request,
    store_observations,
    update,
)
from tests.local_cloud import cloud  # noqa: F401 - asked for by name, when it is needed
from tests.world import DEPLOYMENT, World


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    yield from open_store(request)


@pytest.fixture
def world(store: Store) -> World:
    return store.world()


@pytest.fixture
def patient(world: World) -> str:
    return new_person(world)


def seen_through(world: World, rows: Hooked) -> World:
    """The same world over other rows."""
    keys = (world.roots, world.operator, world.seal, world.log)
    return World(rows, world.key_rows, world.wrapper, world.clock, *keys)


def hooked(world: World) -> tuple[World, Hooked]:
    """The same world seen through rows in whose calls something happens."""
    hooks = Hooked(world.rows)
    return seen_through(world, hooks), hooks


def visible(world: World, patient: str) -> int:
    return len(world.reader.person(patient).latest())


# --- the three shapes


def test_a_single_document_is_stored_proved_and_tagged(world: World, patient: str) -> None:
    done = store_observations(world, patient, body=b'{"value":1.50}')
    stored = only(world, patient)
    assert stored.body == b'{"value":1.50}'
    assert done.answer == Answer(201, (str(stored.doc),))
    event = parse_event(done.event)
    assert (event.type, event.producer, event.count, event.n) == ("records.stored", "records", 1, 1)
    assert event.tags == (tag(world.reader.keys.person(patient).secret, event.id),)
    verify_event(event, world.reader.certificate(event.kid), world.genesis)
    assert done.certificate == stored.certificate


def test_several_documents_are_one_event_and_each_stands_under_its_root(world: World, patient: str) -> None:
    def build(naming: Naming) -> Plan:
        drafts = tuple(
            Draft(Doc(type_, about(patient, naming.part(index))), b"{}")
            for index, type_ in enumerate(("Claim", "ClaimResponse", "Accumulator"))
        )
        return Plan("claim.adjudicated", drafts, Answer(200), (patient,))

    world.writer("claims").perform(request(), lambda n: Doc("Claim", about(patient, n.part(0))), build)
    found = world.reader.person(patient).latest()
    assert [stored.doc.type for stored in found] == ["Accumulator", "Claim", "ClaimResponse"]
    assert len({stored.event.text for stored in found}) == 1
    for stored in found:
        verify_inclusion(stored.index, 3, stored.revision.leaf_hash, stored.path, stored.event.root)


def test_a_staged_act_is_invisible_until_it_is_committed(world: World, patient: str) -> None:
    other, hooks = hooked(world)
    seen: list[int] = []
    hooks.before("transact", lambda: seen.append(visible(world, patient)))
    done = store_observations(other, patient, 60, staged=True)
    found = world.reader.person(patient).latest()
    assert seen == [0]
    assert len(found) == 60
    assert sorted(stored.index for stored in found) == list(range(60))
    assert {str(stored.doc) for stored in found} == set(done.answer.references)
    for stored in found:
        verify_inclusion(stored.index, 60, stored.revision.leaf_hash, stored.path, stored.event.root)


def test_documents_about_nobody_lie_by_type_under_the_deployments_key(world: World) -> None:
    doc = Doc("Organization", directory(random_part()))
    plan = Plan("records.stored", (Draft(doc, b'{"name":"x"}'),), Answer(201))
    world.writer("records").perform(request(), lambda _: doc, lambda _: plan)
    stored = world.reader.find(doc)
    assert stored is not None
    assert stored.body == b'{"name":"x"}'
    assert stored in world.reader.directory("Organization").latest()
    assert len(stored.event.tags) == 1


def test_audits_of_known_and_unknown_people_lie_by_month(world: World, patient: str) -> None:
    for subject in (patient, None):
        doc = Doc("AuditEvent", audit(subject, random_part(), world.clock.now))
        plan = Plan("access.audited", (Draft(doc, b"{}"),), Answer(200), (subject,) if subject else ())
        world.writer("consent").perform(request(), lambda _, doc=doc: doc, lambda _, plan=plan: plan)  # type: ignore[misc]
        months = world.reader.month_of_audit(subject, "2026-11").latest()
        assert doc in [stored.doc for stored in months]
    assert visible(world, patient) == 0


# --- versions


def test_a_document_grows_version_by_version_in_one_chain(world: World, patient: str) -> None:
    store_observations(world, patient, body=b'{"v":1}')
    for number in (2, 3):
        update(world, only(world, patient), b'{"v":%d}' % number)
    history = world.reader.person(patient).history(only(world, patient).doc)
    assert [stored.version for stored in history] == [1, 2, 3]
    assert [stored.body for stored in history] == [b'{"v":1}', b'{"v":2}', b'{"v":3}']
    assert history[2].revision.prev == history[1].revision.leaf_hash
    second = world.reader.person(patient).version(history[0].doc, 2)
    assert second is not None
    assert second.body == b'{"v":2}'
    assert world.reader.person(patient).version(history[0].doc, 4) is None


def test_of_two_updates_of_one_version_the_second_conflicts(world: World, patient: str) -> None:
    store_observations(world, patient)
    current = only(world, patient)
    update(world, current, b'{"by":"one"}')
    with pytest.raises(Conflict):
        update(world, current, b'{"by":"two"}')
    assert only(world, patient).body == b'{"by":"one"}'


def test_a_refused_act_uses_no_number(world: World, patient: str) -> None:
    writer = world.writer("records")
    store_observations(world, patient)
    current = only(world, patient)

    def put(body: bytes) -> Committed:
        plan = Plan("record.updated", (Draft(current.doc, body, current),), Answer(200), (patient,))
        return writer.perform(request(), lambda _: current.doc, lambda _: plan)

    put(b"1")
    with pytest.raises(Conflict):
        put(b"2")
    current = only(world, patient)
    done = put(b"3")
    assert parse_event(done.event).n == 2


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
    plan = Plan("records.stored", (Draft(doc, b"{}"),), Answer(201), (patient,))
    world.writer("records").perform(asked, lambda _: doc, lambda _: plan)

    def decides(_naming: Naming) -> Plan:
        raise AssertionError("a retry must not be decided again")

    assert world.writer("records").perform(asked, lambda _: doc, decides).replayed


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
    winner: list[Committed] = []
    # The first put of a fresh environment is its certificate, the second its document.
    hooks.before("put_new", lambda: winner.append(store_observations(world, patient, asked=asked)), nth=2)
    loser = store_observations(other, patient, asked=asked)
    assert loser.replayed
    assert loser.event == winner[0].event
    assert visible(world, patient) == 1


# --- identifiers


def blind_of(world: World) -> str:
    return world.reader.keys.deployment().blind("Patient", "urn:system", os.urandom(8).hex())


def late_commit(world: World, meanwhile: Callable[[Callable[[], None]], None]) -> World:
    """The same world, where `meanwhile` runs in the place of a transaction and is handed the transaction."""

    class Late(Hooked):
        def transact(self, rows: Sequence[Row], *, alive: Sequence[str] = ()) -> None:
            meanwhile(lambda: self.rows.transact(rows, alive=alive))

    return seen_through(world, Late(world.rows))


def before_the_transaction(world: World, rival: Callable[[], object]) -> World:
    other, hooks = hooked(world)
    hooks.before("transact", rival)
    return other


def test_an_identifier_lost_to_a_rival_leads_to_the_rivals_person(world: World) -> None:
    # Ids of retried acts come from the key alone, and the local cloud keeps what earlier tests stored.
    blind, asked, rival = blind_of(world), request(random_part()), request(random_part())
    rivals: list[Committed] = []
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
    plan = Plan("patient.registered", drafts, Answer(201), (patient,), pairs)
    world.writer("identity").perform(request(), lambda _: doc, lambda _: plan)
    row = world.rows.get(Key(blind, "id"))
    assert row is not None
    assert row.text("doc") == str(doc)


def test_two_documents_of_an_act_with_one_identifier_are_refused(world: World, patient: str) -> None:
    blind = blind_of(world)
    one, two = (Doc("Organization", directory(random_part())) for _ in range(2))
    drafts, pairs = (Draft(one, b"{}"), Draft(two, b"{}")), ((blind, one), (blind, two))
    plan = Plan("records.stored", drafts, Answer(201), (), pairs)
    with pytest.raises(Unprocessable, match="identifier"):
        world.writer("records").perform(request(), lambda _: one, lambda _: plan)
    assert world.reader.find(one) is None


# --- erasure


@pytest.mark.parametrize(("count", "staged"), [(2, False), (30, True)])
@pytest.mark.parametrize("step", ["close", "entomb"])
def test_an_erasure_between_deciding_and_committing_refuses_the_act(
    world: World, patient: str, step: str, count: int, *, staged: bool
) -> None:
    def erase() -> None:
        world.key_rows.close(f"P#{patient}")
        if step == "entomb":
            world.key_rows.entomb(f"P#{patient}", world.clock.now, [])

    other = before_the_transaction(world, erase)
    with pytest.raises(Erased):
        store_observations(other, patient, count, staged=staged)
    rows = world.rows.query(f"P#{patient}")
    assert not any(row.text("event") for row in rows)
    if step == "close":
        assert visible(world, patient) == 0


def test_nothing_is_read_or_written_about_an_erased_person(world: World, patient: str) -> None:
    asked = request("k")
    store_observations(world, patient, asked=asked)
    world.key_rows.entomb(f"P#{patient}", world.clock.now, [])
    with pytest.raises(Erased):
        world.reader.person(patient)
    with pytest.raises(Erased):
        store_observations(world, patient)
    with pytest.raises(Erased):
        store_observations(world, patient, asked=asked)


def test_an_unknown_person_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.reader.person(random_part())


# --- limits and the matrix


def test_a_document_larger_than_a_row_is_refused_whole(world: World, patient: str) -> None:
    with pytest.raises(TooLarge, match="380 KB"):
        store_observations(world, patient, 3, body=b" " * 380_001)
    store_observations(world, patient, body=b" " * 379_000)
    assert len(only(world, patient).body) == 379_000


def test_a_transaction_has_a_limit_that_a_stage_does_not_have(world: World, patient: str) -> None:
    with pytest.raises(TooLarge, match="split"):
        store_observations(world, patient, MAX_TRANSACTED + 1)
    with pytest.raises(TooLarge, match="3 MB"):
        store_observations(world, patient, 10, body=b" " * 320_000)
    store_observations(world, patient, MAX_TRANSACTED)
    assert visible(world, patient) == MAX_TRANSACTED


def test_more_identifiers_than_a_transaction_takes_are_refused_before_anything_is_written(
    world: World, patient: str
) -> None:
    doc = Doc("Organization", directory(random_part()))
    blinds = tuple((f"I#{number}", doc) for number in range(100))
    with pytest.raises(TooLarge):
        store_observations(world, patient, 3, staged=True, identifiers=blinds)
    assert world.rows.query(f"P#{patient}") == []


def test_an_answer_too_large_to_remember_is_refused(world: World, patient: str) -> None:
    doc = Doc("Observation", about(patient, random_part()))
    answer = Answer(201, tuple("x" * 70 for _ in range(5_500)))
    plan = Plan("records.stored", (Draft(doc, b"{}"),), answer, (patient,))
    with pytest.raises(TooLarge, match="answer"):
        world.writer("records").perform(request("k"), lambda _: doc, lambda _: plan)


@pytest.mark.parametrize(
    ("service", "event_type", "document_type"),
    [
        ("records", "patient.registered", "Patient"),
        ("records", "consent.granted", "Consent"),
        ("records", "claim.adjudicated", "Claim"),
        ("claims", "records.stored", "Observation"),
        ("consent", "consent.granted", "Observation"),
        ("identity", "organization.admitted", "Admission"),
        ("records", "records.stored", "Device"),
        ("records", "records.stored", "AuditEvent"),
        ("records", "records.forged", "Observation"),
    ],
)
def test_the_matrix_refuses_before_anything_is_written(
    world: World, patient: str, service: str, event_type: str, document_type: str
) -> None:
    docs = [Doc(document_type, about(patient, random_part())) for _ in range(2)]
    drafts = tuple(Draft(doc, b"{}") for doc in docs)
    for staged in (False, True):
        plan = Plan(event_type, drafts, Answer(201), (patient,), staged=staged)
        with pytest.raises(IntegrityFault, match="may not"):
            world.writer(service).perform(request(), lambda _: docs[0], lambda _, plan=plan: plan)  # type: ignore[misc]
    assert world.rows.query(f"P#{patient}") == []


def test_the_records_service_creates_but_never_changes_what_another_service_owns(
    world: World, patient: str
) -> None:
    doc = Doc("Coverage", about(patient, random_part()))
    plan = Plan("records.stored", (Draft(doc, b"{}"),), Answer(201), (patient,))
    world.writer("records").perform(request(), lambda _: doc, lambda _: plan)
    with pytest.raises(IntegrityFault, match="may not write Coverage version 2"):
        update(world, only(world, patient), b"[]")


# --- stages met by others


def stage_only(world: World, patient: str, asked: Request, count: int = 30) -> None:
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
    with pytest.raises(Busy, match="worked on"):
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
    def other_types(asked: Request) -> Committed:
        def build(naming: Naming) -> Plan:
            types = ("Observation", "Condition", "Observation")
            docs = [Doc(t, about(patient, naming.part(index))) for index, t in enumerate(types)]
            drafts = tuple(Draft(doc, b'{"other":1}') for doc in docs)
            return Plan("records.stored", drafts, Answer(201), (patient,), staged=True)

        first: Callable[[Naming], Doc] = lambda naming: Doc("Observation", about(patient, naming.part(0)))  # noqa: E731
        return world.writer("records").perform(asked, first, build)

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


# --- reading while others write


@pytest.mark.parametrize("prefix", ["Observation", None])
def test_an_act_committed_while_it_is_read_shows_whole_or_not_at_all(
    world: World, patient: str, prefix: str | None
) -> None:
    counts: list[int] = []

    def meanwhile(commit: Callable[[], None]) -> None:
        # The query sees the staged rows but not yet the first one, which comes with the commit.
        reading, hooks = hooked(world)
        hooks.after("query", commit)
        counts.append(len(reading.reader.person(patient).latest(prefix)))

    store_observations(late_commit(world, meanwhile), patient, 30, staged=True)
    assert counts == [30]


def test_a_fresh_environment_reads_what_another_wrote(store: Store, world: World, patient: str) -> None:
    store_observations(world, patient, 5)
    fresh = Reader(
        store.rows, KeyRing(store.key_rows, world.wrapper, os.urandom), lambda: world.genesis, DEPLOYMENT
    )
    assert len(fresh.person(patient).latest()) == 5
    session = Session("records", world.roots["records"], store.rows, lambda: world.genesis, world.clock)
    assert isinstance(Writer(fresh, session, os.urandom).now(), str)
