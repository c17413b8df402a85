"""Reads template.yaml twice: as it was written, and as the SAM transform hands it to CloudFormation."""

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

ROOT = Path(__file__).resolve().parents[2]
# Those that act, each with a root key and rows of its own.
PRODUCERS = ("identity", "consent", "records", "claims")
# Every deployable, in the order of the template.
SERVICES = (*PRODUCERS, "ledger", "sealer", "exporter", "witness")
# Those behind the gateway of a deployment.
DOORS = (*PRODUCERS, "ledger")


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short tags as their long forms."""


def _short_tag(loader: yaml.CSafeLoader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        return {name: str(text).split(".", 1) if suffix == "GetAtt" else text}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    raise TypeError(f"a mapping under !{suffix}")


_Loader.add_multi_constructor("!", _short_tag)


class _NoManagedPolicies:
    """The template names no managed policy of AWS, so there is none to look up."""

    def load(self) -> dict[str, str]:
        return {}


@cache
def written() -> dict[str, Any]:
    """The template as people read it."""
    template: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506
    return template


@cache
def deployed() -> dict[str, Any]:
    """The template as CloudFormation gets it, with every role and permission that SAM adds."""
    from samtranslator.translator.transform import transform  # type: ignore[import-untyped]

    # Through JSON, as `sam deploy` does too: what YAML aliases share becomes one copy for each place.
    source = json.loads(json.dumps(written()))
    for resource in source["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # The transform wants to see what `sam deploy` will have put there.
            resource["Properties"]["CodeUri"] = "s3://packages/zip"
    with patch.dict(os.environ, {"AWS_DEFAULT_REGION": "eu-central-1"}):
        result: dict[str, Any] = transform(source, {}, _NoManagedPolicies())
    return result


def resources(kind: str, template: dict[str, Any] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Logical id and properties of every resource of a type."""
    for name, resource in (template or deployed())["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


def created(kind: str, **parameters: str) -> set[str]:
    """Logical ids of the resources of a type that a deployment with these parameters creates."""
    holds = {name: _holds(said, parameters) for name, said in written()["Conditions"].items()}
    template = deployed()["Resources"]
    return {name for name, _ in resources(kind) if holds.get(template[name].get("Condition", ""), True)}


def _holds(said: dict[str, Any], parameters: dict[str, str]) -> bool:
    """The value of a condition, with the defaults of the template for parameters that are not given."""
    ((function, given),) = said.items()
    match function:
        case "Condition":
            return _holds(written()["Conditions"][given], parameters)
        case "Fn::Not":
            return not _holds(given[0], parameters)
        case "Fn::And":
            return all(_holds(each, parameters) for each in given)
        case "Fn::Or":
            return any(_holds(each, parameters) for each in given)
        case "Fn::Equals":
            name = given[0]["Ref"]
            return bool(
                str(parameters.get(name, written()["Parameters"][name].get("Default", ""))) == given[1]
            )
    raise ValueError(f"a condition with {function}")


def functions() -> dict[str, dict[str, Any]]:
    """Properties of every function, as written."""
    return dict(resources("AWS::Serverless::Function", written()))
