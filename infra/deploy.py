"""Deploys to AWS with the SAM command line, then wakes the sealer, which writes genesis once.

It says what it will create and what that costs, and asks before it does anything (YES=1 agrees beforehand).
Reads its settings from variables of the environment or of make: `make deploy ORIGIN=... OPERATOR_JWK=...`.
It never sees the operator's private key: that one stays with the operator, off every server.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra import package
from infra.faults import SetUpFault, explained
from infra.stack import WAKE_UP
from shared.kernel.errors import Malformed
from shared.kernel.jsontext import parse
from shared.kernel.jws import public_key

SAM = package.ROOT / ".venv" / "sam" / "bin" / "sam"
# A first deployment learns its address only by being made; no token is issued under this one.
UNKNOWN_URL = "https://unknown.invalid"
CREATES = """
make deploy creates one CloudFormation stack: 4 DynamoDB tables on demand, 2 S3 buckets, 9 Lambda functions
(arm64), 1 REST API, 9 KMS keys, 2 schedules, 3 queues, 14 alarms. Idle it costs about 10 USD a month: 9 for
the keys, 1.40 for the alarms, cents for what two schedules call. Tables, bucket and keys stay when the
stack is deleted: they hold what people rely on.
"""
SETTINGS = """
  ORIGIN        name of the log for ever, such as log.example.org/carevouch               (needed)
  OPERATOR_JWK  file with the operator's public P-256 key as a JWK                        (needed)
  STACK         name of the deployment for ever (default carevouch)
  AWS_REGION    where (or the profile's)
  BASE_URL      https address that callers use (default: the API's own, found at the first deployment)
  ALARM_TOPIC   ARN of the SNS topic for alarms
  TIME_ZONE, CORS_ORIGIN, LOG_RETENTION_DAYS   as in template.yaml
  YES           1 to deploy without being asked
"""
QUESTION = "Deploy? [y/N] "
OPTIONAL = {
    "ALARM_TOPIC": "AlarmTopic",
    "TIME_ZONE": "TimeZone",
    "CORS_ORIGIN": "CorsOrigin",
    "LOG_RETENTION_DAYS": "LogRetentionDays",
}


def deploy() -> int:
    """The whole deployment; a repeated one changes only what changed."""
    stack = os.environ.get("STACK") or "carevouch"
    parameters = _parameters()
    if not _agreed(stack):
        print("nothing was created or changed")
        return 1
    package.build("aws")
    known = os.environ.get("BASE_URL") or _output(stack, "ApiUrl")
    _sam(stack, parameters | {"BaseUrl": known or UNKNOWN_URL})
    if not known:
        _sam(stack, parameters | {"BaseUrl": str(_output(stack, "ApiUrl"))})
    answer = boto3.client("lambda").invoke(
        FunctionName=str(_output(stack, "SealerFunction")), Payload=json.dumps(WAKE_UP)
    )
    if "FunctionError" in answer:
        raise SetUpFault("Deployed, but the sealer failed at its first run: read its log group, then repeat.")
    print(f"deployed; the log begins at {known or _output(stack, 'ApiUrl')}/ledger/genesis")
    return 0


def _agreed(stack: str) -> bool:
    """Whether the person at the keyboard agrees, having read what it makes and costs."""
    print(f"{CREATES}\nThe stack is {stack}.")
    if os.environ.get("YES") == "1":
        return True
    if not sys.stdin.isatty():
        raise SetUpFault("Nobody is here to be asked: `make deploy YES=1 ...` deploys without asking.")
    try:
        return input(QUESTION).strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _parameters() -> dict[str, str]:
    origin, file = os.environ.get("ORIGIN"), os.environ.get("OPERATOR_JWK")
    if not origin or not file:
        print(CREATES + SETTINGS)
        raise SetUpFault(
            "ORIGIN and OPERATOR_JWK are needed, as in `make deploy ORIGIN=... OPERATOR_JWK=...`."
        )
    given = {name: os.environ[variable] for variable, name in OPTIONAL.items() if os.environ.get(variable)}
    return {"Origin": origin, "OperatorJwk": _public_jwk(Path(file))} | given


def _public_jwk(file: Path) -> str:
    """The key as one line of JSON, with the four members that make it; raises `SetUpFault` for all else.

    Genesis names it for ever, so what is no key, or more than a public one, must not get that far.
    """
    if not file.is_file():
        raise SetUpFault(f"OPERATOR_JWK names {file}, which is not a file: give that of the public key.")
    try:
        jwk = parse(file.read_bytes(), "it")
        if isinstance(jwk, dict) and "d" in jwk:
            raise SetUpFault(
                f"{file} holds a private key (member d), which must not leave the operator: remove d."
            )
        public_key(jwk)
    except (OSError, Malformed) as error:
        said = error.message if isinstance(error, Malformed) else str(error.strerror)
        raise SetUpFault(f"{file} is no public P-256 key as a JWK: {said}.") from error
    return json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))


def _sam(stack: str, parameters: dict[str, str]) -> None:
    # SAM reads Key=Value words; quotes inside a value (the JWK) are escaped for it.
    overrides = [
        f'{name}="{value.replace(chr(34), chr(92) + chr(34))}"' for name, value in parameters.items()
    ]
    command = [str(SAM), "deploy", "--template-file", "template.yaml", "--stack-name", stack, "--resolve-s3"]
    command += ["--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset", "--no-confirm-changeset"]
    done = subprocess.run(
        [*command, "--parameter-overrides", *overrides],
        cwd=package.ROOT,
        env=os.environ | {"SAM_CLI_TELEMETRY": "0"},
        check=False,
    )
    if done.returncode:
        raise SetUpFault("SAM could not deploy; the reason is above. Repeating is safe.")


def _output(stack: str, name: str) -> str | None:
    try:
        stacks = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
    return outputs.get(name)


def _main() -> int:
    try:
        return deploy()
    except (BotoCoreError, ClientError) as error:
        raise SetUpFault(f"AWS refused: {error}. Check the credentials and AWS_REGION.") from error


if __name__ == "__main__":
    sys.exit(explained(_main))
