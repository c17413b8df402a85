"""Every case of `consent-decisions.jsonl`, as real FHIR: Consents that a device signed, a stored resource.

Each runs through the decision door, asked by the person; and, where its one actor can be an organisation,
through the one rule of reading and the door as that organisation. What no door can say (another default
policy, actors that could not be resolved, a right to break the glass) runs through the same reader of FHIR
and the rules instead. The counts are asserted, so that none slips away.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from carevouch.consent.codes import lineage
from carevouch.consent.decide import Decision, decide
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


def _cases() -> tuple[DecisionCase, ...]:
    path = SHARED / FILE
    return read_cases(path.read_bytes()) if path.exists() else ()


CASES = _cases()


@dataclass(frozen=True)
class Staged:
    """A case, stored: the scene, the resource, and how its references read here."""

    scene: Scene
    case: DecisionCase
    resource: StoredRevision
    names: dict[str, str]

    def named(self, reference: str) -> str:
        """The case's reference as it is in this world."""
        return self.names.get(reference, reference)


def stage(case: DecisionCase, organization: Organization | None = None, scene: Scene | None = None) -> Staged:
    """Store the resource and the consents of `case` in a world whose clock stands at the case's instant."""
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
    return Staged(scene, case, stored, names)


def fresh(case: DecisionCase) -> Scene:
    world = memory_world()
    world.clock.now = instant(case.request.now)
    return scene_of(world)


def a_door_can_say(case: DecisionCase) -> bool:
    return case.default == "deny" and case.request.actors is not None and not case.request.btg_ok


def an_organisation_can_say(case: DecisionCase) -> bool:
    request = case.request
    declared = not lineage(request.purpose).isdisjoint(purposes(ROLES)) and request.purpose != "BTG"
    return a_door_can_say(case) and len(request.actors or ()) == 1 and declared and request.action == "access"


def ids(cases: list[DecisionCase]) -> list[str]:
    return [case.name for case in cases]


SAID = [case for case in CASES if a_door_can_say(case)]
READ = [case for case in CASES if an_organisation_can_say(case)]
UNSAID = [case for case in CASES if not a_door_can_say(case)]


def test_no_case_slips_away() -> None:
    shared_path(FILE)
    assert (len(SAID), len(UNSAID), len(CASES)) == (_EXPRESSIBLE, _ALL - _EXPRESSIBLE, _ALL)
    assert len(READ) == 35


@pytest.mark.parametrize("case", or_skip(SAID, FILE), ids=ids(SAID) or None)
def test_the_door_answers_the_person_as_published(case: DecisionCase) -> None:
    staged = stage(case)
    scene, request = staged.scene, case.request
    body: dict[str, Any] = {
        "patient": scene.patient,
        "resource": {"type": staged.resource.doc.type, "id": staged.resource.doc.id},
        "purpose": request.purpose,
        "action": request.action,
        "actor": [staged.named(actor) for actor in sorted(request.actors or ())],
    }
    answer = scene.api.call("POST", "/consent/decision", body, scene.device.who)
    assert answer.status == 200, answer.body
    assert answer.json()["decision"] == case.expected
    assert answer.json()["at"] == instant(request.now)
    assert _why(answer.json()["reasons"]) == _why([reason.json() for reason in _by_rules(case).reasons])


def _by_rules(case: DecisionCase) -> Decision:
    return decide(case.consents, case.request, case.resource, case.default)


def _why(reasons: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Rule, clause and element of each reason; the ids differ from the case's."""
    return sorted((reason["rule"], reason.get("clause", ""), reason.get("element", "")) for reason in reasons)


@pytest.mark.parametrize("case", or_skip(READ, FILE), ids=ids(READ) or None)
def test_door_and_rule_answer_the_organisation_as_published(case: DecisionCase) -> None:
    scene = fresh(case)
    organization = people.admit(scene.world, "Everything Ltd", ROLES)
    staged = stage(case, organization, scene)
    answer = scene.api.call(
        "POST",
        "/consent/decision",
        {
            "patient": scene.patient,
            "resource": {"type": staged.resource.doc.type, "id": staged.resource.doc.id},
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
    assert isinstance(visit.decide(staged.resource)[1], ReadAllowed) == (case.expected == "permit")


@pytest.mark.parametrize("case", or_skip(UNSAID, FILE), ids=ids(UNSAID) or None)
def test_what_no_door_can_say_the_rules_answer_over_the_stored_fhir(case: DecisionCase) -> None:
    staged = stage(case)
    scene, request = staged.scene, case.request
    access: Access = scene.access
    incoming = scene.incoming(scene.payer.who)
    visit = access.open(incoming, access.caller(incoming), scene.patient, "read")
    facts = facts_of(
        resource_of(staged.resource.doc.type, staged.resource.body),
        base=access.base,
        zone=access.zone,
        subject=f"Patient/{scene.patient}",
    )
    assert decide(visit.consents, request, facts, case.default).permitted == (case.expected == "permit")


@pytest.mark.parametrize("case", or_skip(SAID, FILE), ids=ids(SAID) or None)
def test_nothing_is_permitted_once_the_signatures_are_gone(case: DecisionCase) -> None:
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
