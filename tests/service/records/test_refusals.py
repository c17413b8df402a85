"""A refusal that concerns a person is audited with them, once, whatever it was refused for."""

from collections.abc import Callable
from typing import Any

import pytest

from tests import people
from tests.api import Who
from tests.service.records.conftest import Scene, bundle, entry

Sent = Callable[[Scene, str], Any]


def observations(scene: Scene, patient: str, kind: str, who: Any, **headers: str) -> Any:
    sent = bundle(*(entry(people.observation(patient)) for _ in range(3)), kind=kind)
    return scene.call(who, "POST", "/fhir", sent, **headers)


def get(path: str, **headers: str) -> Sent:
    return lambda scene, patient: scene.get(scene.payer, path.format(patient), **headers)


def put(type_: str, who: str) -> Sent:
    def call(scene: Scene, patient: str) -> Any:
        path = f"/fhir/{type_}/{patient}.{'b' * 26}"
        return scene.call(getattr(scene, who), "PUT", path, {"resourceType": type_}, if_match='W/"1"')

    return call


def without_scope(scene: Scene, patient: str) -> Any:
    narrow = Who(scene.hospital.id, scope="system/Observation.rs")
    return scene.call(narrow, "POST", "/fhir/Observation", people.observation(patient))


REFUSED: dict[str, tuple[int, Sent]] = {
    "a transaction by a payer": (403, lambda s, p: observations(s, p, "transaction", s.payer)),
    "a batch by a payer": (200, lambda s, p: observations(s, p, "batch", s.payer)),
    "a transaction for no declarable purpose": (
        403,
        lambda s, p: observations(s, p, "transaction", s.hospital, purpose_of_use="CLINTRCH"),
    ),
    "a batch for no declarable purpose": (
        200,
        lambda s, p: observations(s, p, "batch", s.hospital, purpose_of_use="CLINTRCH"),
    ),
    "a create outside the scope": (403, without_scope),
    "an update of another service's type": (403, put("ClaimResponse", "hospital")),
    "an update that is not valid": (400, put("Observation", "hospital")),
    "an update by an unlinked provider": (400, put("Condition", "clinic")),
    "a search with a bad parameter": (400, get("/fhir/Observation?patient={0}&nonsense=1")),
    "a search with a bad count": (400, get("/fhir/Observation?patient={0}&_count=x")),
    "a search of a Patient by more": (400, get("/fhir/Patient?_id={0}&nonsense=1")),
    "a history with a bad page": (400, get("/fhir/Patient/{0}/_history?_cursor=x")),
    "$everything with a bad type": (400, get("/fhir/Patient/{0}/$everything?_type=Nonsense")),
    "a read for no declarable purpose": (403, get("/fhir/Patient/{0}", purpose_of_use="TREAT")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_about_a_person_is_audited_once(scene: Scene, what: str) -> None:
    patient, (status, send) = scene.person(), REFUSED[what]
    before = scene.content()
    answer = send(scene, patient)
    assert answer.status == status, answer.body
    assert [one["outcome"] for one in scene.audits(patient)] == ["4"]
    assert scene.audits(None) == []
    assert scene.content() == before


def test_a_batch_by_whoever_may_not_write_says_so_for_each_entry(scene: Scene) -> None:
    answer = observations(scene, scene.person(), "batch", scene.payer)
    assert [one["response"]["status"] for one in answer.json()["entry"]] == ["403 Forbidden"] * 3


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_an_empty_bundle_is_a_providers_too(scene: Scene, kind: str) -> None:
    assert scene.call(scene.payer, "POST", "/fhir", {"resourceType": "Bundle", "type": kind}).status == 403
