"""Certificates: what makes an event true, and each way it can fail to be."""

from dataclasses import replace
from typing import Any

import pytest

from carevouch.events.catalogue import SERVICES, types_of
from carevouch.events.certificate import (
    CERT_TYP,
    Certificate,
    certificate_payload,
    parse_certificate,
    verify_certificate,
    verify_event,
)
from carevouch.events.envelope import EVENT_TYP, Event, event_payload, parse_event
from carevouch.events.genesis import Genesis
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.ids import part
from carevouch.kernel.jws import KeyInMemory, key_from_seed, sign, thumbprint
from carevouch.kernel.times import later

TIME = "2026-11-22T10:00:00.000Z"
NBF, EXP = later(TIME, -60), later(TIME, 3600)


def key(name: str) -> KeyInMemory:
    return KeyInMemory(key_from_seed(b"certificates", name))


ROOTS = {service: key(f"root {service}") for service in SERVICES}
SESSION, OPERATOR, SEAL = key("session"), key("operator"), key("seal")
GENESIS = Genesis(
    "test",
    "carevouch.test",
    OPERATOR.jwk,
    {name: root.jwk for name, root in ROOTS.items()},
    SEAL.jwk,
    bytes(32),
    1,
    600,
    TIME,
)
GOOD = certificate_payload(SESSION.jwk, "records", 1, NBF, EXP)


def certificate(root: KeyInMemory = ROOTS["records"], **changes: Any) -> Certificate:
    payload = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return parse_certificate(sign(payload, CERT_TYP, root))


def event(signer: KeyInMemory = SESSION, **changes: Any) -> Event:
    facts: dict[str, Any] = {
        "id": part(bytes(16)),
        "type": "records.stored",
        "producer": "records",
        "n": 1,
        "epoch": 1,
        "time": TIME,
        "seal_by": later(TIME, 600),
        "count": 1,
        "root": bytes(32),
        "tags": (bytes(32),),
    }
    return parse_event(sign(event_payload(**{**facts, **changes}), EVENT_TYP, signer))


def test_an_event_by_a_certified_key_is_true() -> None:
    verify_certificate(certificate(), GENESIS)
    verify_event(event(), certificate(), GENESIS)


@pytest.mark.parametrize("service", SERVICES)
def test_a_certificate_lists_exactly_its_services_types(service: str) -> None:
    payload = certificate_payload(SESSION.jwk, service, 1, NBF, EXP)
    assert payload["types"] == list(types_of(service))
    verify_certificate(parse_certificate(sign(payload, CERT_TYP, ROOTS[service])), GENESIS)


@pytest.mark.parametrize(
    "root", [SESSION, OPERATOR, SEAL, ROOTS["claims"]], ids=["self", "operator", "seal", "claims"]
)
def test_a_certificate_by_any_other_key_is_refused(root: KeyInMemory) -> None:
    with pytest.raises(IntegrityFault, match="not by the records root"):
        verify_certificate(certificate(root), GENESIS)


def test_a_service_that_genesis_does_not_name_certifies_nothing() -> None:
    without = replace(GENESIS, roots={name: jwk for name, jwk in GENESIS.roots.items() if name != "records"})
    with pytest.raises(IntegrityFault, match="names no root"):
        verify_certificate(certificate(), without)


def test_a_certificate_for_another_services_types_is_refused() -> None:
    with pytest.raises(IntegrityFault, match="may not sign"):
        verify_certificate(certificate(types=["records.stored", "claim.adjudicated"]), GENESIS)
    with pytest.raises(IntegrityFault, match="may not sign"):
        verify_certificate(certificate(types=["organization.admitted"]), GENESIS)


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"v": True},
        {"extra": 1},
        {"kid": ...},
        {"kid": OPERATOR.kid},
        {"jwk": OPERATOR.jwk},
        {"jwk": {}},
        {"jwk": {**SESSION.jwk, "d": "x"}},
        {"service": "operator"},
        {"service": "sealer"},
        {"service": None},
        {"types": "records.stored"},
        {"types": [1]},
        {"types": None},
        {"epoch": 0},
        {"epoch": True},
        {"epoch": "1"},
        {"nbf": "2026-11-22"},
        {"exp": None},
    ],
    ids=repr,
)
def test_a_certificate_of_any_other_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        certificate(**changes)


def test_an_event_is_no_certificate() -> None:
    with pytest.raises(Malformed):
        parse_certificate(event().text)


@pytest.mark.parametrize("time", [NBF, TIME, EXP])
def test_the_bounds_of_a_certificates_time_are_inside(time: str) -> None:
    verify_event(event(time=time), certificate(), GENESIS)


@pytest.mark.parametrize(
    ("changes", "signer", "match"),
    [
        ({"time": later(NBF, -0.001)}, SESSION, "time is outside"),
        ({"time": later(EXP, 0.001)}, SESSION, "time is outside"),
        ({"type": "claim.adjudicated"}, SESSION, "not certified for claim.adjudicated"),
        ({"producer": "claims"}, SESSION, "its key is certified for records"),
        ({"epoch": 2}, SESSION, "epoch"),
        ({}, OPERATOR, "without the certificate"),
        ({"producer": "operator"}, SESSION, "not by the operator"),
        ({"producer": "nobody"}, SESSION, "its key is certified for records"),
    ],
    ids=lambda value: repr(value) if isinstance(value, dict | str) else type(value).__name__,
)
def test_an_event_beyond_its_certificate_is_refused(
    changes: dict[str, Any], signer: KeyInMemory, match: str
) -> None:
    with pytest.raises(IntegrityFault, match=match):
        verify_event(event(signer, **changes), certificate(), GENESIS)


def test_an_event_without_its_certificate_is_refused() -> None:
    with pytest.raises(IntegrityFault, match="without the certificate"):
        verify_event(event(), None, GENESIS)


def test_an_event_signed_by_another_key_in_the_certified_ones_name_is_refused() -> None:
    class Impostor(KeyInMemory):
        @property
        def kid(self) -> str:
            return SESSION.kid

    forged = event(Impostor(key_from_seed(b"x", "impostor")))
    assert thumbprint(SESSION.jwk) == forged.kid
    with pytest.raises(IntegrityFault, match="not by the certified key: the signature does not match"):
        verify_event(forged, certificate(), GENESIS)


def test_the_operator_signs_its_own_types_without_a_certificate() -> None:
    own = event(OPERATOR, producer="operator", type="organization.admitted")
    verify_event(own, None, GENESIS)
    with pytest.raises(IntegrityFault, match="may not sign"):
        verify_event(event(OPERATOR, producer="operator"), None, GENESIS)
