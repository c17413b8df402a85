"""A grant, a refusal and a revocation happen whole or not at all, and once, whatever fails in between."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from carevouch.consent.signature import sign_grant
from carevouch.events.envelope import parse_event
from tests import people
from tests.api import Answer
from tests.fakes import Faults
from tests.service.consent.conftest import Scene

Act = Callable[[Scene, Any, dict[str, str]], Answer]


def grant(scene: Scene, request: Any, headers: dict[str, str]) -> Answer:
    path = f"/consent/requests/{request['id']}/grant"
    return scene.api.call("POST", path, {"signature": request["signature"]}, scene.device.who, headers)


def refuse(scene: Scene, request: Any, headers: dict[str, str]) -> Answer:
    path = f"/consent/requests/{request['id']}/refuse"
    return scene.api.call("POST", path, None, scene.device.who, headers)


def revoke(scene: Scene, _request: Any, headers: dict[str, str]) -> Answer:
    [consent] = scene.consents()
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "consent", "valueReference": {"reference": str(consent.doc)}},
            {"name": "patient", "valueReference": {"reference": scene.device.reference}},
        ],
    }
    return scene.api.call("POST", "/fhir/Consent/$revokeConsent", body, scene.device.who, headers)


def kinds(scene: Scene) -> list[str]:
    """The types of the events in the person's partition."""
    rows: Any = scene.world.rows
    texts = [row.text("event") for row in rows.query(f"P#{scene.patient}")]
    return sorted(parse_event(text).type for text in texts if text)


def inject(scene: Scene, plan: dict[int, str]) -> None:
    rows: Any = scene.world.rows
    rows.faults = Faults(plan)


ACTS: tuple[tuple[Act, str], ...] = (
    (grant, "consent.granted"),
    (refuse, "consent.refused"),
    (revoke, "consent.revoked"),
)


def request_for(scene: Scene, act: Act) -> Any:
    if act is revoke:
        people.grant(scene.world, scene.device, people.consent_for(scene.payer.reference))
    scene.ask()
    request: Any = scene.inbox()[0]
    # It is signed once, because a retry sends the same bytes and each ECDSA signature differs.
    return {**request, "signature": sign_grant(request["to_sign"], scene.device.key)}


@pytest.mark.parametrize("fault", ["before", "after", "lost", "dropped"])
@pytest.mark.parametrize(("act", "kind"), ACTS)
def test_a_fault_at_the_write_then_a_retry_makes_one_act(
    scene: Scene, act: Act, kind: str, fault: str
) -> None:
    request = request_for(scene, act)
    before = kinds(scene)
    inject(scene, {1: fault})
    key = {"Idempotency-Key": "again"}
    first = act(scene, request, key)
    assert first.status == (500 if fault in ("before", "after") else 200)
    inject(scene, {})
    second = act(scene, request, key)
    assert second.status == 200, second.body
    assert kinds(scene) == sorted([*before, kind])
    if first.status == 200:
        assert first.headers["carevouch-event"] == second.headers["carevouch-event"]


@pytest.mark.parametrize(("act", "kind"), ACTS)
def test_one_of_two_concurrent_acts_wins(scene: Scene, act: Act, kind: str) -> None:
    request = request_for(scene, act)
    before = kinds(scene)
    answers: list[Answer] = []
    start = threading.Barrier(2)

    def run() -> None:
        start.wait()
        answers.append(act(scene, request, {}))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(answer.status for answer in answers)
    assert statuses in ([200, 409], [200, 200] if act is revoke else [200, 409])
    assert kinds(scene) == sorted([*before, kind])


def test_no_answer_is_given_without_its_audit(scene: Scene) -> None:
    scene.ask()
    inject(scene, dict.fromkeys(range(1, 20), "dropped"))
    answer = scene.api.call("GET", "/consent/requests", None, scene.device.who)
    assert answer.status == 503
    assert b"to_sign" not in answer.body


def test_logs_and_refusals_name_nobody(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = people.synthetic_patient(12345)
    patient = people.enrol(scene.world, scene.clinic, stranger)
    device = people.bind_device(scene.world, scene.clinic, patient)
    consent = people.consent_for(scene.payer.reference)
    consent["text"] = {
        "status": "generated",
        "div": "<div xmlns='http://www.w3.org/1999/xhtml'>Wexmoor</div>",
    }
    bodies = [
        {"patient": patient, "consent": consent},
        {"patient": patient, "consent": {**consent, "status": "Wexmoor"}},
        {"patient": patient, "consent": {**consent, "Wexmoor": "1970-01-02"}},
        {"patient": "Wexmoor", "consent": consent},
        '{"patient": "Wexmoor"',
    ]
    refused = [
        answer.body.decode()
        for body in bodies
        for who in (scene.payer.who, device.who)
        if (answer := scene.api.call("POST", "/consent/requests", body, who)).status >= 400
    ]
    assert len(refused) >= 8
    output = capsys.readouterr().out + "".join(refused)
    identifier = stranger["identifier"][0]["value"]
    for secret in (stranger["name"][0]["family"], identifier, stranger["birthDate"], patient):
        assert secret not in output
