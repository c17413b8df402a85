"""The public feed: a poll sees every published event once, in order, and nothing about people."""

from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.door.http import Door
from carevouch.events.certificate import CERT_TYP
from carevouch.events.envelope import EVENT_TYP
from carevouch.events.seal import BLOCK_SEALED, parse_seal
from carevouch.kernel.encoding import b64u
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import take_apart
from carevouch.ledger.checkpoint import open_checkpoint
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.note import Verifier
from carevouch.ledger.tiles import ENTRIES, split_bundle, tile_at
from carevouch.store.log.library import Library
from carevouch.store.log.ports import StoredObject
from services.ledger.routes import ROUTES
from tests.api import Answer, Api
from tests.service.sealer.fakes import Cloud
from tests.unit.sealing.acts import ORIGIN, PATIENT, House, Producer, event_id

Json = dict[str, Any]


class Site:
    """A deployment with several strands, its door, and the stored events that are not sealed yet."""

    def __init__(self, strands: int = 1) -> None:
        self.strands = strands
        self.cloud = Cloud(House(strands))
        self.producers = [Producer(self.cloud.house, name=f"session {at}") for at in range(2)]
        door = Door("ledger")
        library = Library(self.cloud.objects, self.cloud.marks, lambda: self.cloud.house.genesis)
        door.serve(ROUTES, lambda: library)
        self.api = Api(door)
        self.waiting: list[Key] = []
        self.number = 0

    def act(self, strand: int, **untrue: str) -> None:
        self.number += 1
        producer = self.producers[self.number % 2]
        named = {"id": event_id(self.number, strand, self.strands), **untrue}
        self.waiting.append(self.cloud.act(producer, self.number, **named))

    def seal(self, strand: int) -> None:
        self.cloud.clock.advance(1)
        self.cloud.sealer(strand).seal(self.waiting)

    def publish(self, strand: int) -> None:
        self.cloud.sealer(strand).publish()

    def sealed(self, *counts: int) -> "Site":
        """Publish blocks of so many events in strand 0."""
        for count in counts:
            for _ in range(count):
                self.act(0)
            self.seal(0)
        self.publish(0)
        return self

    def get(self, query: str = "") -> Answer:
        return self.api.call("GET", f"/ledger/feed{query}")

    def poll(self, position: str, limit: int | None = None) -> Json:
        answer = self.get(f"?position={position}" + (f"&limit={limit}" if limit else ""))
        assert answer.status == 200, answer.body
        page: Json = answer.json()
        return page

    def polled(self, position: str, limit: int | None = None) -> tuple[list[Json], str]:
        """All records until a page is empty, and the position then."""
        records: list[Json] = []
        while True:
            page = self.poll(position, limit)
            if not page["records"]:
                assert page["next"] == position
                return records, position
            records += page["records"]
            position = page["next"]

    def published(self, strand: int) -> list[bytes]:
        """The strand's published entries, read as a mirror reads them."""
        note = self.cloud.objects.files.get(f"{strand}/checkpoint")
        if note is None:
            return []
        verifier = Verifier(f"{ORIGIN}/strand/{strand}", self.cloud.house.log.public)
        size = open_checkpoint(note, verifier).size
        names = [tile_at(ENTRIES, at, size).path for at in range(-(-size // 256))]
        return [entry for name in names for entry in split_bundle(self.cloud.read(strand)(name) or b"")]


def told(site: Site, strand: int, start: int = 0) -> list[tuple[int, str]]:
    """The records of a strand that the feed should give: index and entry of all but certificates."""
    texts = [(at, entry.decode()) for at, entry in enumerate(site.published(strand)) if at >= start]
    return [(at, text) for at, text in texts if take_apart(text).typ != CERT_TYP]


def by_strand(records: list[Json]) -> dict[int, list[tuple[int, str]]]:
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for record in records:
        found[record["strand"]].append((record["index"], record["entry"]))
    return found


STEPS = st.lists(
    st.tuples(st.sampled_from(["act", "act", "seal", "publish", "poll"]), st.integers(0, 2)), max_size=30
)


@settings(max_examples=40, deadline=None)
@given(strands=st.integers(1, 3), steps=STEPS, limits=st.lists(st.integers(1, 9), min_size=1), data=st.data())
def test_whoever_polls_sees_each_published_event_once_and_in_order(
    strands: int, steps: list[tuple[str, int]], limits: list[int], data: st.DataObject
) -> None:
    site = Site(strands)
    before = data.draw(st.integers(0, len(steps)))
    records: list[Json] = []
    position, starts = "", dict.fromkeys(range(strands), 0)
    for at, (step, number) in enumerate([*steps, *(("publish", strand) for strand in range(strands))]):
        if at == before:  # the consumer comes, with some position of its own
            sizes = {strand: len(site.published(strand)) for strand in range(strands)}
            starts = {strand: data.draw(st.integers(0, size)) for strand, size in sizes.items()}
            position = ",".join(f"{strand}:{start}" for strand, start in starts.items() if start)
        if step == "poll" and at >= before:
            page = site.poll(position, limits[at % len(limits)])
            records, position = records + page["records"], page["next"]
        elif step != "poll":
            getattr(site, step)(number % strands)
    rest, _ = site.polled(position, limits[0])
    expected = {strand: told(site, strand, start) for strand, start in starts.items()}
    assert by_strand(records + rest) == {strand: items for strand, items in expected.items() if items}


def test_each_record_says_what_a_mirror_says() -> None:
    site = Site().sealed(2, 3)
    site.act(0, type="nonsense")
    site.sealed(1)
    records, position = site.polled("")
    entries = site.published(0)
    assert position == f"0:{len(entries)}"
    kinds = [record["kind"] for record in records]
    assert kinds == [*["event"] * 2, "block", *["event"] * 3, "block", "event", "rejection", "block"]
    seals = [record for record in records if record["kind"] == "block"]
    for record in records:
        seal = next(one for one in seals if one["index"] >= record["index"])
        said = parse_seal(seal["entry"])
        assert record["entry"].encode() == entries[record["index"]]
        assert (record["block"], record["time"]) == (said.data["number"], said.time)
        if record["kind"] == "event":
            certificate = take_apart(entries[record["certificate"]].decode())
            assert certificate.typ == CERT_TYP
            assert certificate.payload["kid"] == take_apart(record["entry"]).kid
            assert record["certificate"] < record["index"]
    for seal, following in pairwise(seals):
        assert (following["first"], following["prev"]) == (seal["first"] + seal["count"], seal["hash"])
    assert b64u(leaf_hash(seals[-1]["entry"].encode())) == seals[-1]["hash"]
    assert parse_seal(seals[-1]["entry"]).type == BLOCK_SEALED


def test_an_event_of_the_operator_has_no_certificate() -> None:
    site = Site()
    site.waiting.append(site.cloud.act(Producer(site.cloud.house, "operator"), 1))
    site.sealed(0)
    assert [record.get("certificate") for record in site.polled("")[0]] == [None, None]


def test_what_is_sealed_but_not_published_is_not_in_the_feed() -> None:
    site = Site().sealed(1)
    site.act(0)
    site.seal(0)
    _, position = site.polled("")
    assert site.poll(position)["records"] == []
    site.publish(0)
    assert [record["kind"] for record in site.poll(position)["records"]] == ["event", "block"]


def test_blocks_over_tile_borders_come_whole_for_every_limit() -> None:
    site = Site().sealed(300, 1, 250)
    for limit in (1, 7, 255, 256, 500):
        # One by one over the last border alone.
        start = 500 if limit == 1 else 0
        records, _ = site.polled(f"0:{start}" if start else "", limit)
        assert [(one["index"], one["entry"]) for one in records] == told(site, 0, start)


def test_a_page_holds_no_more_than_its_limit_and_no_strand_waits() -> None:
    site = Site(3)
    for strand, count in ((0, 60), (1, 2), (2, 2)):
        for _ in range(count):
            site.act(strand)
    for strand in range(3):
        site.seal(strand)
        site.publish(strand)
    first = site.poll("", 9)["records"]
    assert len(first) == 9
    assert {record["strand"] for record in first} == {0, 1, 2}
    assert len(site.poll("", 1)["records"]) == 3
    assert len(site.get("?limit=9999").json()["records"]) == 67


def test_a_page_reads_no_more_than_it_shows_of_a_long_log(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site().sealed(*[60] * 20)
    asked: list[str] = []
    whole = site.cloud.objects.get

    def counted(name: str) -> StoredObject | None:
        asked.append(name)
        return whole(name)

    monkeypatch.setattr(site.cloud.objects, "get", counted)
    site.poll("0:700", 10)
    assert sum("/entries/" in name for name in asked) == 1
    assert len(asked) <= 6


def test_an_empty_log_has_an_empty_feed_that_starts_at_its_beginning() -> None:
    site = Site(2)
    assert site.get().json() == {"records": [], "next": ""}
    assert site.get().headers["cache-control"] == "no-cache"
    site.publish(1)
    assert site.get("?position=").json() == {"records": [], "next": ""}


@pytest.mark.parametrize(
    "query",
    ["?position=0:9", "?position=1:1", "?position=0:1,0:1", "?position=x", "?position=0:01", "?position=0:0",
     "?position=0:1.1", "?position=0:-1", "?position=0", "?position=0:1,", "?position=0:4&position=0:4",
     "?limit=0", "?limit=x", "?limit=-1", "?limit=1&limit=1", "?limit=", "?from=0"],
)  # fmt: skip
def test_what_is_no_position_or_limit_is_refused_in_words(query: str) -> None:
    site = Site().sealed(2)
    answer = site.get(query)
    assert answer.status == 400
    assert answer.json()["detail"].startswith(("position", "limit", "the feed", "this feed"))


def test_a_damaged_bundle_is_an_alarm_and_never_a_wrong_page() -> None:
    for at in (2, 300, 1500):
        site = Site().sealed(3)
        (name,) = (name for name in site.cloud.objects.files if "tile/entries" in name)
        whole = site.cloud.objects.files[name]
        site.cloud.objects.files[name] = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        assert site.get().status == 500


def test_nothing_in_the_feed_tells_of_a_person_or_a_document() -> None:
    site = Site().sealed(3, 2)
    text = site.get().body.decode()
    rows = list(site.cloud.events.rows)
    assert rows
    for told_nowhere in (PATIENT, "Observation", "P#", *(key.sk for key in rows), *(key.pk for key in rows)):
        assert told_nowhere not in text
    for record in site.polled("")[0]:
        signed = take_apart(record["entry"])
        if signed.typ == EVENT_TYP:
            assert set(signed.payload) <= {
                "v", "id", "type", "producer", "n", "epoch", "time", "seal_by", "count", "root", "tags"
            }  # fmt: skip
            assert PATIENT not in str(signed.payload)
        assert leaf_hash(record["entry"].encode()) in {leaf_hash(entry) for entry in site.published(0)}
