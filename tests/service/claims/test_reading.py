"""The records door shows the documents of the claims door to the parties and the person, and to nobody
else."""

import pytest

from carevouch.door.http import Door
from services.records.ports import ports_of
from services.records.routes import ROUTES as RECORDS_ROUTES
from tests.api import Answer, Api, Who
from tests.descriptions import description
from tests.people import admit, bind_device
from tests.sealed_log import log_of
from tests.service.claims.member import Member
from tests.world import World


@pytest.fixture
def records(world: World) -> Api:
    store = world.store("records")
    door = Door("records")
    door.serve(RECORDS_ROUTES, lambda: ports_of(store, log_of(world).sealed, description))
    return Api(door)


def references(told: Answer) -> list[str]:
    response = told.json()
    return [f"ClaimResponse/{response['id']}", response["request"]["reference"]]


def test_payer_provider_and_person_read_claim_and_response(
    world: World, member: Member, records: Api
) -> None:
    told = member.submit(member.worked())
    device = bind_device(world, member.clinic, member.patient)
    for who in (member.payer.who, member.clinic.who, device.who):
        for reference in (*references(told), member.coverage):
            if reference == member.coverage and who == member.clinic.who:
                continue  # a coverage names no provider
            shown = records.call("GET", f"/fhir/{reference}", who=who)
            assert shown.status == 200, (reference, who.kind)
    shown = records.call("GET", f"/fhir/{references(told)[0]}", who=member.payer.who)
    assert shown.body == told.body


def test_eligibility_is_read_by_those_it_names(member: Member, records: Api) -> None:
    told = member.ask(member.request()).json()
    for reference in (f"CoverageEligibilityResponse/{told['id']}", told["request"]["reference"]):
        for who in (member.payer.who, member.clinic.who):
            assert records.call("GET", f"/fhir/{reference}", who=who).status == 200


def test_strangers_and_other_payers_see_nothing_of_it(world: World, member: Member, records: Api) -> None:
    told = member.submit(member.worked())
    strangers = [admit(world, "stranger", ["provider"]).who, admit(world, "other", ["payer"]).who]
    for who in (*strangers, Who(member.payer.id, scope="system/Coverage.cruds")):
        for reference in references(told):
            assert records.call("GET", f"/fhir/{reference}", who=who).status in (403, 404)


def test_the_address_in_the_answer_is_one_that_answers(member: Member, records: Api) -> None:
    told = member.submit(member.worked())
    path = told.headers["location"].removeprefix("https://carevouch.test")
    assert records.call("GET", path, who=member.clinic.who).body == told.body


def test_the_person_finds_claims_and_accumulators_provable(
    world: World, member: Member, records: Api
) -> None:
    member.submit(member.worked())
    device = bind_device(world, member.clinic, member.patient)
    for type_ in ("Claim", "ClaimResponse", "Decision", "Accumulator"):
        doc = member.stored(type_)[0].doc
        opened = records.call("GET", f"/ledger/documents/{doc}/1/opening", who=device.who)
        assert opened.status == 200, (type_, opened.body)
        assert records.call("GET", f"/ledger/documents/{doc}/1/opening", who=member.clinic.who).status in (
            (404,) if type_ == "Accumulator" else (200,)
        )
