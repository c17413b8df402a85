"""Deploys template.yaml, as AWS gets it, to a CloudFormation endpoint of this machine."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra import gateway
from infra.faults import SetUpFault

STACK, WITNESS_STACK = "carevouch", "carevouch-witness"
STAGE = "local"
# With this tag on the stack, MiniStack gives the API this id, so its address is known in advance.
API_ID = "carevouch"
API_ID_TAG = "ms-custom-id"
REGION = "eu-central-1"
PACKAGES = "carevouch-packages"
ORIGIN = "log.carevouch.local/carevouch"
DEPLOY_SECONDS = 120
# The event of the one-minute schedule.
WAKE_UP = {"source": "aws.scheduler", "detail-type": "Scheduled Event", "detail": {}}


@dataclass(frozen=True, slots=True)
class Cloud:
    """A deployed Carevouch, with its addresses, tables, buckets and functions, for tests and the story."""

    base_url: str
    endpoint_url: str
    outputs: Mapping[str, str]
    operator_jwk: Mapping[str, str] = field(repr=False)
    origin: str = ORIGIN
    region: str = REGION
    folder: Path = Path(".carevouch")

    @property
    def documents_table(self) -> str:
        """Name of the documents table."""
        return self.outputs["DocumentsTable"]

    @property
    def keys_table(self) -> str:
        """Name of the keys table."""
        return self.outputs["KeysTable"]

    @property
    def ledger_table(self) -> str:
        """Name of the ledger's table."""
        return self.outputs["LedgerTable"]

    @property
    def ledger_bucket(self) -> str:
        """Name of the ledger's bucket."""
        return self.outputs["LedgerBucket"]

    def resource(self, logical_id: str) -> str:
        """The physical id of a resource of the template."""
        found = self.client("cloudformation").describe_stack_resource(
            StackName=STACK, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def client(self, service: str) -> Any:
        """A boto3 client with the rights of the account's administrator."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # any service by name
            endpoint_url=self.endpoint_url,
            region_name=self.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 (the local cloud's fixed one)
            config=Config(retries={"mode": "standard"}, max_pool_connections=32),
        )

    def environment(self) -> dict[str, str]:
        """The environment variables with which an SDK or tool reaches this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def seal(self) -> Any:
        """Run the sealer now, as its schedule does, and return its answer."""
        return self._invoke(self.outputs["SealerFunction"])

    def open_epoch(self, order: str) -> None:
        """Give the sealer the operator's order to open an epoch, as `carevouch epoch` prints it."""
        self._invoke(self.outputs["SealerFunction"], {"open_epoch": order.strip()})

    def export(self, start: str, end: str, prefix: str = "") -> Any:
        """Export the blocks of a span of time into the exports bucket, and return the answer."""
        request = {"from": start, "to": end, "prefix": prefix}
        return self._invoke(self.outputs["ExporterFunction"], request)

    def sweep(self) -> Any:
        """Run the sweeper of erasures now."""
        return self._invoke(self.outputs["SweeperFunction"])

    def log_lines(self) -> Iterator[str]:
        """All log lines of all functions."""
        logs = self.client("logs")
        for group in self.outputs["LogGroups"].split(","):
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
                yield from (event["message"] for event in page["events"])

    def _invoke(self, function: str, event: Mapping[str, Any] = MappingProxyType(WAKE_UP)) -> Any:
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(dict(event)))
        payload = answer["Payload"].read()
        if "FunctionError" in answer:
            raise RuntimeError(f"{function} failed: {payload.decode()}")
        return json.loads(payload or b"null")


def deploy(
    endpoint_url: str,
    template: Path,
    packages: Mapping[str, Path],
    operator_jwk: Mapping[str, str],
    *,
    strands: int,
    policy: str = "",
    say: Callable[[str], None],
) -> Cloud:
    """Create or update the stack, then run the sealer once, which writes genesis if there is none.

    `strands` counts only for a new genesis; an epoch adds strands to an existing log. `policy` names the
    witnesses of the super-log.
    """
    base_url = _url(endpoint_url, API_ID)
    cloud = Cloud(base_url, endpoint_url, {}, operator_jwk)
    parameters = _parameters(base_url, operator_jwk, strands) | {"WitnessPolicy": policy}
    url = _upload(cloud, template, packages)
    outputs = _apply(cloud.client("cloudformation"), STACK, API_ID, url, parameters)
    gateway.complete(cloud.client("cloudformation"), cloud.client("apigateway"), STACK, STAGE, parameters)
    cloud = Cloud(base_url, endpoint_url, outputs, operator_jwk)
    cloud.seal()
    say(f"  base URL {base_url}")
    return cloud


def deploy_witness(cloud: Cloud, template: Path, packages: Mapping[str, Path], name: str, logs: str) -> str:
    """Create or update a witness in a stack of its own beside the log, and return its address for policies.

    `logs` are the logs that it knows, in the form of `WatchedLogs` in the template.
    """
    parameters = {
        "Parts": "witness",
        "Stage": STAGE,
        "WitnessName": name,
        "WatchedLogs": logs,
        "MldsaKeyKind": "wrapped",
        "DeletionProtection": "false",
    }
    url = _upload(cloud, template, packages)
    _apply(cloud.client("cloudformation"), WITNESS_STACK, WITNESS_STACK, url, parameters)
    return f"{_url(cloud.endpoint_url, WITNESS_STACK)}/ledger"


def _url(endpoint_url: str, api_id: str) -> str:
    return f"{endpoint_url}/_aws/execute-api/{api_id}/{STAGE}"


def _parameters(base_url: str, operator_jwk: Mapping[str, str], strands: int) -> dict[str, str]:
    public = {name: value for name, value in operator_jwk.items() if name != "d"}
    return {
        "Stage": STAGE,
        "BaseUrl": base_url,
        "OperatorJwk": json.dumps(public, separators=(",", ":"), sort_keys=True),
        "Origin": ORIGIN,
        "Strands": str(strands),
        "DeletionProtection": "false",
        "RequireTls": "false",
        # Its KMS has Ed25519 keys and no ML-DSA keys.
        "MldsaKeyKind": "wrapped",
        # One machine is a limit of its own. A story or a load test must not meet the throttle of production.
        "ThrottleRate": "10000",
        "ThrottleBurst": "5000",
        "CorsOrigin": "*",
    }


def _upload(cloud: Cloud, template: Path, packages: Mapping[str, Path]) -> str:
    """Upload the zips to S3 under their hashes, and the template that names them, as `sam deploy` does."""
    s3 = cloud.client("s3")
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=PACKAGES, CreateBucketConfiguration={"LocationConstraint": REGION})
    text = template.read_text(encoding="utf-8")
    for service, path in packages.items():
        body = path.read_bytes()
        key = f"{service}-{hashlib.sha256(body).hexdigest()[:16]}.zip"
        s3.put_object(Bucket=PACKAGES, Key=key, Body=body)
        text = text.replace(f"CodeUri: build/aws/{service}.zip", f"CodeUri: s3://{PACKAGES}/{key}")
    # CloudFormation takes 51,200 bytes in the request, and 1 MB from a bucket.
    s3.put_object(Bucket=PACKAGES, Key="template.yaml", Body=text.encode())
    return f"{cloud.endpoint_url}/{PACKAGES}/template.yaml"


def _apply(
    formation: Any, name: str, api_id: str, template_url: str, parameters: Mapping[str, str]
) -> dict[str, str]:
    request = {
        "StackName": name,
        "TemplateURL": template_url,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Tags": [{"Key": API_ID_TAG, "Value": api_id}],
    }
    try:
        formation.create_stack(**request)
    except formation.exceptions.AlreadyExistsException:
        try:
            formation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
    stack = _settled(formation, name)
    if stack["StackStatus"] not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        # MiniStack replaces an API whose routes changed, and cannot give the new one the old id.
        events = formation.describe_stack_events(StackName=name)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
        first = failed[-1] if failed else events[0]
        reason = first.get("ResourceStatusReason", first["ResourceStatus"])
        why = f"{first['LogicalResourceId']}: {reason}"
        raise SetUpFault(
            f"template.yaml could not be deployed ({why}). If it changed since this state was made, the "
            "local cloud may be unable to follow: `make clean`, then run again."
        )
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def _settled(formation: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + DEPLOY_SECONDS
    while True:
        stack: dict[str, Any] = formation.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            return stack
        if time.monotonic() > deadline:
            raise SetUpFault(
                f"The stack did not settle within {DEPLOY_SECONDS} s: `make clean` starts afresh."
            )
        time.sleep(0.1)
