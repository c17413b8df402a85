"""The table of facts agrees with its sources and has the properties that the code needs."""

import subprocess
import sys

import pytest

from carevouch.fhir.definitions import ancestors, elements, resource_types
from carevouch.fhir.schema import validator
from carevouch.fhir.survey import REFERENCE
from tests.oracles import ROOT
from tests.vectors import fhir_facts


def test_the_generator_makes_exactly_the_table() -> None:
    try:
        made = fhir_facts.build()
    except fhir_facts.Unobtainable as error:
        pytest.skip(f"the packages that the table is made from cannot be fetched: {error}")
    assert made == fhir_facts.TABLE.read_bytes()


def test_r4_has_146_resource_types_and_none_of_its_successors() -> None:
    assert len(resource_types()) == 146
    assert not resource_types() & {
        "Citation",
        "SubscriptionTopic",
        "NutritionProduct",
        "Ingredient",
        "Resource",
    }
    assert "recruitment" not in {element.name for element in elements("ResearchStudy")}


def test_every_resource_type_has_a_schema_that_compiles() -> None:
    for type_ in resource_types():
        assert not validator(type_).is_valid({})


def all_types() -> list[str]:
    types: set[str] = set()
    waiting = sorted(resource_types())
    while waiting:
        type_ = waiting.pop()
        if type_ not in types:
            types.add(type_)
            waiting += [k.type for e in elements(type_) for k in e.kinds if not k.primitive]
    return sorted(types)


def owners(name: str, primitive: str) -> set[str]:
    return {
        type_
        for type_ in all_types()
        for element in elements(type_)
        for property_, kind in element.names().items()
        if (property_, kind.type) == (name, primitive)
    }


def test_a_reference_is_told_by_its_members_alone() -> None:
    assert owners("reference", "string") == {"Reference"}
    assert {name for e in elements("Reference") for name in e.names()} <= REFERENCE
    # Other types have a URI of that name. All but one have a required element that a Reference never has.
    others = owners("reference", "uri") | owners("reference", "url") | owners("reference", "canonical")
    alike = {t for t in others if {e.name for e in elements(t) if e.required} <= REFERENCE}
    assert alike == {"ImmunizationEducation"}


def test_only_a_narrative_has_a_div() -> None:
    assert owners("div", "xhtml") == {"Narrative"}
    assert owners("div", "string") == set()


def test_a_period_is_told_by_its_members_alone() -> None:
    # Wherever else start and end are dates, a further element is required, so the shapes differ.
    dated = owners("start", "dateTime") | owners("start", "instant") | owners("start", "date")
    for type_ in dated - {"Period"}:
        required = {element.name for element in elements(type_) if element.required}
        assert required - {"id", "extension", "start", "end"}, type_


def test_types_know_what_they_specialise() -> None:
    assert ancestors("Patient") == ("Patient", "DomainResource", "Resource")
    assert ancestors("Age") == ("Age", "Quantity", "Element")


def test_importing_the_package_reads_no_table_and_compiles_nothing() -> None:
    modules = sorted(path.stem for path in (ROOT / "shared/carevouch/fhir").glob("[a-z]*.py"))
    code = (
        f"import sys; {'; '.join(f'import carevouch.fhir.{name}' for name in modules)}; "
        "from carevouch.fhir import definitions; "
        "assert definitions._table.cache_info().currsize == 0; assert 'jsonschema_rs' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
