"""No word about a patient leaves the places that the patient's key protects.

Every name, birth date, address, identifier and clinical code of every Bundle of the story is looked for in
every log line, every entry of the public log, every object of its bucket, every row of every table and
every answer that refused something.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from carevouch.fhir.definitions import resource_types
from carevouch.kernel.canonical import jcs
from carevouch.kernel.jws import take_apart
from carevouch.ledger.tiles import split_bundle
from infra.story.client import Http
from tests.e2e.story_run import Played

pytestmark = pytest.mark.local_cloud
# Shorter values occur by accident in ids and numbers.
SHORTEST = 4
# Displays that are words of every program and every FHIR server, whoever the patient is.
OURS = {"None", *resource_types()}
# The code systems whose codes say something about a person's body; `final` or `active` says nothing.
CLINICAL = (
    "snomed.info/sct",
    "loinc.org",
    "rxnorm",
    "/cvx",
    "icd-10",
    "cpt",
    "hcpcs",
    "dental",
    "clinic.example",
)


def test_the_words_that_are_looked_for_are_found_where_they_belong(played: Played) -> None:
    """The search finds what it looks for: in the Bundles themselves, and in the patient's own opening."""
    words = words_of(played)
    assert len(words) > 10
    raw = "\n".join(records.raw.decode() for records in played.bundles)
    assert sum(word in raw for word in words) > len(words) * 0.9
    (named, *_) = (word for word in words if word in raw)
    assert found(words, f'{{"message": "{named}", "ms": 4}}') == [named]


def test_no_log_line_says_anything_about_a_patient(played: Played) -> None:
    lines = [*played.log_lines, *played.cloud.log_lines()]
    assert len(lines) > len(played.report.evidence)
    assert any('"route"' in line for line in lines)
    assert found(words_of(played), "\n".join(lines)) == []


def test_no_entry_of_the_public_log_says_anything_about_a_patient(played: Played) -> None:
    entries = list(public_entries(Http(played.cloud.base_url)))
    events = [entry for entry in entries if '"type":"records.stored"' in entry]
    assert len(events) >= len(played.report.patients)
    assert found(words_of(played), "\n".join(entries)) == []


def test_no_object_of_the_bucket_says_anything_about_a_patient(played: Played) -> None:
    s3, bucket = played.cloud.client("s3"), played.cloud.ledger_bucket
    names = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert any(name.startswith("0/tile/entries/") for name in names)
    bodies = [s3.get_object(Bucket=bucket, Key=name)["Body"].read().decode("latin-1") for name in names]
    assert found(words_of(played), "\n".join([*names, *bodies])) == []


def test_no_row_of_any_table_says_anything_about_a_patient(played: Played) -> None:
    cloud = played.cloud
    rows = [
        row
        for table in (cloud.documents_table, cloud.keys_table, cloud.ledger_table)
        for row in scan(cloud.client("dynamodb"), table)
    ]
    assert len(rows) > sum(sum(told.sent.values()) for told in played.report.patients)
    assert found(words_of(played), "\n".join(rows)) == []


def test_no_refusal_says_anything_about_a_patient(played: Played) -> None:
    assert played.report.refusals
    bodies = [answer.body.decode() + repr(answer.headers) for answer in played.report.refusals]
    assert found(words_of(played), "\n".join(bodies)) == []


def words_of(played: Played) -> list[str]:
    """All that a Bundle says about its patient and that could be recognised."""
    words: set[str] = set()
    for records in played.bundles:
        if records.patient:
            words.update(_about(records.patient))
            words.update(_clinical(records.bundle))
    return sorted(word for word in words - OURS if len(word) >= SHORTEST)


def found(words: list[str], text: str) -> list[str]:
    """The words that are whole words of the text, in upper or lower case."""
    lower = text.lower()
    near = [word for word in words if word.lower() in lower]
    return [word for word in near if re.search(rf"(?<![\w.-]){re.escape(word.lower())}(?![\w-])", lower)]


def public_entries(http: Http) -> Iterator[str]:
    """Every entry of the log with its payload spelt out, read as anybody can."""
    checkpoint = http.call("GET", "/ledger/0/checkpoint").body.decode()
    size = int(checkpoint.split("\n")[1])
    for number in range(-(-size // 256)):
        width = min(256, size - 256 * number)
        partial = "" if width == 256 else f".p/{width}"
        answer = http.call("GET", f"/ledger/0/tile/entries/{number:03d}{partial}")
        assert answer.status == 200
        for entry in split_bundle(answer.body):
            text = entry.decode()
            yield f"{text} {jcs(take_apart(text).payload).decode()}"


def scan(client: Any, table: str) -> Iterator[str]:
    """Every row, its binary attributes byte for byte."""
    for page in client.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            yield " ".join(f"{name} {_plain(value)}" for name, value in item.items())


def _plain(value: dict[str, Any]) -> str:
    (content,) = value.values()
    if isinstance(content, bytes):
        return content.decode("latin-1")
    if isinstance(content, list):
        return " ".join(map(_plain, content))
    return str(content)


def _about(patient: dict[str, Any]) -> Iterator[str]:
    for name in patient.get("name", []):
        yield from name.get("given", [])
        yield str(name.get("family", ""))
    yield str(patient.get("birthDate", ""))
    for identifier in patient.get("identifier", []):
        yield str(identifier.get("value", ""))
    for address in patient.get("address", []):
        yield from address.get("line", [])
        yield str(address.get("postalCode", ""))
    for contact in patient.get("telecom", []):
        yield str(contact.get("value", ""))
    for extension in patient.get("extension", []):
        yield str(extension.get("valueString", ""))


def _clinical(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _clinical(item)
    if isinstance(value, dict):
        if any(system in str(value.get("system")) for system in CLINICAL) and "code" in value:
            yield str(value["code"])
            yield str(value.get("display", ""))
        for item in value.values():
            yield from _clinical(item)
