"""`carevouch sign`: a request in, the signature that grants it out; anything else signs nothing."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.consent.signature import grant_payload, verify_grant
from carevouch.kernel.errors import Invalid, Malformed
from carevouch.kernel.jws import KeyInMemory, private_jwk
from tests.unit.cli.run_verb import run_bare
from tests.world import new_key

KEY = ec.generate_private_key(ec.SECP256R1())
CONTENT = b'{"resourceType":"Consent"}'
ASKED: dict[str, Any] = {"id": "p.r", "to_sign": grant_payload(CONTENT, "Consent/p.c", 1, None, "p.r")}


def _sign(
    folder: Path, request: bytes, monkeypatch: pytest.MonkeyPatch, key: dict[str, Any] | None = None
) -> int:
    file = folder / "device.jwk.json"
    file.write_text(json.dumps(key or private_jwk(KEY)))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(request)))
    return run_bare("sign", "--key", str(file))


def test_the_signature_grants_exactly_what_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _sign(tmp_path, json.dumps(ASKED).encode(), monkeypatch) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"signature"}
    device = KeyInMemory(KEY).jwk
    grant: dict[str, Any] = {"content": CONTENT, "doc": "Consent/p.c", "version": 1, "prev": None}
    assert verify_grant(said["signature"], device, **grant, request="p.r") == "p.r"


@pytest.mark.parametrize("request_", [{}, [], {"to_sign": "text"}, {"requests": [ASKED]}])
def test_what_is_not_one_request_is_not_signed(
    request_: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Invalid, match="GET /consent/requests"):
        _sign(tmp_path, json.dumps(request_).encode(), monkeypatch)
    assert capsys.readouterr().out == ""


def test_input_that_is_no_json_is_not_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Malformed, match="JSON"):
        _sign(tmp_path, b"{", monkeypatch)


def test_a_device_without_its_private_half_cannot_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Malformed, match="not a private"):
        _sign(tmp_path, json.dumps(ASKED).encode(), monkeypatch, new_key().jwk)
