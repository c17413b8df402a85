"""One whole patient and the reads of it over the real store code: what the fake promises, DynamoDB keeps."""

from collections.abc import Iterator

import pytest

from tests import people
from tests.contract.stores import MOTO, Store, open_store
from tests.service.records.conftest import Scene, bundle, clinical, entry, patient_of, resources


@pytest.fixture(params=[MOTO])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    yield from open_store(request)


def test_a_patient_is_stored_searched_changed_and_proved(store: Store) -> None:
    scene = Scene(store.world())
    urn = "urn:uuid:00000000-0000-4000-8000-000000000001"
    documents = [resource for at in range(6) for resource in clinical(urn, at)]
    sent = bundle(entry(people.synthetic_patient(1), urn), *map(entry, documents))

    first = scene.call(scene.hospital, "POST", "/fhir", sent, idempotency_key="k")
    again = scene.call(scene.hospital, "POST", "/fhir", sent, idempotency_key="k")
    patient = patient_of(first)
    assert again.json() == first.json()

    pages = list(scene.pages(scene.hospital, f"/fhir/Patient/{patient}/$everything?_count=20"))
    assert [len(resources(page)) for page in pages] == [20, 20, 3]
    assert scene.get(scene.payer, f"/fhir/Patient/{patient}/$everything").status == 404

    condition = next(one for page in pages for one in resources(page) if one["resourceType"] == "Condition")
    path = f"/fhir/Condition/{condition['id']}"
    assert scene.call(scene.hospital, "PUT", path, condition, if_match='W/"1"').status == 200
    assert scene.call(scene.hospital, "PUT", path, condition, if_match='W/"1"').status == 412
    assert scene.get(scene.hospital, f"{path}/_history").json()["total"] == 2
    assert scene.get(scene.hospital, f"/ledger/documents/Condition/{condition['id']}/2/opening").status == 200
    assert len(scene.audits(patient)) == 7
