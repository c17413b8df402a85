"""The server's own part of a resource: `id`, `meta.versionId`, `meta.lastUpdated`.

A client's values for these are never kept. The rest of its `meta` (profile, security, tag, source) stays as
it is. See http://hl7.org/fhir/R4/resource.html#Meta.
"""

from typing import Any

_SERVER_ELEMENTS = ("versionId", "_versionId", "lastUpdated", "_lastUpdated")


def with_meta(resource: dict[str, Any], id_: str, version: int, time: str) -> dict[str, Any]:
    """The resource as stored: under `id_`, as `version` (from 1), written at the instant `time`."""
    bare = without_meta(resource)
    meta = {"versionId": str(version), "lastUpdated": time, **bare.pop("meta", {})}
    type_ = bare.pop("resourceType")
    return {"resourceType": type_, "id": id_, "meta": meta, **bare}


def without_meta(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource without `id`, version and time, to compare the content of two resources."""
    rest = {name: value for name, value in resource.get("meta", {}).items() if name not in _SERVER_ELEMENTS}
    bare = {name: value for name, value in resource.items() if name not in ("id", "meta")}
    return {**bare, "meta": rest} if rest else bare


def version_of(resource: dict[str, Any]) -> int:
    """The version of a stored resource."""
    return int(resource["meta"]["versionId"])


def etag(version: int) -> str:
    """The weak ETag of a version (http://hl7.org/fhir/R4/http.html#versions)."""
    return f'W/"{version}"'
