"""Whole patients made by others are valid. One fault in them is found at its place."""

from functools import partial

import pytest

from carevouch.fhir.bundle import read_bundle
from carevouch.fhir.compartment import subjects
from carevouch.fhir.references import parse_target, rewrite, walk
from carevouch.fhir.search import parse_query
from carevouch.fhir.validate import check
from carevouch.kernel.errors import Issue
from carevouch.kernel.jsontext import render
from tests.unit.fhir.samples import Resource, real_bundles


@pytest.fixture(scope="module")
def bundles() -> dict[str, Resource]:
    return dict(real_bundles())


def test_every_real_bundle_is_valid(bundles: dict[str, Resource]) -> None:
    assert bundles
    assert {name: check(bundle) for name, bundle in bundles.items()} == {name: [] for name in bundles}


def test_validating_leaves_the_resource_as_it_was(bundles: dict[str, Resource]) -> None:
    bundle = min(bundles.values(), key=lambda one: len(one["entry"]))
    before = render(bundle)
    check(bundle)
    assert render(bundle) == before


def test_a_fault_deep_in_a_real_bundle_is_found_alone(bundles: dict[str, Resource]) -> None:
    for bundle in bundles.values():
        index = len(bundle["entry"]) - 1
        resource = bundle["entry"][index]["resource"]
        entry = {**bundle["entry"][index], "resource": {**resource, "unheardOf": 1}}
        broken = {**bundle, "entry": [*bundle["entry"][:index], entry]}
        place = f"Bundle.entry[{index}].resource.unheardOf"
        assert check(broken) == [Issue("R4 has no such element here", place, "structure")]


def test_every_real_resource_is_about_the_one_patient_of_its_bundle(bundles: dict[str, Resource]) -> None:
    for bundle in bundles.values():
        people = [e["fullUrl"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient"]
        for entry in bundle["entry"]:
            if people and entry["resource"]["resourceType"] != "Patient":
                assert people[0] in subjects(entry["resource"])


def test_all_references_within_a_real_transaction_can_be_rewritten(bundles: dict[str, Resource]) -> None:
    for bundle in bundles.values():
        request = read_bundle(bundle)
        ids = {url: f"{request.entries[i].type}/new{i}" for url, i in request.links().items()}
        for entry in request.entries:
            assert entry.resource is not None
            new = rewrite(entry.resource, partial(_new, ids), ids)
            forms = {parse_target(text).form for _, text in walk(new)}
            assert forms <= {"local", "conditional", "fragment"}
            assert check(new) == []


def _new(ids: dict[str, str], text: str) -> str:
    return ids.get(text, text)


def test_search_by_code_finds_what_a_plain_count_finds(bundles: dict[str, Resource]) -> None:
    for bundle in bundles.values():
        resources = [entry["resource"] for entry in bundle["entry"]]
        observations = [one for one in resources if one["resourceType"] == "Observation"]
        for coding in {one["code"]["coding"][0]["code"] for one in observations}:
            query = parse_query("Observation", {"code": [f"http://loinc.org|{coding}"]})
            expected = [one for one in observations if one["code"]["coding"][0]["code"] == coding]
            assert [one for one in resources if query.matches(one)] == expected
