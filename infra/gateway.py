"""Completes the API on the local cloud. MiniStack 1.5.33 imports the paths of an OpenAPI body, and not its
gateway responses and CORS preflights.

Both are in the template, and AWS takes them from there. Here they are put with API Gateway's own calls, so
that browsers and refused callers get the same answers as on AWS.
"""

from collections.abc import Mapping
from typing import Any

OPENAPI_RESPONSES = "x-amazon-apigateway-gateway-responses"
OPENAPI_INTEGRATION = "x-amazon-apigateway-integration"
# The name of a log's API in the template.
API = "Api"
# One page of resources is enough for the whole API.
RESOURCES_PAGE = 500


def complete(formation: Any, api: Any, stack: str, stage: str, parameters: Mapping[str, str]) -> None:
    """Put the gateway responses and preflights, then deploy the API again, which makes them count."""
    template = formation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    body = template["Resources"][API]["Properties"]["Body"]
    found = formation.describe_stack_resource(StackName=stack, LogicalResourceId=API)
    api_id = found["StackResourceDetail"]["PhysicalResourceId"]
    for kind, response in body.get(OPENAPI_RESPONSES, {}).items():
        _put_response(api, api_id, kind, _resolved(response, parameters))
    ids = {
        item["path"]: item["id"]
        for item in api.get_resources(restApiId=api_id, limit=RESOURCES_PAGE)["items"]
    }
    for path, methods in body["paths"].items():
        if "options" in methods:
            _put_preflight(api, api_id, ids[path], _resolved(methods["options"], parameters))
    api.create_deployment(restApiId=api_id, stageName=stage)


def _put_response(api: Any, api_id: str, kind: str, response: Mapping[str, Any]) -> None:
    given = {
        "statusCode": str(response["statusCode"]) if "statusCode" in response else None,
        "responseParameters": response.get("responseParameters"),
        "responseTemplates": response.get("responseTemplates"),
    }
    set_ = {name: value for name, value in given.items() if value is not None}
    api.put_gateway_response(restApiId=api_id, responseType=kind, **set_)


def _put_preflight(api: Any, api_id: str, resource: str, method: Mapping[str, Any]) -> None:
    answer = method[OPENAPI_INTEGRATION]["responses"]["default"]
    api.put_integration_response(
        restApiId=api_id,
        resourceId=resource,
        httpMethod="OPTIONS",
        statusCode="200",
        responseParameters=answer["responseParameters"],
    )


def _resolved(value: Any, parameters: Mapping[str, str]) -> Any:
    """The value with each `Fn::Sub` of template parameters replaced by its text."""
    if isinstance(value, dict):
        if set(value) == {"Fn::Sub"}:
            text = str(value["Fn::Sub"])
            for name, given in parameters.items():
                text = text.replace(f"${{{name}}}", given)
            return text
        return {name: _resolved(inner, parameters) for name, inner in value.items()}
    return [_resolved(inner, parameters) for inner in value] if isinstance(value, list) else value
