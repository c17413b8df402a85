"""The committed view, history between two times and as-of reads: by block time, under the one rule."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.events.envelope import strand_of
from carevouch.events.opening import parse_opening, verify_opening
from carevouch.kernel.encoding import b64u
from carevouch.kernel.ids import Doc
from carevouch.kernel.times import later
from carevouch.store.documents import StoredRevision
from tests import people
from tests.people import Organization
from tests.service.records.conftest import CONFIDENTIALITY, Scene, labelled
from tests.world import BASE_URL, START, memory_world

Json = dict[str, Any]


def recorded(scene: Scene, patient: str, author: Organization | None = None) -> Doc:
    """An Observation of the hospital's, not sealed yet."""
    return people.record(scene.world, author or scene.hospital, patient, people.observation(patient)).doc


def corrected(scene: Scene, doc: Doc, label: str | None = None) -> None:
    """A next version."""
    current = scene.get(scene.hospital, f"/fhir/{doc}")
    body = labelled(current.json(), label) if label else current.json()
    put = scene.call(scene.hospital, "PUT", f"/fhir/{doc}", body, if_match=current.headers["etag"])
    assert put.status == 200, put.body


def versions(scene: Scene, doc: Doc) -> list[StoredRevision]:
    return scene.world.reader.person(str(doc.subject)).history(doc)


def view(scene: Scene, doc: Doc, version: int = 1, who: Any = None) -> Json:
    answer = scene.get(who or scene.hospital, f"/ledger/documents/{doc}/{version}")
    assert answer.status == 200, answer.body
    found: Json = answer.json()
    return found


def history(scene: Scene, doc: Doc, query: str, who: Any = None) -> list[int]:
    """The versions that are told for a span, in pages."""
    url, found = f"/ledger/documents/{doc}/history?{query}", []
    while url:
        answer = scene.get(who or scene.hospital, url)
        assert answer.status == 200, answer.body
        found += [one["metadata"]["version"] for one in answer.json()["revisions"]]
        url = answer.json()["next"]
    return found


def test_a_revision_says_how_far_it_has_come(scene: Scene) -> None:
    doc = recorded(scene, scene.person())
    (stored,) = versions(scene, doc)
    accepted = view(scene, doc)
    assert (accepted["level"], accepted["blockAddress"]) == ("accepted", None)
    assert accepted["metadata"] == {
        "id": str(doc), "version": 1, "txTime": None, "txId": stored.event.id
    }  # fmt: skip
    assert set(accepted["links"]) == {"revision", "opening"}
    scene.world.clock.advance(5)
    scene.log.seal(publish=False)
    sealed = view(scene, doc)
    assert (sealed["level"], sealed["metadata"]["txTime"]) == ("sealed", later(START, 5))
    assert sealed["time"] == START
    assert "proof" not in sealed["links"]
    scene.log.seal()
    published = view(scene, doc)
    assert published["level"] == "published"
    assert published["blockAddress"] == sealed["blockAddress"] == {"strand": 0, "sequenceNo": 0}
    assert published["links"]["proof"] == f"{BASE_URL}/ledger/events/{stored.event.id}/proof"
    assert published["links"]["block"] == f"{BASE_URL}/ledger/blocks/0/0"
    for name in ("revision", "opening"):
        assert scene.get(scene.hospital, published["links"][name]).status == 200


def test_the_data_are_the_stored_bytes_and_the_hash_is_the_openings_leaf(scene: Scene) -> None:
    doc = recorded(scene, scene.person())
    corrected(scene, doc)
    first, second = versions(scene, doc)
    answer = scene.get(scene.hospital, f"/ledger/documents/{doc}/2")
    assert answer.headers["content-type"] == "application/json"
    assert answer.body.endswith(b',"data":' + second.body + b"}")
    said = answer.json()
    assert (said["hash"], said["prev"]) == (b64u(second.revision.leaf_hash), b64u(first.revision.leaf_hash))
    opening = parse_opening(scene.get(scene.hospital, said["links"]["opening"]).body)
    proved = verify_opening(opening, scene.world.genesis)
    assert (proved.body, proved.event.id, proved.version) == (second.body, said["metadata"]["txId"], 2)


def test_a_directory_document_has_revisions_too(scene: Scene) -> None:
    scene.log.seal()
    answer = scene.get(scene.payer, f"/ledger/documents/Organization/{scene.clinic.id}/1")
    assert (answer.status, answer.json()["level"]) == (200, "published")
    assert answer.json()["data"]["resourceType"] == "Organization"
    path = f"/ledger/documents/Organization/{scene.clinic.id}/history?at={START}"
    assert scene.get(scene.payer, path).json()["metadata"]["version"] == 1


STEPS = st.lists(st.tuples(st.sampled_from(["correct", "seal"]), st.integers(0, 2)), max_size=9)


@settings(max_examples=25, deadline=None)
@given(
    strands=st.integers(1, 3), steps=STEPS, spans=st.lists(st.tuples(*[st.integers(-1, 11)] * 2), max_size=4)
)
def test_history_and_as_of_agree_with_a_model_that_watches_the_sealer(
    strands: int, steps: list[tuple[str, int]], spans: list[tuple[int, int]]
) -> None:
    scene = Scene(memory_world(strands))
    doc = recorded(scene, scene.person())
    scene.log.seal(publish=False)
    sealed = {1: 0}
    for now, (step, strand) in enumerate(steps, 1):
        scene.world.clock.advance(1)
        if step == "correct":
            corrected(scene, doc)
        else:
            scene.log.seal(strand % strands, publish=bool(strand))
            for one in versions(scene, doc):
                if strand_of(one.event.id, strands) == strand % strands:
                    sealed.setdefault(one.version, now)

    def current(at: int) -> int | None:
        return max((version for version, time in sealed.items() if time <= at), default=None)

    for at in range(-1, 11):
        answer = scene.get(scene.hospital, f"/ledger/documents/{doc}/history?at={later(START, at)}")
        assert (answer.json()["metadata"]["version"] if answer.status == 200 else None) == current(at)
    for start, end in spans:
        if start <= end:
            told = history(scene, doc, f"from={later(START, start)}&to={later(START, end)}&_count=2")
            assert told == sorted({found for at in range(start, end) if (found := current(at))})
    assert history(scene, doc, f"from={later(START, 11)}") == [current(11)]


def test_a_time_of_any_zone_is_the_same_instant(scene: Scene) -> None:
    doc = recorded(scene, scene.person())
    scene.log.seal()
    for same in ("2026-11-22T10:00:00Z", "2026-11-22T11:00:00%2B01:00", START):
        answer = scene.get(scene.hospital, f"/ledger/documents/{doc}/history?at={same}")
        assert answer.json()["metadata"]["version"] == 1


def test_before_the_first_block_there_is_what_there_never_was(scene: Scene) -> None:
    doc = recorded(scene, scene.person())
    unsealed = scene.get(scene.hospital, f"/ledger/documents/{doc}/history?at={START}")
    scene.log.seal()
    early = scene.get(scene.hospital, f"/ledger/documents/{doc}/history?at={later(START, -0.001)}")
    never = scene.get(
        scene.hospital, f"/ledger/documents/Observation/{doc.subject}.{'a' * 26}/history?at={START}"
    )
    assert unsealed.status == early.status == never.status == 404
    assert unsealed.body == early.body == never.body


@pytest.mark.parametrize(
    "query",
    ["at=", "at=today", "at=2026-11-22", "at=2026-11-22T10:00:00", "from=x", "to=2026-13-01T00:00:00Z",
     "at=2026-11-22T10:00:00Z&from=2026-11-22T10:00:00Z", "at=2026-11-22T10:00:00Z&_count=1",
     "from=2026-11-22T10:00:01Z&to=2026-11-22T10:00:00Z", "at=2026-11-22T10:00:00Z&at=2026-11-22T10:00:00Z",
     "from=2026-11-22T10:00:00Z&_count=x", "_count=1", "_cursor=x", "since=2026-11-22T10:00:00Z"],
)  # fmt: skip
def test_times_that_are_none_are_refused_in_words(scene: Scene, query: str) -> None:
    doc = recorded(scene, scene.person())
    answer = scene.get(scene.hospital, f"/ledger/documents/{doc}/history?{query}")
    assert answer.status == 400
    assert len(answer.json()["detail"]) > 15


def test_an_instant_is_a_span_of_nothing(scene: Scene) -> None:
    doc = recorded(scene, scene.person())
    scene.log.seal()
    assert history(scene, doc, f"from={START}&to={START}") == []
    assert history(scene, doc, f"from={START}&to={later(START, 0.001)}") == [1]


def test_what_was_corrected_is_not_current_for_who_may_not_see_the_correction(scene: Scene) -> None:
    """A consent to normal records shows version 1; the correction is restricted."""
    patient = scene.person()
    consent = people.consent_for(scene.payer.reference)
    consent["provision"]["securityLabel"] = [{"system": CONFIDENTIALITY, "code": "N"}]
    people.grant(scene.world, scene.device(patient), consent)
    doc = recorded(scene, patient)
    scene.log.seal()
    scene.world.clock.advance(10)
    corrected(scene, doc, "R")
    scene.log.seal()
    path = f"/ledger/documents/{doc}/history?at="
    assert scene.get(scene.payer, f"/ledger/documents/{doc}/1").status == 200
    assert scene.get(scene.payer, f"/ledger/documents/{doc}/2").status == 404
    assert scene.get(scene.payer, f"{path}{later(START, 9)}").json()["metadata"]["version"] == 1
    assert scene.get(scene.payer, f"{path}{later(START, 10)}").status == 404
    assert scene.get(scene.payer, f"/fhir/{doc}").status == 404
    assert history(scene, doc, f"from={START}", scene.payer) == [1]
    assert history(scene, doc, f"from={later(START, 10)}", scene.payer) == []


def test_each_request_is_audited_once_and_refused_looks_like_absent(scene: Scene) -> None:
    patient = scene.person()
    doc = recorded(scene, patient)
    scene.log.seal()
    before = len(scene.audits(patient))
    paths = [f"{doc}/1", f"{doc}/history?at={START}", f"{doc}/history?from={START}"]
    for path in paths:
        assert scene.get(scene.hospital, f"/ledger/documents/{path}").status == 200
    absent = str(doc)[:-4] + "aaaa"
    for path in paths:
        refused = scene.get(scene.payer, f"/ledger/documents/{path}")
        missing = scene.get(scene.payer, f"/ledger/documents/{path.replace(str(doc), absent)}")
        assert refused.status == missing.status == 404
        assert refused.body == missing.body
    audits = scene.audits(patient)[before:]
    assert len(scene.audits(patient)) - before == 9
    shown = [one for one in scene.audits(patient) if one["subtype"][0]["code"] == "ledger-revision"]
    assert {one["outcome"] for one in shown} == {"0", "4"}
    assert START not in str([one.get("entity") for one in audits])


def test_a_person_sees_their_own(scene: Scene) -> None:
    patient = scene.person()
    doc = recorded(scene, patient)
    scene.log.seal()
    assert view(scene, doc, who=scene.device(patient))["level"] == "published"
