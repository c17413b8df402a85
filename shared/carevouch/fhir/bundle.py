"""Bundles: the requests of a transaction or batch, and our answers.

Standard: http://hl7.org/fhir/R4/http.html#transaction and http://hl7.org/fhir/R4/bundle.html. One invalid
entry refuses a whole transaction. A batch keeps the issues with each entry. Other rooms decide where
references lead, who may write and how entries are stored.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import parse_qsl

from carevouch.fhir.definitions import resource_types
from carevouch.fhir.references import parse_target, walk
from carevouch.fhir.validate import MAX_ISSUES, check, check_shell
from carevouch.kernel.errors import Invalid, Issue

Kind = Literal["transaction", "batch"]

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of a Bundle.

    `type` and `id` come from its URL. `if_none_exist` holds the parameters of a conditional create. `issues`
    say why an entry of a batch cannot be done; elsewhere they are empty.
    """

    index: int
    method: str
    type: str
    id: str | None = None
    resource: dict[str, Any] | None = None
    full_url: str | None = None
    if_none_exist: tuple[tuple[str, str], ...] = ()
    if_match: str | None = None
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryRequest:
    """A transaction or batch, its entries in the order in which they were sent."""

    kind: Kind
    entries: tuple[Entry, ...]

    def links(self) -> dict[str, int]:
        """The names by which entries refer to each other, with their indices.

        A name is a fullUrl, or also `Type/id` where the fullUrl is RESTful.
        """
        indices: dict[str, int] = {}
        for entry in self.entries:
            if entry.full_url:
                indices[entry.full_url] = entry.index
                target = parse_target(entry.full_url)
                if target.form == "absolute" and target.type:
                    indices.setdefault(f"{target.type}/{target.id}", entry.index)
        return indices


def read_bundle(value: Any, methods: Sequence[str] = ("POST", "PUT")) -> EntryRequest:
    """The request in a parsed body. The server does only `methods` inside a Bundle.

    Raises `Invalid` with the issues, each at its place in the Bundle.
    """
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or value.get("resourceType") != "Bundle":
        raise _invalid(
            [Issue("the body must be a Bundle of type transaction or batch", "Bundle", "structure")]
        )
    if kind not in ("transaction", "batch"):
        issue = Issue("a Bundle sent here is a transaction or a batch", "Bundle.type", "not-supported")
        raise _invalid([issue])
    issues = check_shell(value)
    if issues:
        raise _invalid(issues)
    entries = []
    names_so_far: set[str] = set()
    for index, raw in enumerate(value.get("entry", [])):
        entry = _read_entry(index, raw, methods)
        names = {name for name in (entry.full_url, f"{entry.type}/{entry.id}" if entry.id else None) if name}
        if names & names_so_far and entry.method != "GET":
            issue = Issue(
                "an earlier entry is about the same resource", f"Bundle.entry[{index}]", "duplicate"
            )
            entry = replace(entry, issues=(*entry.issues, issue))
        names_so_far |= names
        entries.append(entry)
    request = EntryRequest(kind, tuple(entries))
    if kind == "transaction":
        faults = [issue for entry in request.entries for issue in entry.issues]
        faults += _dangling(request)
        if faults:
            raise _invalid(faults)
    return request


def _invalid(issues: Sequence[Issue]) -> Invalid:
    return Invalid(f"{issues[0].where}: {issues[0].message}", issues=tuple(issues[:MAX_ISSUES]))


def _read_entry(index: int, raw: dict[str, Any], methods: Sequence[str]) -> Entry:
    """One entry with its issues. The resource is checked only if the request is in order."""
    request, resource = raw["request"], raw.get("resource")
    url, _, _ = request["url"].partition("?")
    type_, _, id_ = url.partition("/")
    entry = Entry(
        index=index,
        method=request["method"],
        type=type_,
        id=id_ or None,
        resource=resource,
        full_url=raw.get("fullUrl"),
        if_none_exist=tuple(parse_qsl(request.get("ifNoneExist", "").rpartition("?")[2])),
        if_match=request.get("ifMatch"),
    )
    issues = list(_request_issues(entry, request, methods))
    if resource is not None and not issues:
        issues = check(resource, f"Bundle.entry[{index}].resource")
    return replace(entry, issues=tuple(issues))


def _request_issues(entry: Entry, request: dict[str, Any], methods: Sequence[str]) -> Iterator[Issue]:
    place = f"Bundle.entry[{entry.index}]"
    if entry.method not in methods:
        message = f"in a Bundle this server does {', '.join(methods)} only"
        yield Issue(message, f"{place}.request.method", "not-supported")
        return
    if entry.type not in resource_types() or (entry.id is not None and not _ID.fullmatch(entry.id)):
        yield Issue("the url is Type, or Type/id, of FHIR R4", f"{place}.request.url", "value")
        return
    if "?" in request["url"] and entry.method != "GET":
        message = "this server does no conditional updates or deletes"
        yield Issue(message, f"{place}.request.url", "not-supported")
    if (entry.method == "POST") == (entry.id is not None) and entry.method != "GET":
        shape = "a Type for POST" if entry.method == "POST" else f"Type/id for {entry.method}"
        yield Issue(f"the url is {shape}", f"{place}.request.url", "value")
    if entry.method not in ("POST", "PUT"):
        return
    if entry.resource is None:
        yield Issue("a resource is needed here", f"{place}.resource", "required")
        return
    if entry.resource.get("resourceType") != entry.type:
        yield Issue("the resource must be of the url's type", f"{place}.resource.resourceType", "value")
    if entry.method == "PUT" and entry.resource.get("id") != entry.id:
        yield Issue("the resource's id must be the url's", f"{place}.resource.id", "value")
    if "ifNoneExist" in request and (entry.method != "POST" or not entry.if_none_exist):
        message = "a conditional create is a POST with search parameters"
        yield Issue(message, f"{place}.request.ifNoneExist", "value")


def _dangling(request: EntryRequest) -> list[Issue]:
    """References by URN that no entry answers to. Such a transaction cannot be stored whole."""
    links = request.links()
    return [
        Issue(
            "no entry of this Bundle has this fullUrl",
            f"Bundle.entry[{entry.index}].resource.{place.partition('.')[2]}",
            "not-found",
        )
        for entry in request.entries
        if entry.resource is not None
        for place, text in walk(entry.resource)
        if text not in links and parse_target(text).form == "urn"
    ]


# --- Bundles that we answer with ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EntryResponse:
    """One entry of the response to a transaction or batch, with a status such as `201 Created`."""

    status: str
    location: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    outcome: dict[str, Any] | None = None
    resource: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One entry of a history: a version of a resource, and the request that made it."""

    full_url: str
    method: Literal["POST", "PUT", "DELETE"]
    url: str
    status: str
    etag: str
    last_modified: str
    resource: dict[str, Any] | None = None


def response(kind: Kind, answers: Sequence[EntryResponse]) -> dict[str, Any]:
    """The response to a transaction or batch, with an answer per entry, in order."""
    entries = [
        _present(
            resource=one.resource,
            response=_present(
                status=one.status,
                location=one.location,
                etag=one.etag,
                lastModified=one.last_modified,
                outcome=one.outcome,
            ),
        )
        for one in answers
    ]
    return _bundle(f"{kind}-response", entries)


def searchset(
    matches: Iterable[tuple[str, dict[str, Any]]],
    *,
    self_url: str,
    next_url: str | None = None,
    total: int | None = None,
    outcome: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A page of search results, each (fullUrl, resource).

    Give `total` only if it is known and the caller may know it.
    """
    entries = [{"fullUrl": url, "resource": one, "search": {"mode": "match"}} for url, one in matches]
    if outcome:
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    return _bundle("searchset", entries, total=total, link=_links(self_url, next_url))


def history(
    versions: Iterable[Version], *, self_url: str, next_url: str | None = None, total: int | None = None
) -> dict[str, Any]:
    """A page of a history, newest version first."""
    entries = [
        _present(
            fullUrl=one.full_url,
            resource=one.resource,
            request={"method": one.method, "url": one.url},
            response={"status": one.status, "etag": one.etag, "lastModified": one.last_modified},
        )
        for one in versions
    ]
    return _bundle("history", entries, total=total, link=_links(self_url, next_url))


def _links(self_url: str, next_url: str | None) -> list[dict[str, str]]:
    links = [{"relation": "self", "url": self_url}]
    return [*links, {"relation": "next", "url": next_url}] if next_url else links


def _bundle(type_: str, entries: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    # FHIR JSON has no empty arrays: a Bundle without entries has no `entry`.
    return _present(resourceType="Bundle", type=type_, **more, entry=entries or None)


def _present(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
