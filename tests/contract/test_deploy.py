"""`make deploy` says what it makes and costs, asks first, and sends on no key that is none; AWS stays out."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from infra import deploy
from shared.kernel.jws import private_jwk
from tests.contract.template import ROOT, created

REFUSED = 2
PRIVATE = private_jwk(ec.derive_private_key(7, ec.SECP256R1()))
PUBLIC = {name: value for name, value in PRIVATE.items() if name != "d"}


def _environment(**given: str) -> dict[str, str]:
    # No credentials: a deployment that starts in spite of all this ends at the first call.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "ORIGIN": "log.test/carevouch"} | given


def _deploy(jwk: Path, stdin: int = subprocess.DEVNULL, **given: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "infra.deploy"],
        cwd=ROOT,
        env=_environment(OPERATOR_JWK=str(jwk), **given),
        stdin=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def jwk(tmp_path: Path) -> Path:
    path = tmp_path / "operator.jwk.json"
    path.write_text(json.dumps(PUBLIC))
    return path


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"no\n", b"yesterday\n", b"\x04"])
def test_without_a_yes_nothing_is_created(jwk: Path, answer: bytes) -> None:
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, answer)
        done = _deploy(jwk, terminal)
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert done.returncode == 1
    assert "USD a month" in done.stdout
    assert deploy.QUESTION in done.stdout
    assert "nothing was created" in done.stdout


def test_where_nobody_can_be_asked_it_says_how_to_agree(jwk: Path) -> None:
    done = _deploy(jwk)
    assert done.returncode == REFUSED
    assert "YES=1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="not JSON"),
        pytest.param("[]", id="not an object"),
        pytest.param("{}", id="no members"),
        pytest.param(json.dumps({**PUBLIC, "crv": "P-384"}), id="another curve"),
        pytest.param(json.dumps({**PUBLIC, "kty": "OKP"}), id="another kind"),
        pytest.param(json.dumps({**PUBLIC, "y": PUBLIC["x"]}), id="not a point"),
        pytest.param(json.dumps({**PUBLIC, "x": PUBLIC["x"][:-1]}), id="short"),
        pytest.param(json.dumps({**PUBLIC, "x": 7}), id="a number"),
        pytest.param(json.dumps(PRIVATE), id="private"),
    ],
)
def test_what_is_no_public_key_is_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "operator.jwk.json"
    path.write_text(content)
    done = _deploy(path, YES="1")
    assert done.returncode == REFUSED
    assert len(done.stderr.splitlines()) == 1
    assert str(path) in done.stderr
    assert PRIVATE["d"] not in done.stderr


@pytest.mark.parametrize("name", ["", "absent.json"])
def test_a_folder_or_nothing_is_one_sentence(tmp_path: Path, name: str) -> None:
    done = _deploy(tmp_path / name, YES="1")
    assert done.returncode == REFUSED
    assert "is not a file" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_it_says_it_creates_is_what_the_template_holds() -> None:
    said = {
        noun: int(number) for number, noun in re.findall(r"(\d+) ([A-Za-z0-9]+ ?[A-Za-z]*)", deploy.CREATES)
    }
    kinds = {
        "DynamoDB tables": "AWS::DynamoDB::Table",
        "KMS keys": "AWS::KMS::Key",
        "queues": "AWS::SQS::Queue",
        "S3 buckets": "AWS::S3::Bucket",
        "REST API": "AWS::ApiGateway::RestApi",
        "Lambda functions": "AWS::Lambda::Function",
        "schedules": "AWS::Scheduler::Schedule",
        "alarms": "AWS::CloudWatch::Alarm",
    }
    assert {noun: said.get(noun) for noun in kinds} == {
        noun: len(created(kind)) for noun, kind in kinds.items()
    }
