"""The scenes of the story, in order. Each scene checks its result, and fails the story if it is wrong."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carevouch.consent.signature import sign_grant
from carevouch.kernel.jsontext import render
from infra.story import money
from infra.story.bundles import Records
from infra.story.client import Answer, Party, Surprise
from infra.story.evidence import Evidence, collect
from infra.story.parties import Keys, enrol_device

# The classes that the patient lets the insurer see, for payment.
GRANTED = ("Encounter", "Observation")
NOT_GRANTED = ("Condition", "DiagnosticReport", "DocumentReference", "Immunization")
# Small, so that nearly every patient's observations have a next page.
PAGE = 3
# A batch takes at most a hundred entries, each an act of its own.
BATCH = 100
# The documents that the story itself adds to a patient's records: the consent and its revocation, the
# coverage, the claim and its answer.
OWN = {"Consent": 1, "Provenance": 1, "Coverage": 1, "Claim": 1, "ClaimResponse": 1}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StoryAct:
    """An act that its holder can prove: a version of a document."""

    name: str
    holder: Party
    reference: str
    version: int = 1


@dataclass(slots=True)
class PatientStory:
    """The story of one patient, as far as it was played."""

    name: str
    patient: str = ""
    sent: dict[str, int] = field(default_factory=dict)
    shown: dict[str, int] = field(default_factory=dict)
    granted: int = 0
    refusals: list[str] = field(default_factory=list)
    claim: dict[str, str] = field(default_factory=dict)
    acts: list[StoryAct] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)


@dataclass(slots=True)
class Stage:
    """The parties of the story, and the folder of their proofs."""

    hospital: Party
    insurer: Party
    keys: Keys
    proofs: Path
    say: Say


def load_directory(stage: Stage, records: Records) -> None:
    """The hospital posts the organisations and practitioners that its records refer to."""
    began = time.monotonic()
    entries, statuses = records.bundle["entry"], []
    for at in range(0, len(entries), BATCH):
        part = render({**records.bundle, "entry": entries[at : at + BATCH]})
        answer = stage.hospital.expect(200, "POST", "/fhir", part).json()
        statuses += [entry["response"]["status"][:3] for entry in answer["entry"]]
    if not set(statuses) <= {"200", "201"}:
        raise Surprise(f"some entries of the directory were refused; their statuses: {statuses}")
    stage.say(f"  directory: {len(statuses)} entries in {time.monotonic() - began:.1f} s")


def play(stage: Stage, records: Records, number: int) -> PatientStory:
    """Play one patient's story."""
    story = PatientStory(f"patient {number}", sent=records.counts())
    _register(stage, records, story)
    _post_records(stage, records, story)
    stage.insurer.expect(404, "GET", f"/fhir/Patient/{story.patient}/$everything")
    story.refusals.append("the insurer asked for everything before consent: 404, as if there were nobody")
    stage.say("  the insurer asked before consent, and was refused")
    device, device_id = enrol_device(stage.hospital, story.patient, f"device-{number}", stage.keys)
    stage.say("  the patient's device bound itself with the hospital's code")
    consent = _consent(stage, device, story)
    _read_under_consent(stage, story)
    claim = _claim(stage, records, story)
    token = stage.insurer.token()
    page = f"/fhir/Observation?patient={story.patient}&_count={PAGE}"
    next_page = _link(stage.insurer.expect(200, "GET", page).json(), "next")
    revoked = _revoke(device, consent, story)
    stage.say("  the patient revoked the consent")
    _read_after_revocation(stage, story, token, next_page)
    _compare_everything(stage, device, story)
    story.acts += [
        StoryAct("registration", device, f"Patient/{story.patient}"),
        StoryAct("device bound", device, f"BoundDevice/{device_id}"),
        StoryAct("consent granted", device, f"Consent/{consent}"),
        StoryAct("consent revoked", device, f"Consent/{consent}", revoked),
        StoryAct("claim adjudicated", stage.insurer, f"ClaimResponse/{claim}"),
    ]
    _evidence(stage, device, story)
    return story


def _register(stage: Stage, records: Records, story: PatientStory) -> None:
    answer = stage.hospital.call("POST", "/fhir/Patient", records.patient)
    if answer.status not in (200, 201):
        raise Surprise(f"the patient could not be registered: {answer.said()}")
    story.patient = str(answer.json()["id"])
    stage.say("  the hospital registered the person")


def _post_records(stage: Stage, records: Records, story: PatientStory) -> None:
    began = time.monotonic()
    answer = stage.hospital.expect(200, "POST", "/fhir", records.raw).json()
    count = len(answer["entry"])
    if count != sum(story.sent.values()):
        raise Surprise(f"{sum(story.sent.values())} entries were sent and {count} answered")
    stage.say(f"  {count} resources arrived in one act, {time.monotonic() - began:.1f} s")


def _consent(stage: Stage, device: Party, story: PatientStory) -> str:
    consent = asked_consent(story.patient, reference_of(stage.insurer))
    body = {"patient": story.patient, "consent": consent}
    request = stage.insurer.expect(201, "POST", "/consent/requests", body).json()
    story.acts.append(StoryAct("consent asked", stage.insurer, f"ConsentRequest/{request['id']}"))
    waiting = device.expect(200, "GET", "/consent/requests").json()["requests"]
    mine = next(item for item in waiting if item["id"] == request["id"])
    grant = {"signature": sign_grant(mine["to_sign"], device.key)}
    granted = device.expect(200, "POST", f"/consent/requests/{mine['id']}/grant", grant).json()
    stage.say(f"  the insurer asked for {' and '.join(GRANTED)}; the patient granted it on the device")
    return str(granted["consent"]["id"])


def asked_consent(patient: str, insurer: str) -> dict[str, Any]:
    """The FHIR R4 Consent the insurer asks for: two classes, for payment."""
    recipient = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}
    purpose = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HPAYMT"}
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    types = "http://hl7.org/fhir/resource-types"
    return {
        "resourceType": "Consent",
        "status": "proposed",
        "scope": {"coding": [scope]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "policyRule": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]
        },
        "provision": {
            "type": "permit",
            "actor": [{"role": {"coding": [recipient]}, "reference": {"reference": insurer}}],
            "purpose": [purpose],
            "class": [{"system": types, "code": type_} for type_ in GRANTED],
        },
    }


def _read_under_consent(stage: Stage, story: PatientStory) -> None:
    for type_ in GRANTED:
        seen = len(search(stage.insurer, type_, story.patient))
        if seen != story.sent.get(type_, 0):
            raise Surprise(
                f"the insurer saw {seen} of the {story.sent.get(type_, 0)} {type_} that were granted"
            )
        story.granted += seen
    for type_ in NOT_GRANTED:
        if search(stage.insurer, type_, story.patient):
            raise Surprise(f"the insurer saw {type_}, which was not granted")
    story.refusals.append(f"the insurer searched {', '.join(NOT_GRANTED)}: nothing was shown")
    stage.say(f"  the insurer read {story.granted} resources that were granted, and no others")


def _claim(stage: Stage, records: Records, story: PatientStory) -> str:
    payer, provider = reference_of(stage.insurer), reference_of(stage.hospital)
    codes = money.visit_codes(records.bundle)
    covered = stage.insurer.expect(201, "POST", "/fhir/Coverage", money.coverage(story.patient, payer)).json()
    story.acts.append(StoryAct("coverage registered", stage.insurer, f"Coverage/{covered['id']}"))
    claim = money.claim(story.patient, provider, payer, f"Coverage/{covered['id']}", codes)
    answer = stage.hospital.call("POST", "/fhir/Claim/$submit", claim)
    if answer.status not in (200, 201):
        raise Surprise(f"the claim was not adjudicated: {answer.said()}")
    response = answer.json()
    story.claim = {code: str(amount) for code, amount in money.totals(response).items()}
    amounts = ", ".join(f"{code} {amount}" for code, amount in story.claim.items())
    stage.say(f"  a claim was adjudicated: {amounts}")
    return str(response["id"])


def _revoke(device: Party, consent: str, story: PatientStory) -> int:
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "consent", "valueReference": {"reference": f"Consent/{consent}"}},
            {"name": "patient", "valueReference": {"reference": f"Patient/{story.patient}"}},
        ],
    }
    inactive = device.expect(200, "POST", "/fhir/Consent/$revokeConsent", parameters).json()
    return int(inactive["meta"]["versionId"])


def _read_after_revocation(stage: Stage, story: PatientStory, token: str, next_page: str | None) -> None:
    # The old token, although the insurer may have a newer one by now.
    before = {"Authorization": f"Bearer {token}"}
    if next_page is not None:
        if _shows(stage.insurer.call("GET", next_page, **before)):
            raise Surprise("a next-page link from before the revocation still showed records")
        story.refusals.append("the insurer followed a next-page link from before the revocation: nothing")
    if _shows(stage.insurer.call("GET", f"/fhir/Observation?patient={story.patient}", **before)):
        raise Surprise("the insurer still read after the revocation")
    story.refusals.append("the insurer searched again with its token from before: nothing")
    stage.say("  the insurer's next read, with its old token and link, showed nothing")


def _shows(answer: Answer) -> bool:
    if answer.status not in (200, 404):
        raise Surprise(
            f"a read after the revocation was answered with {answer.status}, not with an empty page or 404"
        )
    return answer.status == 200 and bool(answer.json().get("entry"))


def _compare_everything(stage: Stage, device: Party, story: PatientStory) -> None:
    for resource in pages(device, f"/fhir/Patient/{story.patient}/$everything"):
        story.shown[resource["resourceType"]] = story.shown.get(resource["resourceType"], 0) + 1
    expected = {
        type_: story.sent.get(type_, 0) + OWN.get(type_, 0)
        for type_ in sorted({*story.sent, *OWN, *story.shown})
    }
    differing = {type_: (n, story.shown.get(type_, 0)) for type_, n in expected.items()}
    differing = {type_: pair for type_, pair in differing.items() if pair[0] != pair[1]}
    if differing:
        raise Surprise(
            f"$everything differs from the expected counts; (expected, shown) by type: {differing}"
        )
    stage.say(f"  the patient read everything: {sum(story.shown.values())} resources, none lost")


def _evidence(stage: Stage, device: Party, story: PatientStory) -> None:
    for name, type_ in (("records arrived", "Observation"), ("access audited", "AuditEvent")):
        found = search(device, type_, story.patient, limit=1)
        story.acts += [StoryAct(name, device, f"{type_}/{item['id']}") for item in found]
    story.evidence = collected(story.acts, stage.proofs / story.name.replace(" ", "-"))
    stage.say(f"  {len(story.evidence)} acts: opening and proof downloaded")


def collected(acts: Sequence[StoryAct], folder: Path) -> list[Evidence]:
    """The opening and proof of each act, fetched by the party that may read the document."""
    return [collect(act.holder, act.name, act.reference, act.version, folder) for act in acts]


def search(party: Party, type_: str, patient: str, limit: int | None = None) -> list[dict[str, Any]]:
    """All resources of a type that the party may see."""
    found = pages(party, f"/fhir/{type_}?patient={patient}&_count=100", limit)
    return found[:limit]


def pages(party: Party, path: str, limit: int | None = None) -> list[dict[str, Any]]:
    """The resources of a Bundle and of all its next pages."""
    found: list[dict[str, Any]] = []
    link: str | None = path
    while link is not None and (limit is None or len(found) < limit):
        bundle = party.expect(200, "GET", link).json()
        found.extend(entry["resource"] for entry in bundle.get("entry", []))
        link = _link(bundle, "next")
    return found


def reference_of(party: Party) -> str:
    """The reference by which resources name this organisation."""
    return f"Organization/{party.client_id}"


def _link(bundle: dict[str, Any], relation: str) -> str | None:
    links = {link["relation"]: link["url"] for link in bundle.get("link", [])}
    return links.get(relation)
