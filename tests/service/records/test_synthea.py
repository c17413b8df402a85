"""Four whole synthetic patients of other people's making, and the directory they refer to."""

import gzip
import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.api import Answer
from tests.oracles import shared_path
from tests.service.records.conftest import Scene, patient_of, resources

FOLDER = "data/synthea"


def bundles() -> list[str]:
    """The patients' files; read from the folder, so that more files are more tests."""
    try:
        folder = shared_path(FOLDER)
    except pytest.skip.Exception:
        return ["absent"]
    return sorted(path.name for path in folder.glob("*.json.gz") if path.name != "directory.json.gz")


def text_of(name: str) -> bytes:
    with gzip.open(shared_path(f"{FOLDER}/{name}")) as file:
        return file.read()


@pytest.fixture(scope="module")
def hospital() -> Scene:
    """A world that holds the directory."""
    scene = Scene()
    answer = scene.call(scene.hospital, "POST", "/fhir", text_of("directory.json.gz"))
    assert {one["response"]["status"] for one in answer.json()["entry"]} == {"201 Created"}
    return scene


def everything(scene: Scene, who: Any, patient: str, count: int = 200) -> list[dict[str, Any]]:
    path = f"/fhir/Patient/{patient}/$everything?_count={count}"
    return [resource for page in scene.pages(who, path) for resource in resources(page)]


@dataclass(frozen=True)
class Stored:
    """A patient's Bundle, its answer, and what `$everything` gives of it."""

    sent: dict[str, Any]
    answer: Answer
    found: list[dict[str, Any]]


@pytest.fixture(scope="module", params=bundles())
def stored(request: pytest.FixtureRequest, hospital: Scene) -> Stored:
    """Each patient, brought in once."""
    text = text_of(request.param)
    answer = hospital.call(hospital.hospital, "POST", "/fhir", text)
    return Stored(json.loads(text), answer, everything(hospital, hospital.hospital, patient_of(answer)))


def test_a_whole_patient_comes_out_as_it_went_in(stored: Stored) -> None:
    entries, answered = stored.sent["entry"], stored.answer.json()["entry"]
    assert [one["response"]["status"] for one in answered] == ["201 Created"] * len(entries)
    places = [one["response"]["location"] for one in answered]
    by_reference = {f"{one['resourceType']}/{one['id']}": one for one in stored.found}
    assert len(stored.found) == len(by_reference) == len(entries)
    for place, entry in zip(places, entries, strict=True):
        reference = place.split("/fhir/")[1].split("/_history")[0]
        assert bare(by_reference[reference]) == bare(entry["resource"])


def test_no_reference_of_a_stored_patient_dangles(hospital: Scene, stored: Stored) -> None:
    known = {f"{one['resourceType']}/{one['id']}" for one in stored.found}
    named = {text for one in stored.found for text in references(one) if not text.startswith("#")}
    directory = {text for text in named if "/d." in text}
    assert named - directory <= known
    for reference in directory:
        assert hospital.get(hospital.payer, f"/fhir/{reference}").status == 200


def test_the_directory_is_loaded_twice_and_stored_once(hospital: Scene) -> None:
    again = hospital.call(hospital.hospital, "POST", "/fhir", text_of("directory.json.gz"))
    by_type: dict[str, set[str]] = {}
    for one in again.json()["entry"]:
        type_ = one["response"]["location"].split("/fhir/")[1].split("/")[0]
        by_type.setdefault(type_, set()).add(one["response"]["status"])
    # A PractitionerRole has no identifier to be known by, so FHIR itself makes it twice.
    assert by_type.pop("PractitionerRole") == {"201 Created"}
    assert set(map(frozenset, by_type.values())) == {frozenset({"200 OK"})}


def test_a_patient_before_the_directory_is_refused_with_the_elements() -> None:
    scene = Scene()
    name = bundles()[0]
    before = scene.content()
    answer = scene.call(scene.hospital, "POST", "/fhir", text_of(name))
    issues = answer.json()["issue"]
    assert answer.status == 422
    assert 0 < len(issues) <= 20
    assert all(issue["expression"][0].startswith("Bundle.entry[") for issue in issues)
    assert scene.content().keys() == before.keys()


def test_a_retried_whole_patient_is_one_act_with_one_answer(hospital: Scene) -> None:
    name = bundles()[-1]
    hospital.call(hospital.hospital, "POST", "/fhir", text_of(name))
    first = hospital.call(hospital.hospital, "POST", "/fhir", text_of(name), idempotency_key="visit-1")
    rows = hospital.content()
    second = hospital.call(hospital.hospital, "POST", "/fhir", text_of(name), idempotency_key="visit-1")
    assert (second.status, second.body) == (first.status, first.body)
    assert second.headers["carevouch-event"] == first.headers["carevouch-event"]
    assert hospital.content() == rows


def test_nothing_of_a_patient_is_in_the_log(
    hospital: Scene, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    sent = text_of(bundles()[0])
    patient = json.loads(sent)["entry"][0]["resource"]
    answer = hospital.call(hospital.hospital, "POST", "/fhir", sent)
    everything(hospital, hospital.payer, patient_of(answer))
    logged = capsys.readouterr().out + "".join(str(record.__dict__) for record in caplog.records)
    secrets = [patient["name"][0]["family"], patient["birthDate"]]
    secrets += [identifier["value"] for identifier in patient["identifier"]]
    assert answer.headers["carevouch-event"] in logged
    assert not [secret for secret in secrets if secret in logged]


def bare(value: Any, key: str = "") -> Any:
    """The resource without what a server changes: id, its own part of meta, and where references lead."""
    if isinstance(value, dict):
        if "resourceType" in value and "meta" in value:
            meta = {
                name: item
                for name, item in value["meta"].items()
                if name not in ("versionId", "lastUpdated", "source")
            }
            value = {**value, "meta": meta}
            if not meta:
                value.pop("meta")
        drop = {"id"} if "resourceType" in value and key != "contained" else set()
        return {
            name: bare(item, name) for name, item in value.items() if name not in drop and name != "reference"
        }
    if isinstance(value, list):
        return [bare(item, key) for item in value]
    return None if isinstance(value, str) and value.startswith("urn:uuid:") else value


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [text for item in value.values() for text in references(item)]
    return [text for item in value for text in references(item)] if isinstance(value, list) else []
