"""The two descriptions of the server: CapabilityStatement and OpenAPI.

Both are files that packaging makes from the tables of routes of all services (`infra/routes.py`). Their base
URL is a placeholder. This use case replaces it with the base URL of the deployment.
"""

from carevouch.door.http import FHIR_JSON, HttpRequest, Reply
from services.records.ports import Ports

METADATA, OPENAPI = "metadata.json", "openapi.json"
# The placeholder of the base URL in the files.
BASE = b"https://base.invalid"
_HEADERS = {"Cache-Control": "public, max-age=300"}


def metadata(_request: HttpRequest, ports: Ports) -> Reply:
    """GET /fhir/metadata: the CapabilityStatement of every route under /fhir."""
    return _file(METADATA, FHIR_JSON, ports)


def openapi(_request: HttpRequest, ports: Ports) -> Reply:
    """GET /openapi.json: the OpenAPI description of every door under the base URL."""
    return _file(OPENAPI, "application/json", ports)


def _file(name: str, content_type: str, ports: Ports) -> Reply:
    text = ports.description(name).replace(BASE, ports.store.base_url.encode())
    return Reply(200, text.decode("utf-8"), _HEADERS, content_type)
