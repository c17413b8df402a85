"""`carevouch assertion`: what it prints is exchanged for a token, once, and by nobody else."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.door.access import Access
from carevouch.door.http import Door
from carevouch.kernel.errors import Invalid, Malformed
from carevouch.kernel.jws import KeyInMemory, private_jwk
from carevouch.kernel.times import instant
from carevouch.store.documents.erasure import Eraser
from carevouch.store.documents.reader import Index
from services.identity.ports import Ports
from services.identity.routes import ROUTES
from services.identity.tokens import ASSERTION_TYPE
from tests.api import Api
from tests.people import admit
from tests.service.identity.conftest import MemoryAssertions, seconds_of
from tests.unit.cli.run_verb import run_bare
from tests.world import World, memory_world, new_key

AUDIENCE = "https://carevouch.test/auth/token"
FORM = {
    "grant_type": "client_credentials",
    "client_assertion_type": ASSERTION_TYPE,
    "scope": "system/*.rs",
}


def _assertion(folder: Path, content: Any, capsys: pytest.CaptureFixture[str]) -> str:
    file = folder / "key.jwk.json"
    file.write_text(json.dumps(content))
    assert run_bare("assertion", "--key", str(file), "--aud", AUDIENCE) == 0
    return capsys.readouterr().out.strip()


def test_another_library_verifies_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    client = "d.abcdefghijklmnopqrstuvwxyz"
    text = _assertion(tmp_path, {**private_jwk(key), "client_id": client}, capsys)
    claims = jwt.decode(text, key.public_key(), algorithms=["ES256"], audience=AUDIENCE)
    assert claims["iss"] == claims["sub"] == client
    assert 0 < claims["exp"] - claims["iat"] <= 300
    assert jwt.get_unverified_header(text)["kid"] == KeyInMemory(key).kid


def test_two_assertions_never_share_their_jti(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = {**private_jwk(ec.generate_private_key(ec.SECP256R1())), "client_id": "x"}
    unverified = {"verify_signature": False}
    jtis = {
        jwt.decode(_assertion(tmp_path, content, capsys), options=unverified)["jti"]  # type: ignore[arg-type]
        for _ in range(2)
    }
    assert len(jtis) == 2


@pytest.mark.parametrize("client", [None, "", 5])
def test_a_key_file_without_a_client_id_is_told_what_to_add(
    client: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {**private_jwk(ec.generate_private_key(ec.SECP256R1())), "client_id": client}
    with pytest.raises(Invalid, match="client_id"):
        _assertion(tmp_path, content, capsys)


@pytest.mark.parametrize("content", [[], {}, {"kty": "EC", "d": "AAAA"}])
def test_what_is_no_private_key_signs_nothing(
    content: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Malformed, match=r"JWK|P-256"):
        _assertion(tmp_path, content, capsys)


def test_the_public_half_signs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    public = KeyInMemory(ec.generate_private_key(ec.SECP256R1())).jwk
    with pytest.raises(Malformed, match="not a private"):
        _assertion(tmp_path, {**public, "client_id": "x"}, capsys)


def test_the_token_door_takes_it_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = memory_world()
    world.clock.now = instant(datetime.now(UTC))
    key = ec.generate_private_key(ec.SECP256R1())
    public = KeyInMemory(key)
    hospital = admit(world, "Thistle Clinic", ["provider"], keys=[{**public.jwk, "kid": public.kid}])
    text = _assertion(tmp_path, {**private_jwk(key), "client_id": hospital.id}, capsys)
    api = _token_door(world)
    form = urlencode({**FORM, "client_assertion": text})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answers = [api.call("POST", "/auth/token", form, headers=headers) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 401], answers[0].body
    assert answers[0].json()["scope"] == "system/*.rs"


def _token_door(world: World) -> Api:
    store = world.store("identity")
    index = Index(store.reader)
    eraser = Eraser(store.reader, store.writer, store.key_rows, index.blinds_of_body)
    ports = Ports(store, Access(store), index, eraser, new_key(), MemoryAssertions(), seconds_of(world))
    door = Door("identity")
    door.serve(ROUTES, lambda: ports)
    return Api(door)
