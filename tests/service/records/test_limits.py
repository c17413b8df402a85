"""Requests above a limit are refused before any lookup or write. A batch is one act per entry."""

from typing import Any

from carevouch.events.envelope import MAX_COUNT
from carevouch.records.survey import MAX_LOOKUPS
from services.records.transaction import MAX_BATCH
from tests import people
from tests.service.records.conftest import Json, Scene, bundle, clinical, entry, patient_of
from tests.service.records.test_bundles import conditional, issues, post, practitioner, statuses

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def test_many_updates_are_too_many_and_the_sentence_says_so(scene: Scene) -> None:
    patient = scene.person()
    more = [clinical(f"Patient/{patient}")[0] for _ in range(41)]
    answer = post(scene, bundle(*map(entry, more)))
    places = [one["response"]["location"].split("/")[4:6] for one in answer.json()["entry"]]
    changes = [
        {
            "resource": {**resource, "id": place[1]},
            "request": {"method": "PUT", "url": "/".join(place), "ifMatch": 'W/"1"'},
        }
        for resource, place in zip(more, places, strict=True)
    ]
    refused = post(scene, bundle(*changes))
    assert "split it" in issues(refused, 413)[0]["diagnostics"]


def test_more_entries_than_an_act_holds_are_too_many(scene: Scene) -> None:
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": [{}] * MAX_COUNT}
    assert "split it" in issues(post(scene, sent), 413)[0]["diagnostics"]


def location(number: int, identifiers: int) -> Json:
    return {
        "resourceType": "Location",
        "identifier": [{"system": "s", "value": f"{number}-{at}"} for at in range(identifiers)],
    }


def test_more_identifiers_than_an_act_ties_are_refused_before_any_lookup(scene: Scene) -> None:
    looked_up: list[int] = []
    rows: Any = scene.world.rows
    get_many = rows.get_many

    def counted(keys: Any) -> Any:
        asked = [key for key in keys if key.pk.startswith("I#")]
        looked_up.extend([len(asked)] if asked else [])
        return get_many(keys)

    rows.get_many = counted
    few = bundle(*(entry(location(number, 40)) for number in range(2)))
    assert statuses(post(scene, few)) == ["201 Created"] * 2
    assert looked_up == [80]
    many = bundle(*(entry(location(number, 40)) for number in range(10, 13)))
    assert "identifiers" in issues(post(scene, many), 413)[0]["diagnostics"]
    patient = scene.person()
    asked = [{"reference": f"Practitioner?identifier=s|{at}"} for at in range(MAX_LOOKUPS + 1)]
    wide = bundle(entry(people.observation(patient, performer=asked)))
    assert "may refer to" in issues(post(scene, wide), 413)[0]["diagnostics"]
    assert looked_up == [80]


def test_a_refused_bundle_of_a_new_person_leaves_no_key(scene: Scene) -> None:
    urn = "urn:uuid:00000000-0000-4000-8000-000000000001"
    person = people.synthetic_patient(71)
    large = people.observation("", subject={"reference": urn}, note=[{"text": "x" * 380_000}])
    places = [entry(location(at, 40)) for at in (1, 2)]
    several = {**person, "identifier": [{"system": "p", "value": str(at)} for at in range(18)]}
    # One that fits a row, but not together with what a retry must be told: thousands of known places.
    known = location(9, 1)
    post(scene, bundle(entry(known)))
    wide = {**person, "text": {"status": "generated", "div": f"<div {XHTML}>{'x' * 200_000}</div>"}}
    there = [entry(known, ifNoneExist="identifier=s|9-0") for _ in range(4_000)]
    before = scene.content()
    refused = {
        "KB": bundle(entry(person, urn), entry(large)),
        "97 identifiers": bundle(entry(several, urn), *places),
        "answer": bundle(entry(wide, urn), *there),
    }
    for said, sent in refused.items():
        assert said in issues(post(scene, sent, idempotency_key=said), 413)[0]["diagnostics"]
        assert scene.content() == before
    several["identifier"].pop()
    patient = patient_of(post(scene, bundle(entry(several, urn), *places)))
    assert scene.world.key_rows.get(f"P#{patient}") is not None


def test_a_longer_batch_is_to_be_split(scene: Scene) -> None:
    sent = bundle(*(entry(practitioner(str(at))) for at in range(MAX_BATCH + 1)), kind="batch")
    before = scene.content()
    assert "split it" in issues(post(scene, sent), 413)[0]["diagnostics"]
    assert scene.content() == before
    sent["entry"].pop()
    assert statuses(post(scene, sent)) == ["201 Created"] * MAX_BATCH


def test_what_comes_out_of_a_batch_is_one_answer_per_entry(scene: Scene) -> None:
    patient = scene.person()
    bad = {**people.observation(patient), "status": "nonsense"}
    sent = bundle(
        entry(people.observation(patient)),
        entry(bad),
        conditional(practitioner()),
        conditional(practitioner()),
        entry(practitioner()),
        entry(people.observation("a" * 26)),
        kind="batch",
    )
    answer = post(scene, sent)
    assert statuses(answer) == [
        "201 Created",
        "400 Bad Request",
        "201 Created",
        "200 OK",
        "409 Conflict",
        "404 Not Found",
    ]
    outcomes = [one["response"].get("outcome") for one in answer.json()["entry"]]
    assert outcomes[1]["issue"][0]["expression"] == ["Bundle.entry[1].resource.status"]
    assert [outcome is None for outcome in outcomes] == [True, False, True, True, False, False]


def test_a_batch_leaves_one_audit_of_its_refusals_per_person(scene: Scene) -> None:
    one, other = scene.person(), scene.person()
    sent = bundle(*(entry(people.observation(patient)) for patient in (one, other, one, one)), kind="batch")
    refused = scene.call(scene.clinic, "POST", "/fhir", sent)
    assert statuses(refused) == ["404 Not Found"] * 4
    assert [len(scene.audits(patient)) for patient in (one, other)] == [1, 1]


def test_a_batch_retried_under_its_key_is_done_once(scene: Scene) -> None:
    patient = scene.person()
    sent = bundle(entry(people.observation(patient)), entry(people.observation(patient)), kind="batch")
    first = post(scene, sent, idempotency_key="b")
    rows = scene.content()
    again = post(scene, sent, idempotency_key="b")
    assert again.json() == first.json()
    assert scene.content() == rows


def test_a_batch_refers_to_no_more_than_an_act(scene: Scene) -> None:
    references = [{"reference": f"Practitioner?identifier=urn:x|{n}"} for n in range(60)]
    role = {
        "resourceType": "Provenance",
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": references[0]}],
    }
    entries = [
        {"resource": {**role, "target": references}, "request": {"method": "POST", "url": "Provenance"}}
        for _ in range(50)
    ]
    sent = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    assert scene.call(scene.hospital, "POST", "/fhir", sent).status == 413
