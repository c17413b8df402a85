"""The AuditEvent is valid R4. It says who, why and with which outcome, by references only."""

import pytest

from carevouch.fhir.search import parse_query
from carevouch.fhir.validate import check
from carevouch.identity.caller import Caller
from carevouch.kernel.ids import Doc
from carevouch.kernel.jsontext import parse
from carevouch.records.audit import MAX_ENTITIES, AccessRecord, audit_event, audited_query

PERSON = "a" * 26
CALLER = Caller("organization", "d.x", (), "jti-7", ("payer",))
DOC = Doc("AuditEvent", f"{PERSON}.202611-{'b' * 26}")


def event(**more: object) -> dict[str, object]:
    facts = {"patient": PERSON, "outcome": "0", "because": "author", **more}
    access = AccessRecord(CALLER, "HPAYMT", str(facts.pop("interaction", "read")), **facts)  # type: ignore[arg-type]
    made: dict[str, object] = parse(audit_event(DOC, access, "2026-11-22T10:00:00.000Z", "test"), "x")
    return made


@pytest.mark.parametrize(
    ("interaction", "action"),
    [
        ("read", "R"),
        ("search-type", "R"),
        ("create", "C"),
        ("update", "U"),
        ("transaction", "E"),
        ("decision", "E"),
    ],
)
def test_an_audit_event_is_valid_and_names_its_action(interaction: str, action: str) -> None:
    made = event(interaction=interaction)
    assert check(made) == []
    assert made["action"] == action


def test_a_long_page_is_counted_and_named_in_part() -> None:
    documents = tuple(f"Observation/{PERSON}.{at:026d}" for at in range(200))
    made = event(documents=documents, document_count=200, consents=("Consent/c/_history/1",), query="code=x")
    assert check(made) == []
    entities = made["entity"]
    assert isinstance(entities, list)
    assert len(entities) == 1 + MAX_ENTITIES + 1 + 1 + 1
    assert "code=x" not in str(made)


def test_it_is_found_by_its_person_and_by_who_asked() -> None:
    made = event()
    for params in ({"patient": [PERSON]}, {"agent": ["Organization/d.x"]}, {"action": ["R"]}):
        assert parse_query("AuditEvent", params).matches(made)
    assert not parse_query("AuditEvent", {"patient": ["b" * 26]}).matches(made)


@pytest.mark.parametrize(
    ("query", "audited"),
    [
        ({"name": ["Quillfeather"], "birthdate": ["1970-01-01"]}, "birthdate=…&name=…"),
        ({"identifier": ["https://clinic.example|T-1"]}, "identifier=…"),
        ({"patient": [f"Patient/{PERSON}"], "_count": ["5"]}, f"_count=5&patient=Patient/{PERSON}"),
        ({"_id": [f"{PERSON}.{'b' * 26}"], "_sort": ["-date"]}, f"_id={PERSON}.{'b' * 26}&_sort=-date"),
        ({"subject": [f"https://quill.test/Patient/{PERSON}"]}, "subject=…"),
        ({"_id": [f"d.{'b' * 26}", f"{DOC.id}"]}, f"_id=d.{'b' * 26}&_id={DOC.id}"),
        ({"_cursor": ["YWZ0ZXI6"]}, "_cursor=YWZ0ZXI6"),
        ({"patient": ["Aldora Quillfeather"], "_id": ["T-00000001"]}, "_id=…&patient=…"),
        ({"_sort": ["Aldora"], "_count": ["19700101000"]}, "_count=…&_sort=…"),
        ({"patient:Patient.name": ["x"], "Aldora Quillfeather": ["x"]}, "…=…&patient:…=…"),
        ({"code:Aldora": ["x"], "code:text": ["x"], "quillfeather": ["x"]}, "code:…=…&code:text=…&…=…"),
        ({}, ""),
    ],
)
def test_a_callers_own_words_are_not_kept(query: dict[str, list[str]], audited: str) -> None:
    assert audited_query(query) == audited
