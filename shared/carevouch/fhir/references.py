"""The references of a resource: finding them, parsing them and replacing them.

The forms are those of http://hl7.org/fhir/R4/references.html#literal and of a transaction's conditional
references (http://hl7.org/fhir/R4/http.html#trules). A reference is compared whole, never by its beginning:
`Patient/1` is not `Patient/12`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

from carevouch.fhir.definitions import resource_types
from carevouch.fhir.survey import REFERENCE, Path, place_of
from carevouch.kernel.errors import Invalid

Form = Literal["fragment", "urn", "local", "absolute", "conditional", "unknown"]

_RESTFUL = r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?"
_LOCAL = re.compile(_RESTFUL)
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]*:")
_ABSOLUTE = re.compile(rf"https?://\S+/{_RESTFUL}")
# Elements of type uri, url and uuid that a transaction may point at its own entries (http.html#trules).
_LINKS = frozenset(("url", "valueUri", "valueUrl", "valueUuid"))


@dataclass(frozen=True, slots=True)
class ReferenceTarget:
    """The form and the parts of a reference. Only a conditional one has a `query`."""

    form: Form
    type: str | None = None
    id: str | None = None
    version: str | None = None
    query: tuple[tuple[str, str], ...] = ()


def parse_target(text: str, base_url: str | None = None) -> ReferenceTarget:
    """Parse one reference, which never fails; an absolute reference under `base_url` is local."""
    if base_url and text.startswith(base_url.rstrip("/") + "/"):
        text = text[len(base_url.rstrip("/")) + 1 :]
    if text.startswith("#"):
        return ReferenceTarget("fragment", id=text[1:])
    if text.startswith(("urn:uuid:", "urn:oid:")):
        return ReferenceTarget("urn", id=text)
    head, mark, query = text.partition("?")
    if mark and head in resource_types():
        return ReferenceTarget(
            "conditional", type=head, query=tuple(parse_qsl(query, keep_blank_values=True))
        )
    match = _LOCAL.fullmatch(text)
    if match and match[1] in resource_types():
        return _restful("local", match)
    if _URL.match(text):
        match = _ABSOLUTE.fullmatch(text)
        return _restful("absolute", match) if match else ReferenceTarget("absolute")
    return ReferenceTarget("unknown")


def _restful(form: Form, match: re.Match[str]) -> ReferenceTarget:
    return ReferenceTarget(form, type=match[1], id=match[2], version=match[3])


def walk(resource: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every `Reference.reference` with its place, in extensions and contained resources too."""
    root = str(resource.get("resourceType", "Resource"))
    return [(place_of(path, root), text) for path, text in _walk(resource, ())]


def rewrite(
    resource: dict[str, Any], mapping: Callable[[str], str], links: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The resource with each reference `r` replaced by `mapping(r)`; unchanged parts are shared.

    `links` replaces whole values of uri, url and uuid elements, as a transaction does.
    """
    changed: dict[str, Any] = _rewrite(resource, mapping, links or {})
    return changed


def identifier_query(target: ReferenceTarget) -> tuple[str, str]:
    """The (system, value) of a conditional reference; raises `Invalid` for any other condition."""
    if len(target.query) == 1 and target.query[0][0] == "identifier":
        system, bar, value = target.query[0][1].partition("|")
        if bar and system and value:
            return system, value
    raise Invalid("a conditional reference has the form Type?identifier=system|value")


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "reference" and isinstance(item, str) and REFERENCE.issuperset(value):
                yield (*path, key), item
            elif isinstance(item, dict | list):
                yield from _walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                yield from _walk(item, (*path, index))


def _rewrite(
    value: Any,
    mapping: Callable[[str], str],
    links: Mapping[str, str],
    key: str = "",
    is_in_reference: bool = False,
) -> Any:
    """`value` rewritten, or the same object if there is no change."""
    if isinstance(value, str):
        if key == "reference" and is_in_reference:
            return mapping(value)
        return links.get(value, value) if links and key in _LINKS else value
    if isinstance(value, dict):
        is_reference = REFERENCE.issuperset(value)
        new = {name: _rewrite(item, mapping, links, name, is_reference) for name, item in value.items()}
        return new if any(new[name] is not value[name] for name in value) else value
    if isinstance(value, list):
        items = [_rewrite(item, mapping, links) for item in value]
        return items if any(one is not other for one, other in zip(items, value, strict=True)) else value
    return value
