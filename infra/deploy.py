"""Deploys to AWS with the SAM command line: a log, whose sealer is woken to write genesis once, or a witness.

It says what it will create and what that costs, and asks before it starts (YES=1 answers yes). Its settings
are variables of the environment or of make: `make deploy ORIGIN=... OPERATOR_JWK=...`. It never sees the
operator's private key, which stays with the operator and off every server.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from carevouch.kernel.errors import DomainError, Malformed
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import public_key
from carevouch.ledger.policy import parse_policy
from carevouch.witness.logs import parse_logs
from infra import package
from infra.faults import SetUpFault, explained
from infra.stack import WAKE_UP

SAM = package.ROOT / ".venv" / "sam" / "bin" / "sam"
# A first deployment gets its address from AWS, so it begins with this one, under which no token is issued.
UNKNOWN_URL = "https://unknown.invalid"
LOG, WITNESS = "log", "witness"
CREATES = """
make deploy creates one CloudFormation stack: 4 DynamoDB tables on demand, 2 S3 buckets, 9 Lambda functions
(arm64), 1 REST API, 9 KMS keys, 2 schedules, 3 queues, 14 alarms. Idle it costs about 10 USD a month: 9 for
the keys, 1.40 for the alarms, cents for what two schedules call. Tables, bucket and keys stay when the
stack is deleted: they hold what people rely on.
"""
CREATES_WITNESS = """
make deploy PARTS=witness creates one CloudFormation stack: 1 DynamoDB table on demand, 1 Lambda function
(arm64), 1 REST API, 2 KMS keys, 2 alarms. Idle it costs about 2 USD a month, for the keys and the alarms.
Table and keys stay when the stack is deleted: a witness that forgets may cosign the contrary.
"""
SETTINGS = """
  PARTS         log (all of it, the default) or witness (a witness alone, for logs of others)
  ORIGIN        name of the log for ever, such as log.example.org/carevouch               (needed)
  OPERATOR_JWK  file with the operator's public P-256 key as a JWK                        (needed)
  STACK         name of the deployment for ever (default carevouch)
  AWS_REGION    where (or the profile's)
  BASE_URL      https address that callers use (default: the API's own, found at the first deployment)
  WITNESS_POLICY  file with a C2SP tlog-policy: whose cosignatures the super-log needs
  ALARM_TOPIC   ARN of the SNS topic for alarms
  TIME_ZONE, CORS_ORIGIN, LOG_RETENTION_DAYS   as in template.yaml
  YES           1 to deploy without being asked

of a witness, beside STACK (default carevouch-witness), AWS_REGION, ALARM_TOPIC, LOG_RETENTION_DAYS and YES:
  WITNESS_NAME  name of the witness for ever, such as witness.example.org/w1              (needed)
  WITNESS_LOGS  file of the logs that it knows, a line each: vkey, address, perhaps the word audit
"""
# All settings of a Lambda function together have 4 KB; the template says the same.
MAX_POLICY, MAX_LOGS = 2_300, 2_700
SHORTER = "leave comments out, and name Ed25519 keys, which are short"
QUESTION = "Deploy? [y/N] "
OPTIONAL = {
    "ALARM_TOPIC": "AlarmTopic",
    "TIME_ZONE": "TimeZone",
    "CORS_ORIGIN": "CorsOrigin",
    "LOG_RETENTION_DAYS": "LogRetentionDays",
}


@dataclass(frozen=True, slots=True)
class DeploymentKind:
    """A kind of deployment from the template: the words about it, its stack's name, and its steps."""

    creates: str
    stack: str
    parameters: Callable[[], dict[str, str]]
    finish: Callable[[str, dict[str, str]], None]


def deploy() -> int:
    """Deploy, after a question. A repeated deployment changes only the parts that differ."""
    parts = os.environ.get("PARTS") or LOG
    if parts not in KINDS:
        raise SetUpFault(f"PARTS={parts} is unknown: give {' or '.join(KINDS)}.")
    kind = KINDS[parts]
    stack = os.environ.get("STACK") or kind.stack
    optional = {name: os.environ[one] for one, name in OPTIONAL.items() if os.environ.get(one)}
    parameters = {"Parts": parts} | kind.parameters() | optional
    if not _agreed(kind.creates, stack):
        print("nothing was created or changed")
        return 1
    package.build("aws")
    kind.finish(stack, parameters)
    return 0


def _deploy_log(stack: str, parameters: dict[str, str]) -> None:
    known = os.environ.get("BASE_URL") or _output(stack, "ApiUrl")
    _sam(stack, parameters | {"BaseUrl": known or UNKNOWN_URL})
    if not known:
        _sam(stack, parameters | {"BaseUrl": str(_output(stack, "ApiUrl"))})
    answer = boto3.client("lambda").invoke(
        FunctionName=str(_output(stack, "SealerFunction")), Payload=json.dumps(WAKE_UP)
    )
    if "FunctionError" in answer:
        raise SetUpFault("Deployed, and the sealer failed at its first run: read its log group, then repeat.")
    print(f"deployed; the log begins at {known or _output(stack, 'ApiUrl')}/ledger/genesis")


def _deploy_witness(stack: str, parameters: dict[str, str]) -> None:
    _sam(stack, parameters)
    url = f"{_output(stack, 'WitnessUrl')}/ledger"
    print(f"deployed; the witness's name and keys are at {url}/witness, and its URL for policies is {url}")


def _agreed(creates: str, stack: str) -> bool:
    """Whether the person at the keyboard agrees, after reading what is created and what it costs."""
    print(f"{creates}\nThe stack is {stack}.")
    if os.environ.get("YES") == "1":
        return True
    if not sys.stdin.isatty():
        raise SetUpFault("There is no terminal to ask: `make deploy YES=1 ...` deploys without a question.")
    try:
        return input(QUESTION).strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _log_parameters() -> dict[str, str]:
    origin, file = os.environ.get("ORIGIN"), os.environ.get("OPERATOR_JWK")
    if not origin or not file:
        print(CREATES + SETTINGS)
        raise SetUpFault(
            "ORIGIN and OPERATOR_JWK are needed, as in `make deploy ORIGIN=... OPERATOR_JWK=...`."
        )
    policy = _file_text("WITNESS_POLICY", MAX_POLICY, parse_policy)
    return {"Origin": origin, "OperatorJwk": _public_jwk(Path(file)), "WitnessPolicy": policy}


def _witness_parameters() -> dict[str, str]:
    name = os.environ.get("WITNESS_NAME")
    if not name:
        print(CREATES_WITNESS + SETTINGS)
        raise SetUpFault("WITNESS_NAME is needed, as in `make deploy PARTS=witness WITNESS_NAME=...`.")
    logs = _file_text("WITNESS_LOGS", MAX_LOGS, lambda data: parse_logs(data.decode("utf-8")))
    return {"WitnessName": name, "WatchedLogs": logs}


def _file_text(variable: str, most: int, check: Callable[[bytes], Any]) -> str:
    """The text of the file that a setting names; empty without the setting. Raises `SetUpFault` for a bad
    file."""
    file = os.environ.get(variable)
    if not file:
        return ""
    try:
        data = Path(file).read_bytes()
        check(data)
        text = data.decode("utf-8")
    except OSError as error:
        raise SetUpFault(f"{variable} names {file}, which cannot be read: {error.strerror}.") from error
    except (DomainError, UnicodeDecodeError) as error:
        said = error.message if isinstance(error, DomainError) else "it is no text"
        raise SetUpFault(f"{file} ({variable}) cannot be used: {said}.") from error
    if len(data) > most:
        raise SetUpFault(
            f"{file} ({variable}) has {len(data)} bytes; a function's settings hold {most}: {SHORTER}."
        )
    return text


def _public_jwk(file: Path) -> str:
    """The public key as one line of JSON with its four members; raises `SetUpFault` for any other file.

    Genesis names the key for ever, so a private key or another file must not get into it.
    """
    if not file.is_file():
        raise SetUpFault(f"OPERATOR_JWK names {file}, which is not a file: give the file of the public key.")
    try:
        jwk = parse(file.read_bytes(), "it")
        if isinstance(jwk, dict) and "d" in jwk:
            raise SetUpFault(
                f"{file} has a private key (member d), which must stay with the operator: remove d."
            )
        public_key(jwk)
    except (OSError, Malformed) as error:
        said = error.message if isinstance(error, Malformed) else str(error.strerror)
        raise SetUpFault(f"{file} is not a public P-256 key as a JWK: {said}.") from error
    return json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))


def _sam(stack: str, parameters: dict[str, str]) -> None:
    overrides = [override(name, value) for name, value in parameters.items()]
    command = [str(SAM), "deploy", "--template-file", "template.yaml", "--stack-name", stack, "--resolve-s3"]
    command += ["--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset", "--no-confirm-changeset"]
    done = subprocess.run(
        [*command, "--parameter-overrides", *overrides],
        cwd=package.ROOT,
        env=os.environ | {"SAM_CLI_TELEMETRY": "0"},
        check=False,
    )
    if done.returncode:
        raise SetUpFault("SAM could not deploy; its reason is above. The command can safely be repeated.")


def override(name: str, value: str) -> str:
    """A parameter in the form that SAM takes, with the quotes inside the value (a JWK) escaped."""
    return f'{name}="{value.replace(chr(34), chr(92) + chr(34))}"'


def _output(stack: str, name: str) -> str | None:
    try:
        stacks = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
    return outputs.get(name)


KINDS = {
    LOG: DeploymentKind(CREATES, "carevouch", _log_parameters, _deploy_log),
    WITNESS: DeploymentKind(CREATES_WITNESS, "carevouch-witness", _witness_parameters, _deploy_witness),
}


def _main() -> int:
    try:
        return deploy()
    except (BotoCoreError, ClientError) as error:
        raise SetUpFault(f"AWS refused: {error}. Check the credentials and AWS_REGION.") from error


if __name__ == "__main__":
    sys.exit(explained(_main))
