"""Every case of `consent-decisions.jsonl`, as real FHIR: Consents that a device signed, a stored resource.

Each case runs through the decision door, where the person asks. If its one actor can be an organisation, it
also runs through the rule of reading and the door as that organisation. Some cases fit no door: another
default policy, actors that could not be resolved, a right to break the glass. These run through the same
reader of FHIR and the rules. The counts are asserted, so that no case is lost.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from carevouch.consent.codes import lineage
from carevouch.consent.decide import decide
from carevouch.consent.facts import facts_of
from carevouch.consent.render import render_consents, render_resource
from carevouch.consent.shorthand import PATIENT, DecisionCase, read_cases
from carevouch.door.access import Access
from carevouch.fhir.references import rewrite
from carevouch.identity.caller import ROLES, purposes
from carevouch.kernel.ids import Doc
from carevouch.kernel.times import instant
from carevouch.records.access import ReadAllowed
from carevouch.records.resource import resource_of
from carevouch.store.documents import StoredRevision
from tests import people
from tests.oracles import SHARED, or_skip, shared_path
from tests.people import Organization
from tests.service.consent.conftest import Scene, scene_of
from tests.world import memory_world

FILE = "cases/consent-decisions.jsonl"
_EXPRESSIBLE, _ALL = 39, 52


CASES = read_cases((SHARED / FILE).read_bytes()) if (SHARED / FILE).exists() else ()


@dataclass(frozen=True)
class StoredCase:
    """A case in a scene: the stored resource, and the references of the case as they are here."""

    scene: Scene
    case: DecisionCase
    resource: StoredRevision
    names: dict[str, str]


def store_case(
    case: DecisionCase, organization: Organization | None = None, scene: Scene | None = None
) -> StoredCase:
    """Store the resource and the consents of `case` in a world whose clock is at the case's instant."""
    scene = scene or fresh(case)
    names = {PATIENT: f"Patient/{scene.patient}"}
    if organization is not None and case.request.actors is not None:
        names |= dict.fromkeys(case.request.actors, organization.reference)
    rendered = rewrite(render_resource(case), lambda reference: names.get(reference, reference))
    stored = people.record(scene.world, scene.clinic, scene.patient, rendered)
    names[case.resource.reference] = str(stored.doc)
    for consent in render_consents(case):
        mapped = rewrite(consent, lambda reference: names.get(reference, reference))
        people.grant(scene.world, scene.device, mapped)
    return StoredCase(scene, case, stored, names)


def fresh(case: DecisionCase) -> Scene:
    world = memory_world()
    world.clock.now = instant(case.request.now)
    return scene_of(world)


def fits_the_door(case: DecisionCase) -> bool:
    return case.default == "deny" and case.request.actors is not None and not case.request.btg_ok


def ids(cases: list[DecisionCase]) -> list[str]:
    return [case.name for case in cases]


AT_THE_DOOR = [case for case in CASES if fits_the_door(case)]
BY_AN_ORGANISATION = [
    case
    for case in AT_THE_DOOR
    if len(case.request.actors or ()) == 1
    and case.request.action == "access"
    and case.request.purpose != "BTG"
    and not lineage(case.request.purpose).isdisjoint(purposes(ROLES))
]
BY_THE_RULES = [case for case in CASES if not fits_the_door(case)]


def test_every_case_runs_through_a_door_or_the_rules() -> None:
    shared_path(FILE)
    assert (len(AT_THE_DOOR), len(BY_THE_RULES), len(CASES)) == (_EXPRESSIBLE, _ALL - _EXPRESSIBLE, _ALL)
    assert len(BY_AN_ORGANISATION) == 35


@pytest.mark.parametrize("case", or_skip(AT_THE_DOOR, FILE), ids=ids(AT_THE_DOOR) or None)
def test_the_door_answers_the_person_as_published(case: DecisionCase) -> None:
    stored_case = store_case(case)
    scene, request = stored_case.scene, case.request
    body: dict[str, Any] = {
        "patient": scene.patient,
        "resource": {"type": stored_case.resource.doc.type, "id": stored_case.resource.doc.id},
        "purpose": request.purpose,
        "action": request.action,
        "actor": [stored_case.names.get(actor, actor) for actor in sorted(request.actors or ())],
    }
    answer = scene.api.call("POST", "/consent/decision", body, scene.device.who)
    assert answer.status == 200, answer.body
    assert answer.json()["decision"] == case.expected
    assert answer.json()["at"] == instant(request.now)
    by_the_rules = decide(case.consents, case.request, case.resource, case.default)
    assert _reasons(answer.json()["reasons"]) == _reasons([reason.json() for reason in by_the_rules.reasons])


def _reasons(reasons: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Rule, clause and element of each reason, without the ids, which differ from the case's."""
    return sorted((reason["rule"], reason.get("clause", ""), reason.get("element", "")) for reason in reasons)


@pytest.mark.parametrize("case", or_skip(BY_AN_ORGANISATION, FILE), ids=ids(BY_AN_ORGANISATION) or None)
def test_door_and_rule_answer_the_organisation_as_published(case: DecisionCase) -> None:
    scene = fresh(case)
    organization = people.admit(scene.world, "Everything Ltd", ROLES)
    stored_case = store_case(case, organization, scene)
    answer = scene.api.call(
        "POST",
        "/consent/decision",
        {
            "patient": scene.patient,
            "resource": {"type": stored_case.resource.doc.type, "id": stored_case.resource.doc.id},
            "purpose": case.request.purpose,
        },
        organization.who,
    )
    assert answer.json()["decision"] == case.expected
    incoming = scene.incoming(organization.who)
    caller = scene.access.caller(incoming)
    visit = scene.access.open(incoming, caller, scene.patient, "read")
    visit.question = case.request.__class__(
        case.request.purpose, frozenset({organization.reference}), case.request.now
    )
    assert isinstance(visit.decide(stored_case.resource)[1], ReadAllowed) == (case.expected == "permit")


@pytest.mark.parametrize("case", or_skip(BY_THE_RULES, FILE), ids=ids(BY_THE_RULES) or None)
def test_the_rules_answer_the_remaining_cases_over_stored_fhir(case: DecisionCase) -> None:
    stored_case = store_case(case)
    scene, request = stored_case.scene, case.request
    access: Access = scene.access
    incoming = scene.incoming(scene.payer.who)
    visit = access.open(incoming, access.caller(incoming), scene.patient, "read")
    facts = facts_of(
        resource_of(stored_case.resource.doc.type, stored_case.resource.body),
        base=access.base,
        zone=access.zone,
        subject=f"Patient/{scene.patient}",
    )
    assert decide(visit.consents, request, facts, case.default).permitted == (case.expected == "permit")


@pytest.mark.parametrize("case", or_skip(AT_THE_DOOR, FILE), ids=ids(AT_THE_DOOR) or None)
def test_no_case_is_permitted_without_signatures(case: DecisionCase) -> None:
    """The nearest neighbour of every case: the same consents, stored without the device's signature."""
    scene = fresh(case)
    names = {PATIENT: f"Patient/{scene.patient}"}
    rendered = rewrite(render_resource(case), lambda reference: names.get(reference, reference))
    stored = people.record(scene.world, scene.clinic, scene.patient, rendered)
    names[case.resource.reference] = str(stored.doc)
    for number, consent in enumerate(render_consents(case)):
        mapped = rewrite(consent, lambda reference: names.get(reference, reference))
        doc = Doc("Consent", f"{scene.patient}.{'abcdefgh'[number] * 26}")
        people.store_unsigned(scene.world, doc, mapped)
    body = {
        "patient": scene.patient,
        "resource": {"type": stored.doc.type, "id": stored.doc.id},
        "purpose": case.request.purpose,
        "action": case.request.action,
        "actor": sorted(case.request.actors or ()),
    }
    answer = scene.api.call("POST", "/consent/decision", body, scene.device.who)
    assert answer.json()["decision"] == "deny"
