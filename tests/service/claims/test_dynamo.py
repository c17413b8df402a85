"""The door over DynamoDB as moto plays it: one transaction over the partitions of person and directory."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from carevouch.claims.decision import replay
from tests.contract.stores import MOTO, Store, open_store
from tests.people import enrol
from tests.service.claims.member import cover, insure, new_api, totals
from tests.unit.claims.resources import concept


@pytest.fixture(params=[MOTO])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    yield from open_store(request)


def test_a_family_claim_is_stored_whole_and_found_again(store: Store) -> None:
    limit = {"individual_cents": 15000, "family_cents": 15000, "family_rule": "aggregate"}
    one = insure(store.world(), deductible=limit)
    family = [{"type": concept("plan"), "value": "SILVER"}, {"type": concept("family"), "value": "F"}]
    person = enrol(one.world, one.clinic)
    covered = cover(one.api, one.payer, person, **{"class": family})
    member = replace(one, patient=person, coverage=covered)
    first = member.submit(member.worked(), idempotency_key="k")
    again = replace(member, api=new_api(one.world)).submit(member.worked(), idempotency_key="k")
    assert totals(first)["benefit"] == "240.00"
    assert first.body == again.body
    assert totals(member.submit(member.worked()))["benefit"] == "0.00"
    act = {member.stored(type_)[0].event.id for type_ in ("ClaimResponse", "Accumulator")}
    (shared,) = one.world.reader.directory("Accumulator").latest("Accumulator")
    assert shared.event.id in act
    assert member.ask(member.request()).status == 200
    for decision in member.decisions():
        replay(decision.body, member.contract)
