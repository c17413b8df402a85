"""`make deploy` says what it makes and costs, asks first, and sends on no key that is none; AWS stays out."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from carevouch.kernel.jws import private_jwk
from carevouch.ledger.note import Verifier
from infra import deploy
from infra.faults import explained
from tests.contract.template import ROOT, created

REFUSED = 2
LOG_KEY = Verifier(
    "log.test/carevouch/super", Ed25519PrivateKey.generate().public_key().public_bytes_raw()
).vkey
PRIVATE = private_jwk(ec.derive_private_key(7, ec.SECP256R1()))
PUBLIC = {name: value for name, value in PRIVATE.items() if name != "d"}


def _environment(**given: str) -> dict[str, str]:
    # No credentials: a deployment that starts in spite of all this ends at the first call.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "ORIGIN": "log.test/carevouch"} | given


@dataclass(frozen=True, slots=True)
class Done:
    """How a deployment ended."""

    returncode: int
    stdout: str
    stderr: str


def _called(stdin: IO[str] | None = None, /, **given: str) -> Done:
    """In this process, which has imported the AWS SDK already."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in os.environ.keys() - _environment().keys():
            patch.delenv(name)
        for name, value in _environment(**given).items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdin", stdin or io.StringIO())
        status = explained(deploy._main)
    return Done(status, out.getvalue(), err.getvalue())


def _deploy(jwk: Path, stdin: IO[str] | None = None, /, **given: str) -> Done:
    return _called(stdin, OPERATOR_JWK=str(jwk), **given)


def _deploy_witness(**given: str) -> Done:
    return _called(PARTS="witness", **given)


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
        with open(terminal, encoding="utf-8", closefd=False) as typed:
            done = _deploy(jwk, typed)
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert done.returncode == 1
    assert "USD a month" in done.stdout
    assert deploy.QUESTION in done.stdout
    assert "nothing was created" in done.stdout


def test_where_nobody_can_be_asked_it_says_how_to_agree(jwk: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.deploy"],
        cwd=ROOT,
        env=_environment(OPERATOR_JWK=str(jwk)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
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


@pytest.mark.parametrize(("parts", "creates"), [("log", deploy.CREATES), ("witness", deploy.CREATES_WITNESS)])
def test_what_it_says_it_creates_is_what_the_template_holds(parts: str, creates: str) -> None:
    said = {noun: int(number) for number, noun in re.findall(r"(\d+) ([A-Za-z0-9]+ ?[A-Za-z]*)", creates)}
    kinds = {
        "DynamoDB table": "AWS::DynamoDB::Table",
        "KMS key": "AWS::KMS::Key",
        "queue": "AWS::SQS::Queue",
        "S3 bucket": "AWS::S3::Bucket",
        "REST API": "AWS::ApiGateway::RestApi",
        "Lambda function": "AWS::Lambda::Function",
        "schedule": "AWS::Scheduler::Schedule",
        "alarm": "AWS::CloudWatch::Alarm",
    }
    told = {noun: said.get(noun) or said.get(f"{noun}s") or 0 for noun in kinds}
    assert told == {noun: len(created(kind, Parts=parts)) for noun, kind in kinds.items()}


def test_a_witness_needs_a_name_and_nothing_of_a_log() -> None:
    assert "WITNESS_NAME is needed" in _deploy_witness().stderr
    done = _deploy_witness(WITNESS_NAME="witness.test/w1")
    assert done.returncode == REFUSED
    assert "YES=1" in done.stderr
    assert "2 USD a month" in done.stdout
    assert "The stack is carevouch-witness." in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("log.test/carevouch/super", "log 1: ", id="no key"),
        pytest.param(f"{LOG_KEY}\n{LOG_KEY} https://log.test ninepins", "log 2: ", id="an unknown word"),
        pytest.param(f"{LOG_KEY}\n" * 40, "2700", id="too long"),
        pytest.param("\udcff", "no text", id="not text"),
    ],
)
def test_logs_that_are_none_are_not_deployed(tmp_path: Path, content: str, said: str) -> None:
    logs = tmp_path / "logs.txt"
    logs.write_bytes(content.encode("utf-8", "surrogateescape"))
    done = _deploy_witness(WITNESS_NAME="witness.test/w1", WITNESS_LOGS=str(logs), YES="1")
    assert done.returncode == REFUSED
    assert said in done.stderr
    assert "WITNESS_LOGS" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_policy_that_is_none_is_not_deployed(jwk: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.txt"
    policy.write_text("quorum nobody\n")
    done = _deploy(jwk, WITNESS_POLICY=str(policy), YES="1")
    assert done.returncode == REFUSED
    assert "WITNESS_POLICY" in done.stderr


def test_there_is_a_log_or_a_witness_and_nothing_else(jwk: Path) -> None:
    done = _deploy(jwk, PARTS="both")
    assert done.returncode == REFUSED
    assert "log or witness" in done.stderr


def test_sam_hands_on_lines_and_quotes_as_they_are() -> None:
    """The parameters go through SAM's own reading of `Key="value"` words."""
    value = 'log l1+00000000+AQ==\ngroup g all w1 w2\nquorum "g"\n'
    read = (
        "from samcli.cli.types import CfnParameterOverridesType as T; import json, sys; "
        "print(json.dumps(T().convert((sys.argv[1],), None, None)))"
    )
    sam = ROOT / ".venv" / "sam" / "bin" / "python"
    if not sam.exists():
        pytest.skip("the SAM command line is set up by make check")
    done = subprocess.run(
        [str(sam), "-c", read, deploy.override("WitnessPolicy", value)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == {"WitnessPolicy": value}
