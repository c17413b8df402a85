"""Search: matches and their nearest neighbours. A query that is not served is refused by name."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.fhir.dates import interval, precedes
from carevouch.fhir.definitions import elements, resource_types
from carevouch.fhir.parameters import COMMON, PARAMETERS
from carevouch.fhir.search import MAX_COUNT, parse_query, search_parameters
from carevouch.kernel.errors import Invalid, Malformed

LOINC = "http://loinc.org"
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "abc.def",
    "meta": {"lastUpdated": "2024-02-15T10:00:00.000Z"},
    "identifier": [{"system": "urn:a", "value": "1,2"}, {"value": "bare"}],
    "status": "final",
    "category": [{"coding": [{"system": "urn:cat", "code": "laboratory"}]}],
    "code": {"coding": [{"system": LOINC, "code": "1-2"}, {"code": "local"}]},
    "subject": {"reference": "Patient/12"},
    "encounter": {"reference": "urn:uuid:7"},
    "effectiveDateTime": "2024-02-15",
}

MATCHES: list[tuple[str, str, bool]] = [
    ("_id", "abc.def", True),
    ("_id", "abc", False),
    ("code", "1-2", True),
    ("code", f"{LOINC}|1-2", True),
    ("code", f"{LOINC}|", True),
    ("code", f"{LOINC}|local", False),
    ("code", "|local", True),
    ("code", "|1-2", False),
    ("code", "1", False),
    ("code", "9-9,1-2", True),
    ("code", "http://other.org|1-2", False),
    ("category", "urn:cat|laboratory", True),
    ("status", "final", True),
    ("status", "amended,final", True),
    ("status", "fin", False),
    ("identifier", r"urn:a|1\,2", True),
    ("identifier", "urn:a|1,2", False),
    ("identifier", "|bare", True),
    ("identifier", "urn:a|bare", False),
    ("patient", "12", True),
    ("patient", "1", False),
    ("patient", "Patient/12", True),
    ("patient", "Patient/1", False),
    ("patient", "https://here.org/Patient/12", True),
    ("patient", "https://there.org/Patient/12", False),
    ("patient", "Group/12", False),
    ("subject", "Patient/12", True),
    ("subject", "12", True),
    ("subject", "Group/12", False),
    ("encounter", "urn:uuid:7", True),
    ("encounter", "urn:uuid:77", False),
    ("_lastUpdated", "gt2024-02-15T09:59:59Z", True),
    ("_lastUpdated", "gt2024-02-15T10:00:00Z", False),
    ("date", "2024", True),
    ("date", "2024-02", True),
    ("date", "2024-03", False),
    ("date", "2024-02-15", True),
    ("date", "eq2024-02-15T10:00:00Z", False),
    ("date", "ne2024-02-15", False),
    ("date", "ne2024-02-14", True),
    ("date", "gt2024-02-14", True),
    ("date", "gt2024-02-15", False),
    ("date", "ge2024-02-15", True),
    ("date", "ge2024-02-16", False),
    ("date", "lt2024-02-16", True),
    ("date", "lt2024-02-15", False),
    ("date", "le2024-02-15", True),
    ("date", "le2024-02-14", False),
    ("date", "sa2024-02-14", True),
    ("date", "sa2024-02-15", False),
    ("date", "eb2024-02-16", True),
    ("date", "eb2024-02-15", False),
    ("date", "eb2025", True),
]


@pytest.mark.parametrize(("name", "value", "expected"), MATCHES)
def test_a_parameter_matches_exactly(name: str, value: str, expected: bool) -> None:
    query = parse_query("Observation", {name: [value]}, base_url="https://here.org")
    assert query.matches(OBSERVATION) is expected


def test_repeated_parameters_must_all_match() -> None:
    assert parse_query("Observation", {"date": ["ge2024-02", "lt2024-03"]}).matches(OBSERVATION)
    assert not parse_query("Observation", {"date": ["ge2024-02", "lt2024-02"]}).matches(OBSERVATION)


def test_another_type_never_matches() -> None:
    assert not parse_query("Condition", {}).matches(OBSERVATION)


def test_a_resource_without_the_element_matches_no_value() -> None:
    bare = {"resourceType": "Observation"}
    for name, value in (("date", "ne2024"), ("code", "1-2"), ("patient", "12"), ("date", "lt9999")):
        assert not parse_query("Observation", {name: [value]}).matches(bare)


@pytest.mark.parametrize(
    ("period", "value", "expected"),
    [
        ({"start": "2024-01-01"}, "gt2030", True),
        ({"start": "2024-01-01"}, "lt2024", False),
        ({"end": "2024-01-01"}, "lt1900", True),
        ({"end": "2024-01-01"}, "sa2023", False),
        ({"start": "2024-01-01", "end": "2024-01-31"}, "2024-01", True),
        ({"start": "2024-01-01", "end": "2024-02-01"}, "2024-01", False),
        ({}, "2024", False),
    ],
)
def test_an_open_period_runs_on(period: dict[str, str], value: str, expected: bool) -> None:
    encounter = {"resourceType": "Encounter", "period": period}
    assert parse_query("Encounter", {"date": [value]}).matches(encounter) is expected


def test_class_is_a_single_coding() -> None:
    encounter = {"resourceType": "Encounter", "class": {"system": "urn:c", "code": "AMB"}}
    assert parse_query("Encounter", {"class": ["urn:c|AMB"]}).matches(encounter)
    assert not parse_query("Encounter", {"class": ["urn:d|AMB"]}).matches(encounter)


def test_names_begin_with_the_text_in_any_case() -> None:
    practitioner = {"resourceType": "Practitioner", "name": [{"family": "Éxample", "given": ["One"]}]}
    assert parse_query("Practitioner", {"name": ["éX"]}).matches(practitioner)
    assert not parse_query("Practitioner", {"name": ["ample"]}).matches(practitioner)


@pytest.mark.parametrize(
    ("type_", "params", "message"),
    [
        ("Observation", {"colour": ["x"]}, r"not searched by colour; its parameters are _id, .*code"),
        ("Observation", {"code:text": ["x"]}, "modifiers and chains are not served: code:text"),
        ("Observation", {"subject.name": ["x"]}, "modifiers and chains are not served: subject.name"),
        ("Observation", {"_include": ["x"]}, "_include"),
        ("Observation", {"name of a person": ["x"]}, r"not searched by \?;"),
        ("Observation", {"date": ["2024-02-31"]}, "calendar"),
        ("Observation", {"date": ["ap2024"]}, "not a date"),
        ("Observation", {"date": ["yesterday"]}, "not a date"),
        ("Observation", {"code": [""]}, "code needs a value"),
        ("Observation", {"code": ["a,,b"]}, "code needs a value"),
        ("Observation", {"code": ["a|b|c"]}, "system|code"),
        ("Observation", {"code": [",".join("abcdefghij" * 11)]}, "at most 100"),
        ("Observation", {"status": ["http://x|final"]}, "takes no system"),
        ("Observation", {"_count": ["-1"]}, "_count"),
        ("Observation", {"_count": ["1", "2"]}, "given once"),
        ("Observation", {"_sort": ["code"]}, "sorted by"),
        ("Observation", {"_total": ["x"]}, "_total"),
        ("Observatory", {}, "resource type"),
    ],
)
def test_a_query_that_is_not_served_is_refused(
    type_: str, params: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(Invalid, match=message) as caught:
        parse_query(type_, params)
    assert "yesterday" not in caught.value.message


def test_controls_are_read() -> None:
    query = parse_query(
        "Observation",
        {
            "_sort": ["-date,_id"],
            "_count": ["99999"],
            "_total": ["accurate"],
            "_format": ["json"],
            "page": ["x"],
        },
        ignore=frozenset({"page"}),
    )
    assert (query.sort, query.count, query.total) == ((("date", True), ("_id", False)), MAX_COUNT, "accurate")
    assert query.conditions == ()


def test_results_are_sorted_with_the_undated_last_in_both_directions() -> None:
    made = [{"resourceType": "Observation", "id": str(n), "effectiveDateTime": date}
            for n, date in enumerate(["2024-03", "2023", "2024-03-02T10:00:00Z", "2024-03"])]  # fmt: skip
    made.append({"resourceType": "Observation", "id": "9"})
    rising = parse_query("Observation", {"_sort": ["date"]}).ordered(made)
    falling = parse_query("Observation", {"_sort": ["-date"]}).ordered(made)
    assert [one["id"] for one in rising] == ["1", "0", "3", "2", "9"]
    assert [one["id"] for one in falling] == ["0", "3", "2", "1", "9"]
    by_id = parse_query("Observation", {"_sort": ["-_id"]}).ordered(made)
    assert [one["id"] for one in by_id] == ["9", "3", "2", "1", "0"]


@pytest.mark.parametrize(
    ("params", "patient"),
    [
        ({"patient": ["12"]}, "12"),
        ({"subject": ["Patient/12"]}, "12"),
        ({"patient": ["https://here.org/Patient/12"], "subject": ["Patient/12"]}, "12"),
        ({"subject": ["12"]}, None),
        ({"subject": ["Group/12"]}, None),
        ({"patient": ["12,13"]}, None),
        ({"patient": ["12", "13"]}, None),
        ({}, None),
    ],
)
def test_the_patient_of_a_search_is_known_only_when_it_is_one(
    params: dict[str, list[str]], patient: str | None
) -> None:
    assert parse_query("Observation", params, base_url="https://here.org").patient() == patient


def test_the_table_names_elements_that_r4_has() -> None:
    def has_element(type_: str, path: list[str]) -> bool:
        kinds = [kind for e in elements(type_) for name, kind in e.names().items() if name == path[0]]
        return bool(kinds) and (
            not path[1:] or any(has_element(kind.type, path[1:]) for kind in kinds if not kind.primitive)
        )

    assert set(PARAMETERS) <= resource_types()
    for type_, known in PARAMETERS.items():
        for name, parameter in {**COMMON, **known}.items():
            for path in parameter.paths:
                assert has_element(type_, path.split(".")), f"{type_}?{name}: {path}"
        assert search_parameters(type_)


DAYS = st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20))


@given(DAYS, st.integers(0, 3))
def test_a_partial_date_contains_what_it_begins(text: str, cut: int) -> None:
    low, high = interval(text[: (4, 7, 10, 20)[cut]])
    first, last = interval(text)
    assert low <= first < last <= high


@given(DAYS, DAYS, st.sampled_from(["eq", "gt", "lt", "sa", "eb"]))
def test_prefixes_agree_with_the_order_of_instants(present: str, wanted: str, prefix: str) -> None:
    resource = {"resourceType": "Observation", "effectiveDateTime": present}
    expected = {"eq": present == wanted, "gt": present > wanted, "lt": present < wanted,
                "sa": present > wanted, "eb": present < wanted}[prefix]  # fmt: skip
    assert parse_query("Observation", {"date": [prefix + wanted]}).matches(resource) is expected


NO_DATES = ["", "24", "2024-13", "2024-02-30", "2024-02-03T25:00:00Z", "2024-02-03T10:60:00Z",
            "2024-02-03T10Z", "0000", "2024Z", "\u0662024"]  # fmt: skip


@pytest.mark.parametrize("text", NO_DATES)
def test_a_text_that_is_no_date_has_no_interval(text: str) -> None:
    with pytest.raises(Malformed):
        interval(text)


def test_the_ends_of_the_calendar_have_intervals() -> None:
    assert interval("9999-12-31T23:59:60.9999999-14:00")[1] > interval("9999")[1]
    assert interval("0001-01-01T00:00:00+14:00")[0] < interval("0001")[0]


def test_periods_are_compared_at_the_precision_both_have() -> None:
    assert precedes("2024-02-15T10:00:00Z", "2024-02-15")
    assert precedes("2024-02-15", "2024")
    assert not precedes("2024-02-16", "2024-02-15T10:00:00Z")
    assert not precedes("2024-02-15T10:00:00Z", "2024-02-15T10:00:00+01:00")
