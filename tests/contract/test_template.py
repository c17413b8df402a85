"""The template keeps the promises of production: recovery, protection, alarms, throttle, readable answers."""

import json
import re
from typing import Any

import pytest

from carevouch.ledger.checkpoint import MAX_STRANDS
from carevouch.ledger.merkle import Edge
from carevouch.sealing.marks import Head
from services.sealer.invocation import FULL_INBOX, FULL_STREAM
from services.sealer.manifest import Manifest, commit_name, name_of
from tests.contract.template import PRODUCERS, ROOT, created, deployed, functions, resources, written

COMMON = {
    "DEPLOYMENT",
    "BASE_URL",
    "DOCUMENTS_TABLE",
    "KEYS_TABLE",
    "WRAP_KEY",
    "LEDGER_BUCKET",
    "TIME_ZONE",
    "LOG_LEVEL",
    "POWERTOOLS_METRICS_NAMESPACE",
    "CORS_ORIGIN",
}
NAMED = {"SERVICE", "POWERTOOLS_SERVICE_NAME"}
IDENTITY = {"ROOT_KEY", "TOKEN_KEY", "ASSERTIONS_TABLE"}
# What each function's wiring may read from its environment, beside what all have.
ENVIRONMENT = {
    "IdentityFunction": NAMED | IDENTITY,
    "SweeperFunction": NAMED | IDENTITY,
    "AuthorizerFunction": NAMED | {"TOKEN_KEY"},
    "ConsentFunction": NAMED | {"ROOT_KEY"},
    "RecordsFunction": NAMED | {"ROOT_KEY", "LEDGER_TABLE"},
    "ClaimsFunction": NAMED | {"ROOT_KEY"},
    "LedgerFunction": NAMED | {"LEDGER_TABLE"},
    "ExporterFunction": NAMED | {"EXPORTS_BUCKET"},
    "SealerFunction": NAMED
    | {
        "LEDGER_TABLE",
        "SEAL_KEY",
        "LOG_KEY_KIND",
        "LOG_KEY",
        "MLDSA_KEY_KIND",
        "MLDSA_KEY",
        "INBOX_URL",
        "ROOT_KEYS",
        "OPERATOR_JWK",
        "ORIGIN",
        "STRANDS",
        "SEAL_BY_SECONDS",
        "WITNESS_POLICY",
    },
    "WitnessFunction": NAMED
    | {
        "WITNESS_NAME",
        "WITNESS_LOGS",
        "WITNESS_TABLE",
        "WITNESS_KEY",
        "WITNESS_KEY_KIND",
        "WITNESS_MLDSA_KEY",
        "WITNESS_MLDSA_KEY_KIND",
    },
}


def _table(name: str) -> dict[str, Any]:
    return dict(resources("AWS::DynamoDB::Table"))[name]


def _mapping(having: str) -> dict[str, Any]:
    return next(item for _, item in resources("AWS::Lambda::EventSourceMapping") if having in item)


def test_functions_get_the_variables_that_they_read() -> None:
    assert set(written()["Globals"]["Function"]["Environment"]["Variables"]) == COMMON
    said = {name: set(properties["Environment"]["Variables"]) for name, properties in functions().items()}
    assert said == ENVIRONMENT


def test_each_service_certifies_with_its_own_root() -> None:
    for service in ("Identity", "Consent", "Records", "Claims"):
        variables = functions()[f"{service}Function"]["Environment"]["Variables"]
        assert variables["ROOT_KEY"] == {"Ref": f"{service}RootKey"}
        assert variables["SERVICE"] == service.lower()


def test_the_sealer_names_every_root_in_genesis() -> None:
    variables = functions()["SealerFunction"]["Environment"]["Variables"]
    named = json.loads(variables["ROOT_KEYS"]["Fn::Sub"])
    assert named == {service: f"${{{service.capitalize()}RootKey}}" for service in PRODUCERS}


@pytest.mark.parametrize("name", ["Documents", "LedgerTable"])
def test_what_must_survive_can_be_recovered(name: str) -> None:
    assert _table(name)["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_an_erased_key_cannot_come_back() -> None:
    keys = _table("Keys")
    assert keys["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is False
    assert "StreamSpecification" not in keys


@pytest.mark.parametrize("name", ["Documents", "Keys", "LedgerTable", "WitnessTable"])
def test_tables_of_record_refuse_deletion_unless_told(name: str) -> None:
    assert _table(name)["DeletionProtectionEnabled"] == {"Fn::If": ["Protected", True, False]}
    assert written()["Parameters"]["DeletionProtection"]["Default"] == "true"
    assert deployed()["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_a_witness_that_forgot_would_cosign_the_contrary() -> None:
    said = _table("WitnessTable")["PointInTimeRecoverySpecification"]
    assert said["PointInTimeRecoveryEnabled"] is False


@pytest.mark.parametrize(
    ("kinds", "keys"),
    [
        pytest.param(("kms", "kms"), {"WitnessKey", "WitnessMldsaKey"}, id="both in KMS"),
        pytest.param(("kms", "wrapped"), {"WitnessKey", "WitnessWrapKey"}, id="one wrapped"),
        pytest.param(("wrapped", "none"), {"WitnessWrapKey"}, id="one line only"),
    ],
)
def test_a_witness_deploys_alone_and_with_nothing_else(kinds: tuple[str, str], keys: set[str]) -> None:
    given = {"Parts": "witness", "LogKeyKind": kinds[0], "MldsaKeyKind": kinds[1]}
    made = {kind: created(kind, **given) for kind in {each["Type"] for each in _everything()}}
    assert made["AWS::Lambda::Function"] == {"WitnessFunction"}
    assert made["AWS::DynamoDB::Table"] == {"WitnessTable"}
    assert made["AWS::KMS::Key"] == keys
    assert made["AWS::ApiGateway::RestApi"] == {"WitnessApi"}
    assert not made["AWS::S3::Bucket"] | made["AWS::SQS::Queue"] | made["AWS::Scheduler::Schedule"]


def test_a_log_deploys_without_a_witness() -> None:
    made = set().union(*(created(each["Type"]) for each in _everything()))
    assert not {name for name in made if name.startswith("Witness")}
    assert {"LedgerBucket", "SealerFunction", "Api"} <= made


@pytest.mark.parametrize("parts", ["log", "witness"])
def test_what_a_deployment_creates_refers_to_nothing_that_it_does_not(parts: str) -> None:
    made = set().union(*(created(each["Type"], Parts=parts) for each in _everything()))
    for name in made:
        told = json.dumps(_without_choices(deployed()["Resources"][name]))
        named = set(re.findall(r'"Ref": "(\w+)"|"Fn::GetAtt": \["(\w+)"|\$\{(\w+)', told))
        needs = {one for found in named for one in found if one in deployed()["Resources"]}
        assert needs <= made, name


def _everything() -> list[dict[str, Any]]:
    return list(deployed()["Resources"].values())


def _without_choices(value: Any) -> Any:
    """The value without what stands under an Fn::If, of which each condition is tried elsewhere."""
    if isinstance(value, dict):
        return {name: _without_choices(each) for name, each in value.items() if name != "Fn::If"}
    return [_without_choices(each) for each in value] if isinstance(value, list) else value


def test_keys_outlive_the_stack() -> None:
    for name, _ in resources("AWS::KMS::Key"):
        assert deployed()["Resources"][name]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_the_stream_and_the_index_carry_keys_only() -> None:
    documents = _table("Documents")
    assert documents["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}
    (index,) = documents["GlobalSecondaryIndexes"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_used_assertions_expire() -> None:
    assert _table("Assertions")["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


def test_the_buckets_are_versioned_encrypted_and_closed() -> None:
    buckets = dict(resources("AWS::S3::Bucket"))
    assert set(buckets) == {"LedgerBucket", "ExportsBucket"}
    for bucket in buckets.values():
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]


def test_staged_batches_go_once_no_table_can_be_restored_behind_them() -> None:
    """DynamoDB restores 35 days back; a head that went back needs the batches since, and no others."""
    bucket = dict(resources("AWS::S3::Bucket"))["LedgerBucket"]
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    head = Head(3, Edge(1, (bytes(32),)), 1)
    assert name_of(Manifest(Edge(), (), (), (), (), head, Edge().grown([])), b"").startswith(rule["Prefix"])
    assert not commit_name(3, 1).startswith(rule["Prefix"])
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", 36)


def test_the_stream_mapping_stops_at_the_first_failure_and_gives_up_into_a_queue() -> None:
    mapping = _mapping("StartingPosition")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == FULL_STREAM
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {
        "Fn::GetAtt": ["SealerDeadLetters", "Arn"]
    }
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping.get("ParallelizationFactor", 1) == 1


def test_the_inbox_is_ordered_by_strand_and_gives_up_into_a_queue_of_its_own() -> None:
    queues = dict(resources("AWS::SQS::Queue"))
    inbox, dead = queues["Inbox"], queues["InboxDeadLetters"]
    assert inbox["FifoQueue"] is True
    assert dead["FifoQueue"] is True
    assert (inbox["DeduplicationScope"], inbox["FifoThroughputLimit"]) == (
        "messageGroup",
        "perMessageGroupId",
    )
    assert inbox["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["InboxDeadLetters", "Arn"]}
    assert inbox["VisibilityTimeout"] == 6 * functions()["SealerFunction"]["Timeout"]
    mappings = [item for _, item in resources("AWS::Lambda::EventSourceMapping")]
    (mapping,) = (item for item in mappings if item["EventSourceArn"] == {"Fn::GetAtt": ["Inbox", "Arn"]})
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == FULL_INBOX


def test_the_sealer_may_read_the_stream_before_it_is_attached() -> None:
    """CloudFormation makes what is independent in any order; too early, the first deployment fails."""
    sealer = deployed()["Resources"]["SealerFunction"]
    needs = sealer["DependsOn"]
    assert "SealerPolicy" in ([needs] if isinstance(needs, str) else needs)
    for _, mapping in resources("AWS::Lambda::EventSourceMapping"):
        assert mapping["FunctionName"] == {"Ref": "SealerFunction"}


def test_alarms_tell_of_unsealed_quarantined_dead_silent_and_failed() -> None:
    watched = {properties["MetricName"] for _, properties in resources("AWS::CloudWatch::Alarm")}
    assert watched == {
        "OldestUnsealedSeconds",
        "EventsRejected",
        "RowsSetAside",
        "HeadWentBack",
        "LedgerFaults",
        "MessagesUnread",
        "QuorumMissing",
        "TwoTrees",
        "AuditFaults",
        "ErasuresFailed",
        "ApproximateNumberOfMessagesVisible",
        "Invocations",
        "Errors",
        "5XXError",
    }
    for _, properties in resources("AWS::CloudWatch::Alarm"):
        assert properties["AlarmDescription"]
        assert properties["AlarmActions"]["Fn::If"][0] == "HasAlarmTopic"


def test_an_event_that_waits_is_told_before_its_promise_breaks() -> None:
    alarm = dict(resources("AWS::CloudWatch::Alarm"))["OldestUnsealedAlarm"]
    assert alarm["Threshold"] == {"Ref": "OldestUnsealedAlarmSeconds"}
    parameters = written()["Parameters"]
    assert (
        parameters["OldestUnsealedAlarmSeconds"]["Default"] * 2 <= parameters["SealBySeconds"]["Default"]
    ), "half of the promise must be left"


def test_every_count_of_the_sealer_that_means_harm_has_an_alarm() -> None:
    """A metric that no alarm watches is useless."""
    text = (ROOT / "services" / "sealer" / "invocation.py").read_text()
    told = set(re.findall(r'tell\.count\("(\w+)"', text))
    watched = {properties["MetricName"] for _, properties in resources("AWS::CloudWatch::Alarm")}
    assert "RowsSetAside" in told
    # Those that wait are the ones whose age OldestUnsealedSeconds tells.
    assert told - watched == {"EventsSealed", "EventsWaiting"}


@pytest.mark.parametrize(
    ("function", "longest"), [("SealerFunction", "WitnessPolicy"), ("WitnessFunction", "WatchedLogs")]
)
def test_the_longest_setting_fits_into_the_settings_of_a_function(function: str, longest: str) -> None:
    """Lambda takes 4 KB of them in all: names, texts, and what AWS puts in place of a reference."""
    parameters = written()["Parameters"]
    common = written()["Globals"]["Function"]["Environment"]["Variables"]
    settings = {**common, **functions()[function]["Environment"]["Variables"]}
    # A reference comes to the name of a table, the id of a key, an address; genesis' keys are longer.
    sizes = [len(value) if isinstance(value, str) else 48 for value in settings.values()]
    others = sum(map(len, settings)) + sum(sizes) + 300
    assert others + parameters[longest]["MaxLength"] <= 4096, others


def test_a_deployment_has_no_more_strands_than_anything_that_reads_it() -> None:
    assert written()["Parameters"]["Strands"]["MaxValue"] == MAX_STRANDS


def test_every_log_group_forgets() -> None:
    groups = dict(resources("AWS::Logs::LogGroup"))
    assert set(groups) == {f"{name.removesuffix('Function')}Logs" for name in functions()}
    assert all(properties["RetentionInDays"] == {"Ref": "LogRetentionDays"} for properties in groups.values())


def test_functions_are_traced_and_end_before_the_gateway_gives_up() -> None:
    common = written()["Globals"]["Function"]
    assert common["Tracing"] == "Active"
    not_of_the_gateway = {"SealerFunction", "SweeperFunction", "ExporterFunction"}
    for name, properties in functions().items():
        assert name in not_of_the_gateway or properties.get("Timeout", common["Timeout"]) <= 29


def test_the_api_throttles_and_asks_the_authorizer_every_time() -> None:
    api = written()["Resources"]["Api"]["Properties"]
    (setting,) = api["MethodSettings"]
    assert setting["ThrottlingRateLimit"] == {"Ref": "ThrottleRate"}
    assert api["Auth"]["DefaultAuthorizer"] == "Token"
    assert api["Auth"]["Authorizers"]["Token"]["Identity"]["ReauthorizeEvery"] == 0
    assert api["BinaryMediaTypes"] == ["*/*"]


def test_what_the_gateway_refuses_is_an_operation_outcome() -> None:
    answers = written()["Resources"]["Api"]["Properties"]["GatewayResponses"]
    assert set(answers) >= {
        "UNAUTHORIZED",
        "ACCESS_DENIED",
        "MISSING_AUTHENTICATION_TOKEN",
        "RESOURCE_NOT_FOUND",
        "REQUEST_TOO_LARGE",
        "THROTTLED",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
    }
    for answer in answers.values():
        outcome = json.loads(answer["ResponseTemplates"]["application/json"])
        assert outcome["resourceType"] == "OperationOutcome"
        assert len(outcome["issue"][0]["diagnostics"]) > 20
        assert "Access-Control-Allow-Origin" in answer["ResponseParameters"]["Headers"]


def test_an_unknown_path_is_404_not_the_gateways_403() -> None:
    answers = written()["Resources"]["Api"]["Properties"]["GatewayResponses"]
    assert answers["MISSING_AUTHENTICATION_TOKEN"]["StatusCode"] == 404
