"""Reads every statement of every policy, those of SAM too: what MiniStack does not enforce is held here."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from infra.imports import source_files
from tests.contract.template import PRODUCERS, ROOT, deployed, functions, resources

# Where AWS knows no narrower resource, or where `*` means the thing the policy hangs on.
STAR_RESOURCES = {
    "Tracing": "X-Ray has no resources to name",
    "SealerPolicy": "dynamodb:ListStreams has no resource to name",
    "LedgerTable": "a table's own policy speaks of that table",
    **dict.fromkeys(
        [
            "WrapKey",
            "IdentityRootKey",
            "TokenKey",
            "ConsentRootKey",
            "RecordsRootKey",
            "ClaimsRootKey",
            "SealKey",
            "LogKey",
            "MldsaKey",
            "LogWrapKey",
            "WitnessKey",
            "WitnessMldsaKey",
            "WitnessWrapKey",
        ],
        "a key's own policy speaks of that key",
    ),
}
PUBLIC_FILES = ("genesis", "epochs", "*/checkpoint", "*/tile/*", "*/edge/*")
LEDGER_WRITES = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"}
BUCKET_WRITES = {"s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"}
# key -> who may use it for what. Managing a key is the account's affair and gives no use of it.
KEY_USES = {
    "WrapKey": {
        role: {"kms:Encrypt", "kms:Decrypt"}
        for role in ("IdentityRole", "ConsentRole", "RecordsRole", "ClaimsRole", "SweeperRole")
    },
    "TokenKey": {"IdentityRole": {"kms:Sign", "kms:GetPublicKey"}, "AuthorizerRole": {"kms:GetPublicKey"}},
    "SealKey": {"SealerRole": {"kms:Sign", "kms:GetPublicKey"}},
    "LogKey": {"SealerRole": {"kms:Sign", "kms:GetPublicKey"}},
    "MldsaKey": {"SealerRole": {"kms:Sign", "kms:GetPublicKey"}},
    "LogWrapKey": {"SealerRole": {"kms:Encrypt", "kms:Decrypt"}},
    "WitnessKey": {"WitnessRole": {"kms:Sign", "kms:GetPublicKey"}},
    "WitnessMldsaKey": {"WitnessRole": {"kms:Sign", "kms:GetPublicKey"}},
    "WitnessWrapKey": {"WitnessRole": {"kms:Encrypt", "kms:Decrypt"}},
    "IdentityRootKey": {
        "IdentityRole": {"kms:Sign", "kms:GetPublicKey"},
        "SweeperRole": {"kms:Sign", "kms:GetPublicKey"},
        "SealerRole": {"kms:GetPublicKey"},
    },
    **{
        f"{service}RootKey": {
            f"{service}Role": {"kms:Sign", "kms:GetPublicKey"},
            "SealerRole": {"kms:GetPublicKey"},
        }
        for service in ("Consent", "Records", "Claims")
    },
}
# Partitions that each role may write rows in (FORMATS.md, 1).
WRITES = {
    "IdentityRole": {"P#*", "D#*", "A#*", "I#*", "K#*", "E#*"},
    "SweeperRole": {"P#*", "K#*"},
    "ConsentRole": {"P#*", "A#*", "K#*"},
    "RecordsRole": {"P#*", "D#*", "A#*", "I#*", "K#*"},
    "ClaimsRole": {"P#*", "D#*", "A#*", "K#*"},
}
# Whose key rows each role may write, and how: a put makes one, an update closes or entombs it (erasure).
KEY_ROW_WRITES = {
    "IdentityRole": {"dynamodb:PutItem": {"P#*", "D#*"}, "dynamodb:UpdateItem": {"P#*"}},
    "SweeperRole": {"dynamodb:UpdateItem": {"P#*"}},
    "ConsentRole": {"dynamodb:PutItem": {"D#*"}},
    "RecordsRole": {"dynamodb:PutItem": {"P#*", "D#*"}},
    "ClaimsRole": {"dynamodb:PutItem": {"D#*"}},
}
ROW_WRITES = {
    *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"),
    *("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PartiQLDelete"),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, with the resource of the template that carries it."""

    holder: str
    effect: str
    actions: frozenset[str]
    resources: tuple[str, ...]
    condition: str
    said: dict[str, Any]


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, member in (
        ("AWS::IAM::ManagedPolicy", "PolicyDocument"),
        ("AWS::IAM::Policy", "PolicyDocument"),
        ("AWS::S3::BucketPolicy", "PolicyDocument"),
        ("AWS::KMS::Key", "KeyPolicy"),
    ):
        for name, properties in resources(kind):
            yield name, properties[member]
    for name, properties in resources("AWS::IAM::Role"):
        for policy in properties.get("Policies", []):
            yield name, policy["PolicyDocument"]
    for name, properties in resources("AWS::DynamoDB::Table"):
        if "ResourcePolicy" in properties:
            yield name, properties["ResourcePolicy"]["PolicyDocument"]


def _statements() -> list[Statement]:
    found = []
    for holder, document in _documents():
        for said in document["Statement"]:
            plain = said["Fn::If"][1] if "Fn::If" in said else said
            found.append(
                Statement(
                    holder,
                    plain["Effect"],
                    frozenset(_list(plain["Action"])),
                    tuple(_name(resource) for resource in _list(plain["Resource"])),
                    json.dumps(plain.get("Condition", {}), sort_keys=True),
                    plain,
                )
            )
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _name(resource: Any) -> str:
    """Text that names the resource: `Documents.Arn`, `${LedgerBucket.Arn}/*`, `*`."""
    if isinstance(resource, dict):
        (value,) = resource.values()
        return ".".join(value) if isinstance(value, list) else str(value)
    return str(resource)


def _roles_of(holder: str) -> set[str]:
    """The roles that a policy resource speaks for."""
    if holder.endswith("Role"):
        return {holder}
    if holder == "SealerPolicy":
        return {"SealerRole"}
    return {
        name
        for name, said in resources("AWS::IAM::Role")
        if {"Ref": holder} in said.get("ManagedPolicyArns", [])
    }


STATEMENTS = _statements()
ALLOWED = [statement for statement in STATEMENTS if statement.effect == "Allow"]


def test_every_kind_of_policy_was_read() -> None:
    holders = {statement.holder for statement in STATEMENTS}
    assert {
        "IdentityRole",
        "DocumentsReading",
        "SealerPolicy",
        "LedgerBucketPolicy",
        "LedgerTable",
        "WrapKey",
    } <= holders
    assert any(holder.startswith("SealerFunctionEveryMinute") for holder in holders), (
        "SAM's own roles are read too"
    )


def test_no_statement_has_an_action_with_a_star() -> None:
    assert [s for s in STATEMENTS if any("*" in action for action in s.actions)] == []
    assert [s for s in STATEMENTS if {"NotAction", "NotResource", "NotPrincipal"} & set(s.said)] == []


def test_a_star_resource_has_a_reason() -> None:
    starred = [s for s in STATEMENTS if any(name.startswith("*") for name in s.resources)]
    assert {s.holder for s in starred} == set(STAR_RESOURCES)
    assert [s.actions for s in starred if s.holder == "SealerPolicy"] == [{"dynamodb:ListStreams"}]


def test_each_function_has_a_role_of_its_own_that_only_lambda_assumes() -> None:
    roles = [properties["Role"]["Fn::GetAtt"][0] for properties in functions().values()]
    assert len(set(roles)) == len(roles)
    for name, properties in resources("AWS::IAM::Role"):
        (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
        service = "lambda.amazonaws.com" if name in roles else "scheduler.amazonaws.com"
        assert _list(trust["Principal"]["Service"]) == [service]


def test_only_the_sealer_writes_the_ledger() -> None:
    for statement in ALLOWED:
        writes_table = "LedgerTable.Arn" in statement.resources and statement.actions & LEDGER_WRITES
        exports = all(name.startswith("${ExportsBucket.Arn}") for name in statement.resources)
        writes_bucket = statement.actions & BUCKET_WRITES and not exports
        if writes_table or writes_bucket:
            assert _roles_of(statement.holder) == {"SealerRole"}


@pytest.mark.parametrize(
    ("holder", "writes"), [("LedgerTable", LEDGER_WRITES), ("LedgerBucketPolicy", BUCKET_WRITES)]
)
def test_the_ledger_itself_denies_every_other_writer(holder: str, writes: set[str]) -> None:
    (denial,) = [s for s in STATEMENTS if s.holder == holder and s.said.get("Sid") == "OnlyTheSealerWrites"]
    assert denial.effect == "Deny"
    assert denial.said["Principal"] == "*"
    assert writes <= denial.actions
    excepted = denial.said["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
    assert excepted[0] == {"Fn::GetAtt": ["SealerRole", "Arn"]}
    assert all("SealerRole" in json.dumps(who) for who in excepted)


def test_a_star_principal_only_ever_denies() -> None:
    for statement in STATEMENTS:
        if statement.said.get("Principal") == "*":
            assert statement.effect == "Deny"


def test_each_key_is_used_by_those_it_is_for_and_nobody_else() -> None:
    uses: dict[str, dict[str, set[str]]] = {name: {} for name, _ in resources("AWS::KMS::Key")}
    for statement in ALLOWED:
        if statement.holder in uses and statement.said["Sid"] != "Manage":
            for principal in _list(statement.said["Principal"]["AWS"]):
                uses[statement.holder].setdefault(_name(principal).split(".")[0], set()).update(
                    statement.actions
                )
    assert uses == KEY_USES


def test_managing_a_key_gives_no_use_of_it() -> None:
    use = {
        "kms:Sign",
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "kms:CreateGrant",
        "kms:ReEncryptFrom",
    }
    managing = [statement for statement in STATEMENTS if statement.said.get("Sid") == "Manage"]
    assert len(managing) == len(list(resources("AWS::KMS::Key")))
    assert not [statement.holder for statement in managing if statement.actions & use]


def test_no_role_uses_kms_but_through_a_keys_own_policy() -> None:
    keys = {name for name, _ in resources("AWS::KMS::Key")}
    assert not [
        s.holder for s in STATEMENTS if s.holder not in keys and any(a.startswith("kms:") for a in s.actions)
    ]


def test_each_role_writes_rows_only_in_its_partitions() -> None:
    puts: dict[str, set[str]] = {}
    for statement in ALLOWED:
        if "Documents.Arn" in statement.resources and "dynamodb:PutItem" in statement.actions:
            (role,) = _roles_of(statement.holder)
            if role != "SealerRole":
                puts.setdefault(role, set()).update(_leading(statement))
    assert puts == WRITES


def test_no_role_writes_key_rows_that_are_not_its_business() -> None:
    """A role that may put a person's key row could replace the key, and every record of the person would
    be lost."""
    writes: dict[str, dict[str, set[str]]] = {}
    for statement in ALLOWED:
        if "Keys.Arn" in statement.resources:
            for role in _roles_of(statement.holder):
                for action in statement.actions & ROW_WRITES:
                    writes.setdefault(role, {}).setdefault(action, set()).update(_leading(statement))
    assert writes == KEY_ROW_WRITES


def _leading(statement: Statement) -> list[str]:
    """The partitions that a statement is about; one without that condition is about all, and fails."""
    leading: list[str] = statement.said["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    return leading


@pytest.mark.parametrize("service", PRODUCERS)
def test_every_partition_that_the_code_names_is_in_the_policies(service: str) -> None:
    """The local cloud does not know dynamodb:LeadingKeys; a new kind of partition would fail on AWS alone."""
    text = "".join(file.read_text() for file in source_files(ROOT, service).values() if file.suffix == ".py")
    named = {f"{letter}#*" for letter in re.findall(r"""["']([A-Z])#""", text)}
    (read,) = [s for s in ALLOWED if s.holder == "DocumentsReading" and "dynamodb:Query" in s.actions]
    allowed = set(read.said["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"])
    role = f"{service.capitalize()}Role"
    marks = {
        key for s in ALLOWED if s.holder == role and "LedgerTable.Arn" in s.resources for key in _leading(s)
    }
    assert "P#*" in named
    assert named <= allowed | marks | WRITES[role]


def test_of_the_ledgers_table_a_service_reads_the_marks_alone() -> None:
    for statement in ALLOWED:
        if "LedgerTable.Arn" in statement.resources and _roles_of(statement.holder) - {
            "SealerRole",
            "LedgerRole",
        }:
            assert statement.actions == {"dynamodb:BatchGetItem"}
            assert _leading(statement) == ["M#*"]


def test_a_door_reads_marks_of_the_ledger_and_nothing_else_of_its_table() -> None:
    read = [s for s in ALLOWED if "LedgerTable.Arn" in s.resources and s.holder == "RecordsRole"]
    assert [(set(s.actions), _leading(s)) for s in read] == [({"dynamodb:BatchGetItem"}, ["M#*"])]
    holders = {s.holder for s in ALLOWED if "LedgerTable.Arn" in s.resources}
    assert holders == {"SealerPolicy", "LedgerRole", "RecordsRole"}


def test_the_sealer_adds_rejection_markers_and_nothing_that_could_pass_for_a_revision() -> None:
    (put,) = [
        s
        for s in ALLOWED
        if s.holder == "SealerPolicy" and "Documents.Arn" in s.resources and "dynamodb:PutItem" in s.actions
    ]
    assert put.actions == {"dynamodb:PutItem"}
    attributes = put.said["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"]
    assert attributes == ["pk", "sk", "event"]
    assert set(_leading(put)) == {"P#*", "D#*", "A#*"}, (
        "certificates (K#) and identifiers (I#) are out of reach"
    )


def test_only_identity_deletes_rows_and_only_identifiers_and_its_work_list() -> None:
    for statement in ALLOWED:
        if "dynamodb:DeleteItem" in statement.actions and "LedgerTable.Arn" not in statement.resources:
            assert _roles_of(statement.holder) <= {"IdentityRole", "SweeperRole"}
            assert '["I#*", "E#*"]' in statement.condition


def test_nobody_scans_a_table() -> None:
    assert [s.holder for s in STATEMENTS if "dynamodb:Scan" in s.actions] == []


def test_the_public_door_of_the_ledger_has_no_key_and_sees_no_document() -> None:
    mine = [statement for statement in ALLOWED if "LedgerRole" in _roles_of(statement.holder)]
    touched = {name for statement in mine for name in statement.resources}
    assert touched == {"LedgerLogs.Arn", "LedgerTable.Arn", "LedgerBucket.Arn", "${LedgerBucket.Arn}/*", "*"}
    assert all(
        action.split(":")[1].startswith(("Get", "Query", "BatchGet", "List", "Put", "Create"))
        for statement in mine
        for action in statement.actions
    )
    assert not {action for statement in mine for action in statement.actions} & (
        LEDGER_WRITES | BUCKET_WRITES
    )


def test_the_exporter_reads_what_is_public_and_writes_exports_alone() -> None:
    mine = [
        s for s in ALLOWED if s.holder == "ExporterRole" and not any(a.startswith("logs:") for a in s.actions)
    ]
    read = {name for s in mine if "s3:GetObject" in s.actions for name in s.resources}
    assert read == {
        *(f"${{LedgerBucket.Arn}}/{name}" for name in PUBLIC_FILES),
        "${ExportsBucket.Arn}/*",
    }
    written = {name for s in mine if s.actions & BUCKET_WRITES for name in s.resources}
    assert written == {"${ExportsBucket.Arn}/*"}
    assert {action for s in mine for action in s.actions} == {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}


def test_logs_go_to_the_functions_own_group() -> None:
    for name, properties in functions().items():
        service = name.removesuffix("Function")
        assert properties["LoggingConfig"]["LogGroup"] == {"Ref": f"{service}Logs"}
        mine = [s for s in ALLOWED if s.holder == f"{service}Role" and "logs:PutLogEvents" in s.actions]
        assert [s.resources for s in mine] == [(f"{service}Logs.Arn",)]
    assert deployed()["Resources"]["IdentityLogs"]["Properties"]["RetentionInDays"] == {
        "Ref": "LogRetentionDays"
    }
