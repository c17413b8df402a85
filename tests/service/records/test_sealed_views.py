"""The views that QLDB had: revisions with their block, history between two times, as-of reads, a feed."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from carevouch.events.opening import parse_opening
from carevouch.kernel.encoding import b64u
from carevouch.kernel.times import later
from tests import people
from tests.service.records.conftest import Scene, patient_of, whole_patient
from tests.world import START


@pytest.fixture
def patient(scene: Scene) -> str:
    return patient_of(scene.call(scene.hospital, "POST", "/fhir", whole_patient(1)))


def observe(scene: Scene, patient: str) -> str:
    """The path of a new observation in the log."""
    body = people.observation(patient)
    made = scene.call(scene.hospital, "POST", "/fhir/Observation", body)
    assert made.status == 201, made.body
    return f"Observation/{made.json()['id']}"


def change(scene: Scene, doc: str, text: str) -> None:
    """One more version."""
    old = scene.get(scene.hospital, f"/fhir/{doc}")
    body = {**old.json(), "note": [{"text": text}]}
    answer = scene.call(scene.hospital, "PUT", f"/fhir/{doc}", body, If_Match=old.headers["etag"])
    assert answer.status == 200, answer.body


def at(seconds: float) -> str:
    return later(START, seconds)


def versions(answer: Any) -> list[int]:
    assert answer.status == 200, answer.body
    said = answer.json()
    views = said.get("revisions", [said])
    return [view["metadata"]["version"] for view in views]


@pytest.fixture
def aged(scene: Scene, patient: str) -> str:
    """A document whose versions 1, 2 and 3 were sealed 100, 200 and 300 s after the start."""
    doc = ""
    for number in range(3):
        scene.world.clock.now = at(100 * (number + 1) - 50)
        if number:
            change(scene, doc, f"change {number}")
        else:
            doc = observe(scene, patient)
        scene.world.clock.now = at(100 * (number + 1))
        scene.log.seal()
    return doc


def test_a_revision_shows_its_block_its_metadata_and_the_very_bytes(scene: Scene, aged: str) -> None:
    path = f"/ledger/documents/{aged}/2"
    answer = scene.get(scene.hospital, path)
    view = answer.json()
    assert view["blockAddress"] == {"strand": 0, "sequenceNo": 1}
    assert view["metadata"] == {
        "id": aged,
        "version": 2,
        "txTime": at(200),
        "txId": view["metadata"]["txId"],
    }
    assert (view["time"], view["level"]) == (at(150), "published")
    opened = parse_opening(scene.get(scene.hospital, f"{path}/opening").body)
    assert opened.body in answer.body
    first = scene.get(scene.hospital, f"/ledger/documents/{aged}/1").json()
    assert view["prev"] == first["hash"]
    assert set(view["links"]) == {"revision", "opening", "proof", "block"}


def test_a_revision_that_is_not_sealed_yet_says_so(scene: Scene, patient: str) -> None:
    doc = observe(scene, patient)
    view = scene.get(scene.hospital, f"/ledger/documents/{doc}/1").json()
    assert (view["blockAddress"], view["metadata"]["txTime"], view["level"]) == (None, None, "accepted")
    scene.log.seal(publish=False)
    view = scene.get(scene.hospital, f"/ledger/documents/{doc}/1").json()
    assert (view["blockAddress"], view["level"]) == ({"strand": 0, "sequenceNo": 0}, "sealed")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from={101}&to={102}", [1]),
        ("from={199}&to={200}", [1]),
        ("from={199}&to={201}", [1, 2]),
        ("from={200}&to={201}", [2]),
        ("from={0}&to={1000}", [1, 2, 3]),
        ("from={300}", [3]),
        ("to={201}", [1, 2]),
        ("to={100}", []),
        ("at={100}", [1]),
        ("at={199}", [1]),
        ("at={200}", [2]),
        ("at={5000}", [3]),
    ],
)
def test_history_goes_by_block_time(scene: Scene, aged: str, query: str, found: list[int]) -> None:
    asked = re.sub(r"\{(\d+)\}", lambda match: at(float(match[1])), query)
    assert versions(scene.get(scene.hospital, f"/ledger/documents/{aged}/history?{asked}")) == found


def test_there_is_no_version_before_the_first_was_sealed(scene: Scene, aged: str) -> None:
    answer = scene.get(scene.hospital, f"/ledger/documents/{aged}/history?at={at(99)}")
    assert answer.status == 404


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "at=2026-02-30T00:00:00Z",
        "from={2}&to={1}",
        "at={1}&from={1}",
        "since={1}",
        "at={1}&at={2}",
    ],
)
def test_a_time_that_is_none_is_refused_with_what_to_mend(scene: Scene, aged: str, query: str) -> None:
    asked = query.replace("{1}", at(1)).replace("{2}", at(2))
    assert scene.get(scene.hospital, f"/ledger/documents/{aged}/history?{asked}").status == 400


@pytest.mark.parametrize("tail", ["/1", "/history", f"/history?at={START}"])
def test_who_may_not_read_a_document_may_not_see_it_in_the_log(scene: Scene, aged: str, tail: str) -> None:
    refused = scene.get(scene.payer, f"/ledger/documents/{aged}{tail}")
    absent = scene.get(scene.payer, f"/ledger/documents/Observation/{'a' * 26}.{'b' * 26}{tail}")
    assert (refused.status, refused.body) == (absent.status, absent.body) == (404, absent.body)


def pages(scene: Scene, patient: str, limit: int, position: str = "") -> Iterator[tuple[list[Any], str]]:
    """Pages until one is empty."""
    while True:
        path = f"/ledger/documents/Patient/{patient}/feed?limit={limit}"
        answer = scene.get(scene.hospital, f"{path}&position={position}" if position else path)
        assert answer.status == 200, answer.body
        body = answer.json()
        yield body["records"], body["next"]
        if not body["records"]:
            return
        position = body["next"]


def named(records: list[Any]) -> list[tuple[str, int]]:
    return [(record["metadata"]["id"], record["metadata"]["version"]) for record in records]


@pytest.mark.parametrize("limit", [1, 3, 500])
def test_a_feed_gives_every_sealed_revision_once_and_goes_on_where_it_stopped(
    scene: Scene, patient: str, aged: str, limit: int
) -> None:
    every = list(pages(scene, patient, limit))
    read, position = [name for records, _ in every for name in named(records)], every[-1][1]
    expected = {(str(stored.doc), stored.version) for stored in scene.stored(patient)}
    assert len(read) == len(set(read))
    assert set(read) == expected
    change(scene, aged, "one more")
    assert next(pages(scene, patient, limit, position)) == ([], position), "it is not sealed yet"
    scene.log.seal()
    fresh, _ = next(pages(scene, patient, limit, position))
    assert named(fresh) == [(aged, 4)]


def test_a_feed_is_of_a_person_whom_the_caller_may_read(scene: Scene, patient: str, aged: str) -> None:
    refused = scene.get(scene.payer, f"/ledger/documents/Patient/{patient}/feed")
    absent = scene.get(scene.payer, f"/ledger/documents/Patient/{'a' * 26}/feed")
    assert (refused.status, refused.body) == (absent.status, absent.body) == (404, absent.body)
    assert scene.get(scene.hospital, f"/ledger/documents/{aged}/feed").status == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "position=9:1", "position=0:99999", "page=1"])
def test_a_feed_says_what_is_wrong_with_what_it_was_asked(
    scene: Scene, patient: str, aged: str, query: str
) -> None:
    assert aged
    assert scene.get(scene.hospital, f"/ledger/documents/Patient/{patient}/feed?{query}").status == 400


def test_the_hash_of_a_revision_is_the_leaf_that_its_opening_shows(scene: Scene, aged: str) -> None:
    stored = next(one for one in scene.stored(aged.split("/")[1].split(".")[0]) if str(one.doc) == aged)
    view = scene.get(scene.hospital, f"/ledger/documents/{aged}/{stored.version}").json()
    assert view["hash"] == b64u(stored.revision.leaf_hash)
