"""Acts on every store: whole or not at all, once, in order, and only by whom the matrix names."""

import os
from collections.abc import Callable

import pytest

from carevouch.events.certificate import verify_event
from carevouch.events.envelope import parse_event, tag
from carevouch.kernel.errors import Conflict, Erased, IntegrityFault, NotFound, TooLarge
from carevouch.kernel.ids import Doc, about, audit, directory
from carevouch.ledger.merkle import verify_inclusion
from carevouch.store.documents import ActNames, ActPlan, CommittedAct, Draft, Reader, StoredAnswer
from carevouch.store.documents.writer import MAX_TRANSACTED, Writer
from carevouch.store.keys import KeyRing, Session
from tests.acts import perform
from tests.contract.stores import (
    Store,
    before_the_transaction,
    hooked,
    late_commit,
    only,
    random_part,
    request,
    store_observations,
    update,
    visible,
)
from tests.world import DEPLOYMENT, World

# --- the three shapes


def test_a_single_document_is_stored_proved_and_tagged(world: World, patient: str) -> None:
    done = store_observations(world, patient, body=b'{"value":1.50}')
    stored = only(world, patient)
    assert stored.body == b'{"value":1.50}'
    assert done.answer == StoredAnswer(201, (str(stored.doc),))
    event = parse_event(done.event)
    assert (event.type, event.producer, event.count, event.n) == ("records.stored", "records", 1, 1)
    assert event.tags == (tag(world.reader.keys.person(patient).secret, event.id),)
    verify_event(event, world.reader.certificate(event.kid), world.genesis)
    assert done.certificate == stored.certificate


def test_several_documents_are_one_event_and_each_stands_under_its_root(world: World, patient: str) -> None:
    def build(naming: ActNames) -> ActPlan:
        drafts = tuple(
            Draft(Doc(type_, about(patient, naming.part(index))), b"{}")
            for index, type_ in enumerate(("Claim", "ClaimResponse", "Accumulator"))
        )
        return ActPlan("claim.adjudicated", drafts, StoredAnswer(200), (patient,))

    perform(world.writer("claims"), request(), lambda n: Doc("Claim", about(patient, n.part(0))), build)
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
    plan = ActPlan("records.stored", (Draft(doc, b'{"name":"x"}'),), StoredAnswer(201))
    perform(world.writer("records"), request(), lambda _: doc, lambda _: plan)
    stored = world.reader.find(doc)
    assert stored is not None
    assert stored.body == b'{"name":"x"}'
    assert stored in world.reader.directory("Organization").latest()
    assert len(stored.event.tags) == 1


def test_audits_of_known_and_unknown_people_lie_by_month(world: World, patient: str) -> None:
    for subject in (patient, None):
        doc = Doc("AuditEvent", audit(subject, random_part(), world.clock.now))
        plan = ActPlan(
            "access.audited", (Draft(doc, b"{}"),), StoredAnswer(200), (subject,) if subject else ()
        )
        perform(world.writer("consent"), request(), lambda _, doc=doc: doc, lambda _, plan=plan: plan)  # type: ignore[misc]
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

    def put(body: bytes) -> CommittedAct:
        plan = ActPlan("record.updated", (Draft(current.doc, body, current),), StoredAnswer(200), (patient,))
        return perform(writer, request(), lambda _: current.doc, lambda _: plan)

    put(b"1")
    with pytest.raises(Conflict):
        put(b"2")
    current = only(world, patient)
    done = put(b"3")
    assert parse_event(done.event).n == 2


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
    answer = StoredAnswer(201, tuple("x" * 70 for _ in range(5_500)))
    plan = ActPlan("records.stored", (Draft(doc, b"{}"),), answer, (patient,))
    with pytest.raises(TooLarge, match="answer"):
        perform(world.writer("records"), request("k"), lambda _: doc, lambda _: plan)


@pytest.mark.parametrize(
    ("service", "event_type", "document_type"),
    [
        ("records", "patient.registered", "Patient"),
        ("records", "consent.granted", "Consent"),
        ("records", "claim.adjudicated", "Claim"),
        ("claims", "records.stored", "Observation"),
        ("consent", "consent.granted", "Observation"),
        ("identity", "organization.admitted", "Admission"),
        ("records", "records.stored", "BoundDevice"),
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
        plan = ActPlan(event_type, drafts, StoredAnswer(201), (patient,), staged=staged)
        with pytest.raises(IntegrityFault, match="may not"):
            perform(world.writer(service), request(), lambda _: docs[0], lambda _, plan=plan: plan)  # type: ignore[misc]
    assert world.rows.query(f"P#{patient}") == []


def test_the_records_service_creates_but_never_changes_what_another_service_owns(
    world: World, patient: str
) -> None:
    doc = Doc("Coverage", about(patient, random_part()))
    plan = ActPlan("records.stored", (Draft(doc, b"{}"),), StoredAnswer(201), (patient,))
    perform(world.writer("records"), request(), lambda _: doc, lambda _: plan)
    with pytest.raises(IntegrityFault, match="may not write Coverage version 2"):
        update(world, only(world, patient), b"[]")


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
