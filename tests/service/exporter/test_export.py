"""Exports of blocks: whole, verifiable alone, the same after any interruption, and about nobody."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.events.export import ExportFault, parse_completed, parse_started
from carevouch.kernel.canonical import jcs
from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import DomainError, IntegrityFault
from carevouch.kernel.times import later
from carevouch.ledger.note import Verifier
from carevouch.store.log.ports import ObjectDiffers
from carevouch.verifier.export import verify_export
from services.exporter import export
from services.exporter.export import parse_request
from tests.byte_flips import flipped, places
from tests.fakes import Crash
from tests.service.exporter.exports import PREFIX, Json, Place
from tests.unit.sealing.acts import ORIGIN, PATIENT, START

# Of each object, beside one byte of each word in it; all in a soak.
MOST_FLIPS = 300


def test_an_export_holds_the_blocks_of_its_span_and_verifies_alone() -> None:
    place = Place()
    for _ in range(6):
        place.block()
    answer = place.export(2, 5)
    assert [line["time"] for line in place.lines(answer)[0]] == [later(START, at) for at in (2, 3, 4)]
    assert [line["entries"] for line in place.lines(answer)[0]] == place.expected(0, 2, 5)
    found = place.verified(answer)
    assert (found.start, found.end, found.origin) == (later(START, 2), later(START, 5), ORIGIN)
    (strand,) = found.strands
    assert (strand.blocks, strand.closed) == (3, True)
    started = parse_started(place.exports.files[answer["manifest"].replace("completed", "started")])
    assert started == parse_completed(place.exports.files[answer["manifest"]])[0]


SPANS = st.tuples(st.integers(0, 12), st.integers(1, 6))


@settings(max_examples=40, deadline=None)
@given(
    strands=st.integers(1, 3),
    blocks=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 2)), max_size=12),
    span=SPANS,
    limit=st.sampled_from([1, 2_000, 8_000_000]),
    stops=st.integers(1, 9),
)
def test_every_span_of_every_log_is_exported_exactly(
    strands: int, blocks: list[tuple[int, int, int]], span: tuple[int, int], limit: int, stops: int
) -> None:
    place = Place(strands)
    for strand, events, seconds in blocks:
        place.block(strand % strands, events, seconds)
    start, end = span[0], span[0] + span[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "MAX_OBJECT_BYTES", limit)
        patch.setattr(export, "NOTE_EVERY", 3)
        asked = iter(range(1_000))
        answer = place.export(start, end, lambda: next(asked) % stops != 0)
        for _ in range(50):
            if answer["status"] == "completed":
                break
            answer = place.export(start, end, lambda: next(asked) % stops != 0)
    found = place.verified(answer)
    lines = place.lines(answer)
    for one in found.strands:
        assert [line["entries"] for line in lines[one.strand]] == place.expected(one.strand, start, end)


def test_a_run_that_stops_or_crashes_anywhere_is_continued_to_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, "MAX_OBJECT_BYTES", 1)
    monkeypatch.setattr(export, "NOTE_EVERY", 2)

    def whole() -> Place:
        place = Place()
        for _ in range(5):
            place.block()
        return place

    model = whole()
    model.export(0, 100)
    writes = model.faults.writes
    assert writes >= 8
    for at in range(1, writes + 1):
        for when in ("before", "after"):
            place = whole()
            place.faults.plan[at] = when
            with pytest.raises(Crash):
                place.export(0, 100)
            place.block()  # the log goes on: what was fixed stays
            place.verified(place.export(0, 100))
            files = {name: data for name, data in place.exports.files.items() if not name.endswith(".note")}
            if at > 1 or when == "after":
                assert files == {
                    name: data for name, data in model.exports.files.items() if not name.endswith(".note")
                }


def test_an_export_that_is_there_is_found_and_not_written_again() -> None:
    place = Place()
    place.block()
    first = place.export(0, 100)
    before, writes = dict(place.exports.files), place.faults.writes
    place.block()
    assert place.export(0, 100) == first
    assert (place.exports.files, place.faults.writes) == (before, writes)


def test_another_object_where_ours_belongs_stops_the_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MAX_OBJECT_BYTES", 1)
    place = Place()
    place.block()
    place.block()
    answer = place.export(0, 100, lambda: False)
    assert answer["status"] == "started"
    (name,) = (name for name in place.exports.files if name.endswith(".jsonl"))
    place.exports.files[name.replace("000000000000000", "000000000000004")] = b"foreign\n"
    with pytest.raises(ObjectDiffers):
        place.export(0, 100)


def test_an_empty_span_and_an_empty_log_are_exported_too() -> None:
    place = Place(2)
    nothing = place.verified(place.export(0, 5))
    assert [(one.entries, one.closed) for one in nothing.strands] == [(0, False), (0, False)]
    place.block(seconds=20)
    assert [one.closed for one in place.verified(place.export(0, 6)).strands] == [True, False]


def test_what_is_sealed_but_not_published_leaves_the_span_open() -> None:
    place = Place()
    place.block()
    place.block(publish=False)
    (strand,) = place.verified(place.export(0, 100)).strands
    assert (strand.blocks, strand.closed) == (1, False)


@pytest.fixture(scope="module")
def small() -> tuple[Place, Json]:
    """An export of two blocks in the midst of four, in two objects."""
    place = Place()
    for _ in range(4):
        place.block(events=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "MAX_OBJECT_BYTES", 1)
        answer = place.export(2, 4)
    place.verified(answer)
    return place, answer


def check(place: Place, answer: Json, instead: dict[str, bytes]) -> None:
    """Verify the export with other objects in place of some."""
    manifest = place.exports.files[answer["manifest"]]
    verify_export(manifest, lambda name: instead.get(name) or place.read(name), place.verifier)


@pytest.mark.soak
def test_every_flipped_byte_is_found_and_the_file_and_line_are_named(small: tuple[Place, Json]) -> None:
    place, answer = small
    _, (strand,) = parse_completed(place.exports.files[answer["manifest"]])
    assert len(strand.objects) == 2
    for item in strand.objects:
        whole = place.read(item.name) or b""
        for at in places(whole, MOST_FLIPS):
            with pytest.raises(ExportFault, match=rf"^{item.name}(, line 1:| )"):
                check(place, answer, {item.name: flipped(whole, at)})


def test_every_flipped_byte_of_the_manifest_is_found(small: tuple[Place, Json]) -> None:
    place, answer = small
    whole = place.exports.files[answer["manifest"]]
    for at in range(len(whole)):
        with pytest.raises(ExportFault, match="manifest"):
            verify_export(flipped(whole, at), place.read, place.verifier)


def _changed(place: Place, answer: Json, change: Callable[[Json], object]) -> bytes:
    """The manifest with a change and a new hash of its own, as an attacker would hand it out."""
    body = json.loads(place.exports.files[answer["manifest"]])
    del body["sha256"]
    change(body)
    return jcs({**body, "sha256": sha256(jcs(body)).hex()})


def _set(name: str, value: object) -> Callable[[Json], object]:
    return lambda body: body["strands"][0].update({name: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body.update({"from": later(START, 1)}), "id"),
        (lambda body: body["strands"].clear(), "does not list"),
        (lambda body: body["strands"].append(body["strands"][0]), "does not list"),
        (lambda body: body["strands"][0]["objects"].pop(), "its objects end at"),
        (lambda body: body["strands"][0]["objects"].pop(0), "is not the name"),
        (lambda body: body["strands"][0]["objects"][0].update({"name": "../secret"}), "is not the name"),
        (lambda body: body["strands"][0]["objects"][0].update({"sha256": "0" * 64}), "SHA-256"),
        (_set("before", None), "before the span is missing"),
        (_set("after", None), "after the span is missing"),
        (lambda body: _swap(body["strands"][0]), "before|beside"),
        (_set("first", 0), "edge"),
        (_set("end", 10**9), "within its checkpoint"),
        (_set("edge", ["A" * 43] * 2), "not those of its checkpoint"),
        (_set("edge", ["A" * 42] * 2), "32 bytes"),
        (_set("growth", []), "not those of its checkpoint"),
        (_set("checkpoint", "nothing"), "checkpoint"),
        (lambda body: body.update({"genesis": body["strands"][0]["checkpoint"]}), "signature"),
        (lambda body: body.update({"epochs": "x\n"}), "JWS"),
        (lambda body: body.update({"more": 1}), "exactly the members"),
        (_set("strand", True), "not whole"),
    ],
)  # fmt: skip
def test_what_an_attacker_would_change_in_a_manifest_is_refused(
    small: tuple[Place, Json], change: Callable[[Json], object], said: str
) -> None:
    place, answer = small
    with pytest.raises(IntegrityFault, match=said):
        verify_export(_changed(place, answer, change), place.read, place.verifier)


def _swap(strand: Json) -> None:
    strand["before"], strand["after"] = strand["after"], strand["before"]


def test_a_shorter_span_passed_off_as_the_whole_is_refused() -> None:
    """Leave the first or the last block out, with true proofs of the shorter span."""
    place = Place()
    for _ in range(5):
        place.block(events=1)
    whole, short = place.export(2, 5), place.export(3, 4)
    honest = json.loads(place.exports.files[whole["manifest"]])
    for name in ("first", "end", "edge", "growth", "before", "after"):
        honest["strands"][0][name] = json.loads(place.exports.files[short["manifest"]])["strands"][0][name]
    name = json.loads(place.exports.files[short["manifest"]])["strands"][0]["objects"][0]["name"]
    objects = json.loads(place.exports.files[short["manifest"]])["strands"][0]["objects"]
    moved = name.replace(short["id"], whole["id"])
    honest["strands"][0]["objects"] = [{**objects[0], "name": moved}]
    place.exports.files[PREFIX + moved] = place.exports.files[PREFIX + name]
    forged = _changed(place, whole, lambda body: body.update({"strands": honest["strands"]}))
    with pytest.raises(ExportFault, match="a block is left out at the beginning"):
        verify_export(forged, place.read, place.verifier)


def test_another_deployments_key_verifies_nothing(small: tuple[Place, Json]) -> None:
    place, answer = small
    with pytest.raises(IntegrityFault):
        verify_export(
            place.exports.files[answer["manifest"]], place.read, Verifier(ORIGIN, bytes(31) + b"\x01")
        )


def test_a_damaged_log_is_never_exported() -> None:
    place = Place()
    place.block()
    (name,) = (name for name in place.cloud.objects.files if "0/tile/entries" in name)
    whole = place.cloud.objects.files[name]
    place.cloud.objects.files[name] = whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]
    with pytest.raises((IntegrityFault, DomainError)):
        place.export(0, 100)
    assert not [name for name in place.exports.files if name.endswith("completed.manifest")]


def test_nothing_in_an_export_tells_of_a_person_or_a_document() -> None:
    place = Place()
    place.block(events=3)
    place.export(0, 100)
    rows = list(place.cloud.events.rows)
    assert rows
    for name, data in place.exports.files.items():
        text = name + data.decode()
        for told_nowhere in (PATIENT, "Observation", "P#", *(key.sk for key in rows)):
            assert told_nowhere not in text


@pytest.mark.parametrize(
    "said",
    [{}, {"from": "2026-11-22T10:00:00Z"}, {"from": "2026-11-22", "to": "2026-11-23T10:00:00Z"},
     {"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T10:00:00Z"},
     {"from": "2026-11-22T10:00:01Z", "to": "2026-11-22T10:00:00Z"},
     {"from": "2026-11-22T10:00:00Z", "to": "2026-11-24T09:58:00.001Z"},
     {"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T11:00:00Z", "prefix": "/x/"},
     {"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T11:00:00Z", "prefix": "x"},
     {"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T11:00:00Z", "prefix": "a/\n"},
     {"from": "2026-11-22T10:00:00Z", "to": "2026-11-22T11:00:00Z", "bucket": "x"}],
)  # fmt: skip
def test_what_cannot_be_exported_is_refused_in_words(said: Json) -> None:
    with pytest.raises(DomainError) as refused:
        parse_request(said, "2026-11-24T10:00:00.000Z")
    assert refused.value.message


def test_a_span_may_end_where_all_is_published_and_times_are_of_any_zone() -> None:
    said = {"from": "2026-11-22T11:00:00+01:00", "to": "2026-11-24T09:58:00Z"}
    request = parse_request(said, "2026-11-24T10:00:00.000Z")
    assert (request.start, request.end, request.prefix) == (START, "2026-11-24T09:58:00.000Z", "")
