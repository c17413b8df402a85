"""A refusal because of the role, the scope or the body leaves one audit event, which names the person."""

from collections.abc import Callable
from typing import Any

import pytest

from carevouch.kernel.jsontext import parse
from tests import people
from tests.api import Answer, Who
from tests.service.consent.conftest import Scene
from tests.service.consent.test_record_and_revoke import parameters

Send = Callable[[Scene, str], Answer]


def send(scene: Scene, who: Who, method: str, path: str, body: Any = None) -> Answer:
    return scene.api.call(method, path, body, who, {"If-Match": 'W/"1"'})


def decision(scene: Scene, who: Who, **more: Any) -> Answer:
    resource = {"type": "Observation", "id": f"{scene.patient}.{'b' * 26}"}
    return send(
        scene, who, "POST", "/consent/decision", {"patient": scene.patient, "resource": resource, **more}
    )


def narrow(scene: Scene) -> Who:
    return Who(scene.payer.id, scope="system/Condition.rs")


def consent_request(scene: Scene) -> dict[str, Any]:
    return {"patient": scene.patient, "consent": people.consent_for(scene.payer.reference)}


def auditor(scene: Scene) -> Who:
    return people.admit(scene.world, "Lantern Audit", ["auditor"]).who


def consent(scene: Scene, **more: Any) -> dict[str, Any]:
    return people.consent_for(scene.payer.reference, patient=scene.patient, **more)


REFUSALS: dict[str, tuple[int, Send]] = {
    "a decision outside the scope": (403, lambda s, _: decision(s, narrow(s))),
    "a decision for no declarable purpose": (403, lambda s, _: decision(s, s.payer.who, purpose="TREAT")),
    "a decision about an unknown action": (400, lambda s, _: decision(s, s.payer.who, action="x")),
    "asking by an auditor": (
        403,
        lambda s, _: send(s, auditor(s), "POST", "/consent/requests", consent_request(s)),
    ),
    "asking outside the scope": (
        403,
        lambda s, _: send(s, narrow(s), "POST", "/consent/requests", consent_request(s)),
    ),
    "proposing by an auditor": (
        403,
        lambda s, _: send(s, auditor(s), "POST", "/fhir/Consent", consent(s, status="proposed")),
    ),
    "proposing an active consent": (
        422,
        lambda s, _: send(s, s.payer.who, "POST", "/fhir/Consent", consent(s)),
    ),
    "recording by a device without the scope": (
        403,
        lambda s, _: send(
            s, Who(s.patient, "device", "patient/*.rs", s.device.id), "POST", "/fhir/Consent", consent(s)
        ),
    ),
    "changing by an organisation": (
        403,
        lambda s, _: send(s, s.payer.who, "PUT", f"/fhir/Consent/{s.patient}.{'b' * 26}", consent(s)),
    ),
    "revoking by an organisation": (
        403,
        lambda s, _: send(
            s,
            s.payer.who,
            "POST",
            "/fhir/Consent/$revokeConsent",
            parameters(f"Consent/{s.patient}.{'b' * 26}", f"Patient/{s.patient}"),
        ),
    ),
    "granting by an organisation": (
        403,
        lambda s, id_: send(s, s.payer.who, "POST", f"/consent/requests/{id_}/grant", {"signature": "x"}),
    ),
    "refusing by an organisation": (
        403,
        lambda s, id_: send(s, s.payer.who, "POST", f"/consent/requests/{id_}/refuse"),
    ),
    "listing outside the scope": (
        403,
        lambda s, _: send(s, narrow(s), "GET", f"/consent/requests?patient={s.patient}"),
    ),
    "listing by an unknown parameter": (
        400,
        lambda s, _: send(s, s.payer.who, "GET", f"/consent/requests?patient={s.patient}&x=1"),
    ),
    "reading a request outside the scope": (
        403,
        lambda s, id_: send(s, narrow(s), "GET", f"/consent/requests/{id_}"),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_about_a_person_is_audited_once(scene: Scene, name: str) -> None:
    request = scene.ask().json()["id"]
    status, send_refused = REFUSALS[name]
    before = scene.audits()
    answer = send_refused(scene, request)
    assert answer.status == status, answer.body
    audits = [parse(one.body)["outcome"] for one in scene.audits() if one not in before]
    assert audits == ["4"]
    assert scene.consents() == []
