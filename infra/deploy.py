"""Deploys to AWS with the SAM command line, then wakes the sealer, which writes genesis once.

Reads its settings from variables of the environment or of make: `make deploy ORIGIN=... OPERATOR_JWK=...`.
It never sees the operator's private key: that one stays with the operator, off every server.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra import package
from infra.faults import SetUpFault, explained
from infra.stack import WAKE_UP

SAM = package.ROOT / ".venv" / "sam" / "bin" / "sam"
# A first deployment learns its address only by being made; no token is issued under this one.
UNKNOWN_URL = "https://unknown.invalid"
EXPLANATION = """
make deploy creates one CloudFormation stack: four DynamoDB tables on demand, one S3 bucket, eight Lambda
functions (arm64), one REST API, eight KMS keys, two schedules, one queue, nine alarms. Idle it costs what
KMS asks for its keys (about 8 USD a month), the alarms (about 0.90 USD) and the calls of two schedules
(cents). Tables, bucket and keys stay when the stack is deleted: they hold what people rely on.

  ORIGIN        name of the log for ever, such as log.example.org/carevouch               (needed)
  OPERATOR_JWK  file with the operator's public P-256 key as a JWK                        (needed)
  STACK         name of the deployment for ever (default carevouch)
  AWS_REGION    where (or the profile's)
  BASE_URL      https address that callers use (default: the API's own, found at the first deployment)
  ALARM_TOPIC   ARN of the SNS topic for alarms
  TIME_ZONE, CORS_ORIGIN, LOG_RETENTION_DAYS   as in template.yaml
"""
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


def _parameters() -> dict[str, str]:
    origin, file = os.environ.get("ORIGIN"), os.environ.get("OPERATOR_JWK")
    if not origin or not file:
        print(EXPLANATION)
        raise SetUpFault(
            "ORIGIN and OPERATOR_JWK are needed, as in `make deploy ORIGIN=... OPERATOR_JWK=...`."
        )
    given = {name: os.environ[variable] for variable, name in OPTIONAL.items() if os.environ.get(variable)}
    return {"Origin": origin, "OperatorJwk": _public_jwk(Path(file))} | given


def _public_jwk(file: Path) -> str:
    if not file.exists():
        raise SetUpFault(f"OPERATOR_JWK names {file}, which is not there: give the file of the public key.")
    jwk: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if "d" in jwk:
        raise SetUpFault(
            f"{file} holds a private key (member d), which must not leave the operator: remove d."
        )
    return json.dumps(jwk, separators=(",", ":"), sort_keys=True)


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
