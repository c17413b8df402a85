"""The sweep finds lost events, and moves its cursors only over settled numbers."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from carevouch.kernel.encoding import b64u
from carevouch.kernel.ids import Key
from carevouch.kernel.jws import thumbprint
from carevouch.store.keys import listed_at
from carevouch.store.log.ports import EventRow, IndexRow
from carevouch.verifier.strand import audit_strand
from services.sealer import sweep
from tests.service.sealer.fakes import Cloud
from tests.unit.sealing.acts import START, House, Producer

# A number that no key comes to.
HUGE = 10**9
# Nobody's key.
NOBODY = "A" * 43


def test_an_event_the_stream_lost_is_found_and_sealed() -> None:
    cloud, producer = Cloud(), Producer(House())
    cloud.act(producer, 1)
    cloud.act(Producer(cloud.house, "operator"), 2)
    assert cloud.sweep().run().sealed.events == 2
    assert cloud.sweep().run().sealed.events == 0


def test_the_age_of_the_oldest_unsealed_event_is_told() -> None:
    cloud, producer = Cloud(), Producer(House())
    cloud.act(producer, 1)
    cloud.clock.advance(90)
    assert cloud.sweep().run().oldest_seconds == 90
    assert cloud.sweep().run().oldest_seconds == 0


def test_the_cursor_follows_what_the_stream_brought() -> None:
    cloud, producer = Cloud(), Producer(House())
    keys = [cloud.act(producer, number) for number in range(3)]
    cloud.sealer().seal(keys)
    assert cloud.notes.cursors == {producer.signer.kid: 3}


def test_a_cursor_stops_at_a_gap_until_it_can_no_longer_fill() -> None:
    cloud, producer = Cloud(), Producer(House())
    cloud.act(producer, 1)
    late = cloud.act(producer, 2)
    cloud.act(producer, 3)
    cloud.events.hidden.add(late)
    cloud.sweep().run()
    assert cloud.notes.cursor(producer.signer.kid) == 1
    cloud.events.hidden.clear()
    assert cloud.sweep().run().sealed.events == 1
    assert cloud.notes.cursor(producer.signer.kid) == 3


def test_a_gap_that_can_no_longer_fill_is_passed_over() -> None:
    cloud, producer = Cloud(), Producer(House())
    cloud.act(producer, 1)
    producer.n += 1
    cloud.act(producer, 2)
    cloud.sweep().run()
    assert cloud.notes.cursor(producer.signer.kid) == 1
    cloud.clock.advance(600 + 3_601)
    cloud.sweep().run()
    assert cloud.notes.cursor(producer.signer.kid) == 3


def test_a_rejected_number_is_settled() -> None:
    cloud, producer = Cloud(), Producer(House())
    cloud.act(producer, 1)
    cloud.put(producer.event(2, epoch=2), producer.certificate)
    cloud.act(producer, 3)
    swept = cloud.sweep().run().sealed
    assert (swept.events, swept.rejected) == (2, 1)
    assert cloud.notes.cursor(producer.signer.kid) == 3


def lied_to(*, replayed: bool = False, signature: str | None = None) -> tuple[Cloud, Producer, EventRow]:
    """A key whose first event was sealed long ago, and a row that pretends to be its number 10^9."""
    cloud, producer = Cloud(), Producer(House())
    victim = cloud.events.rows[cloud.act(producer, 1)]
    cloud.sweep().run()
    cloud.clock.advance(600 + 3_601)
    other = Producer(cloud.house, name="another environment", n=HUGE - 1)
    text = victim.text if replayed else other.event(2)
    if signature is not None:
        text = f"{replace(producer, n=HUGE - 1).event(3).rpartition('.')[0]}.{signature}"
    key = Key("P#someone", "Observation#lie#v#0000000001")
    row = EventRow(key, text, producer.signer.kid, HUGE)
    cloud.events.rows[key] = row
    cloud.events.certified[other.signer.kid] = other.certificate
    return cloud, producer, row


@pytest.mark.parametrize("lie", [{}, {"replayed": True}, {"signature": b64u(bytes(64))}])
def test_an_index_row_that_lies_hides_no_later_event(lie: dict[str, Any]) -> None:
    cloud, producer, _ = lied_to(**lie)
    cloud.sweep().run()
    assert cloud.notes.cursor(producer.signer.kid) == 1
    cloud.act(producer, 4, time=cloud.clock())
    assert cloud.sweep().run().sealed.events == 1
    assert cloud.notes.cursor(producer.signer.kid) == 2


def test_an_index_entry_without_an_event_moves_no_cursor() -> None:
    cloud, producer, row = lied_to()
    del cloud.events.rows[row.key]
    cloud.events.lies = [(row.kid, IndexRow(row.key, HUGE))]
    cloud.sweep().run()
    assert cloud.notes.cursor(producer.signer.kid) == 1


def test_a_number_that_waits_holds_the_cursor_on_every_page_of_the_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "BATCH", 2)
    cloud, producer = Cloud(), Producer(House())
    bad = [cloud.act(producer, number) for number in range(5)][1]
    cloud.events.rows[bad] = replace(cloud.events.rows[bad], text=12345)  # type: ignore[arg-type]
    cloud.clock.advance(600 + 3_601)
    cloud.sweep().run()
    assert cloud.notes.cursor(producer.signer.kid) == 1


@pytest.mark.parametrize("listed", [0, 1])
def test_a_certificate_that_is_none_leaves_no_key_of_its_service_behind(listed: int) -> None:
    cloud, producer = Cloud(), Producer(House())
    cloud.act(producer, 1)
    cloud.events.certified[NOBODY] = producer.certificate
    cloud.events.lies = [
        ("certs#records", IndexRow(Key(f"K#{name}", "cert"), 10**15))
        for name in ("a" * 43, NOBODY, "x" * 2_046)
    ]
    cloud.clock.advance(listed * (24 * 3600 + 600 + 3_601))
    cloud.sweep().run()
    made = listed_at(START)
    assert cloud.notes.cursor("certs#records") == listed * made


def test_an_expired_key_beside_which_somebody_lied_is_left_behind() -> None:
    cloud, _, _ = lied_to(signature=b64u(bytes(64)))
    cloud.clock.advance(24 * 3600)
    cloud.sweep().run()
    assert cloud.notes.cursor("certs#records") == listed_at(START)


def test_an_expired_key_without_open_numbers_is_left_behind_for_good() -> None:
    cloud, producer = Cloud(), Producer(House())
    cloud.act(producer, 1)
    cloud.sweep().run()
    assert cloud.notes.cursor("certs#records") == 0
    cloud.clock.advance(24 * 3600 + 600 + 3_601)
    cloud.sweep().run()
    assert cloud.notes.cursor("certs#records") > 0
    asked: list[str] = []
    original = cloud.events.after

    def after(kid: str, n: int) -> object:
        asked.append(kid)
        return original(kid, n)

    cloud.events.after = after  # type: ignore[method-assign, assignment]
    cloud.sweep().run()
    assert producer.signer.kid not in asked
    assert thumbprint(cloud.house.operator.jwk) in asked


def test_many_keys_and_many_events_are_all_sealed_once() -> None:
    cloud = Cloud()
    producers = [Producer(cloud.house, name=f"environment {number}") for number in range(5)]
    for number in range(60):
        cloud.act(producers[number % 5], number)
    cloud.sweep().run()
    cloud.sweep().run()
    cloud.sealer().publish()
    report = audit_strand(cloud.house.genesis, 0, cloud.read())
    assert (report.events, report.findings) == (60, [])


def test_more_events_than_one_page_of_the_index_are_all_sealed() -> None:
    cloud, producer = Cloud(), Producer(House())
    for number in range(1_100):
        cloud.act(producer, number)
    assert cloud.sweep().run().sealed.events == 1_100
    assert cloud.notes.cursor(producer.signer.kid) == 1_100


def test_a_sweep_that_runs_out_of_time_stops_and_the_next_goes_on_with_the_keys_behind() -> None:
    cloud = Cloud()
    producers = [Producer(cloud.house, name=f"environment {number}") for number in range(5)]
    for number, producer in enumerate(producers):
        cloud.act(producer, number)
    original = cloud.events.fetch

    def slow(asked: Sequence[Key]) -> list[EventRow]:
        if asked:
            cloud.clock.advance(15)
        return original(asked)

    cloud.events.fetch = slow  # type: ignore[method-assign, assignment]
    # Two reads of a key, by the sweep and by its sealer, take half a minute.
    assert cloud.sweep().run().sealed.events == 2
    for number, producer in enumerate(producers):
        cloud.act(producer, 10 + number, time=cloud.clock())
    swept = {kid for kid, n in cloud.notes.cursors.items() if n}
    cloud.sweep().run()
    assert len({kid for kid, n in cloud.notes.cursors.items() if n} - swept) == 2
    assert [cloud.notes.cursor(kid) for kid in swept] == [1, 1]
    for _ in range(4):
        cloud.sweep().run()
    assert sorted(cloud.notes.cursors.values()) == [2] * 5


def test_more_events_wait_than_one_page_holds_and_each_is_tried_again() -> None:
    cloud, producer = Cloud(), Producer(House())
    orphans = [cloud.put(producer.event(number), None) for number in range(1_001)]
    cloud.sealer().seal(orphans)
    late = Producer(cloud.house, name="late")
    cloud.sealer().seal([cloud.put(late.event(2_000), None)])
    cloud.events.certified[late.signer.kid] = late.certificate
    cloud.events.hidden = set(cloud.events.rows)
    swept = cloud.sweep().run().sealed
    assert (swept.events, swept.waiting) == (1, 1_001)
    assert len(cloud.notes.waiting) == 1_001


def test_a_row_that_our_code_stumbles_over_keeps_no_other_from_being_sealed() -> None:
    cloud, producer = Cloud(), Producer(House())
    cloud.act(producer, 1)
    good = cloud.act(producer, 2)
    bad = cloud.act(producer, 3)
    cloud.act(Producer(cloud.house, name="another environment"), 4)
    producer.n += 1
    cloud.act(producer, 5)
    sound = cloud.events.rows[bad]
    cloud.events.rows[bad] = replace(sound, text=12345)  # type: ignore[arg-type]
    swept = cloud.sweep().run()
    assert (swept.sealed.events, swept.quarantined) == (4, ("AttributeError",))
    # Its key's cursor waits before it, so that a later sweep, with better code, seals it.
    assert cloud.notes.cursor(producer.signer.kid) == cloud.events.rows[good].n
    cloud.events.rows[bad] = sound
    assert cloud.sweep().run().sealed.events == 1


def test_a_row_that_sealing_stumbles_over_is_found_among_the_others() -> None:
    cloud, producer = Cloud(), Producer(House())
    keys = [cloud.act(producer, number) for number in range(4)]
    fetch = cloud.events.fetch

    def stumbling(asked: Sequence[Key]) -> list[EventRow]:
        if keys[1] in asked:
            raise KeyError("a row of another shape")
        return fetch(asked)

    cloud.events.fetch = stumbling  # type: ignore[method-assign, assignment]
    swept = cloud.sweep().run()
    assert (swept.sealed.events, swept.quarantined) == (3, ("KeyError",))
    assert cloud.notes.cursor(producer.signer.kid) == 1
