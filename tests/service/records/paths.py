"""Every path by which a document of a person could show, and what each of them shows to somebody.

Records of other systems leaked on such paths; these are the ones that exist
here. Each takes a scene, a caller and the person's stored revisions, and gives the references (with version)
that the caller could learn from it.
"""

from collections.abc import Callable, Iterable
from typing import Any

from carevouch.kernel.encoding import unb64u
from carevouch.store.documents import StoredRevision
from tests.api import Answer
from tests.service.records.conftest import Scene, resources

Path = Callable[[Scene, Any, list[StoredRevision]], set[str]]


def revision(stored: StoredRevision) -> str:
    """`Type/id@version`."""
    return f"{stored.doc}@{stored.version}"


def latest(revisions: Iterable[StoredRevision]) -> list[StoredRevision]:
    """The newest revision of each document."""
    newest: dict[Any, StoredRevision] = {}
    for stored in revisions:
        newest[stored.doc] = max(newest.get(stored.doc, stored), stored, key=lambda one: one.version)
    return list(newest.values())


def read(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    answers = (scene.get(who, f"/fhir/{one.doc}") for one in latest(stored))
    return {named(answer.json()) for answer in answers if ok(answer)}


def vread(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    answers = (scene.get(who, f"/fhir/{one.doc}/_history/{one.version}") for one in stored)
    return {named(answer.json()) for answer in answers if ok(answer)}


def history(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    answers = (scene.get(who, f"/fhir/{one.doc}/_history") for one in latest(stored))
    found = [answer.json() for answer in answers if ok(answer)]
    assert all(bundle["total"] == len(bundle["entry"]) for bundle in found)
    return {named(resource) for bundle in found for resource in resources(bundle)}


def search(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    return {
        named(resource)
        for query in queries(stored)
        for page in scene.pages(who, query)
        for resource in resources(page)
    }


def search_by_id(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    found: set[str] = set()
    for one in latest(stored):
        of = "" if one.doc.type == "Patient" else f"&patient={one.doc.subject}"
        for page in scene.pages(who, f"/fhir/{one.doc.type}?_id={one.doc.id}{of}"):
            found |= {named(resource) for resource in resources(page)}
    return found


def next_links(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    found: set[str] = set()
    for query in queries(stored):
        for page in scene.pages(who, f"{query}&_count=1"):
            assert len(resources(page)) <= 1
            found |= {named(resource) for resource in resources(page)}
    return found


def total(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    """A total tells how many there are: as many as are shown, or it tells of others."""
    found: set[str] = set()
    for query in queries(stored):
        shown = [named(resource) for page in scene.pages(who, query) for resource in resources(page)]
        for more in ("&_count=0", "&_total=accurate"):
            assert scene.get(who, query + more).json()["total"] == len(shown)
        found |= set(shown)
    return found


def sorted_search(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    found: set[str] = set()
    for query in queries(stored):
        for page in scene.pages(who, f"{query}&_sort=-_lastUpdated&_count=2"):
            found |= {named(resource) for resource in resources(page)}
    return found


def everything(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    found: set[str] = set()
    for page in scene.pages(who, f"/fhir/Patient/{subject(stored)}/$everything?_count=3"):
        found |= {named(resource) for resource in resources(page)}
    return found


def everything_of_a_type(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    found: set[str] = set()
    for type_ in {one.doc.type for one in stored}:
        for page in scene.pages(who, f"/fhir/Patient/{subject(stored)}/%24everything?_type={type_}"):
            found |= {named(resource) for resource in resources(page)}
    return found


def ledger_history(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    found: set[str] = set()
    for one in latest(stored):
        answer = scene.get(who, f"/ledger/documents/{one.doc}/history")
        if ok(answer):
            found |= {f"{one.doc}@{line['version']}" for line in answer.json()}
    return found


def opening(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    found: set[str] = set()
    for one in stored:
        answer = scene.get(who, f"/ledger/documents/{one.doc}/{one.version}/opening")
        if ok(answer):
            assert unb64u(answer.json()["body"]) == one.body
            found.add(revision(one))
    return found


def ledger_revision(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    found: set[str] = set()
    for one in stored:
        answer = scene.get(who, f"/ledger/documents/{one.doc}/{one.version}")
        if ok(answer):
            assert answer.body.endswith(one.body + b"}")
            found.add(committed(answer.json()))
    return found


def ledger_as_of(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    """Sealed together, only the last version of each document is ever current."""
    scene.log.seal()
    now = scene.world.clock()
    answers = (scene.get(who, f"/ledger/documents/{one.doc}/history?at={now}") for one in latest(stored))
    return {committed(answer.json()) for answer in answers if ok(answer)}


def ledger_span(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    scene.log.seal()
    now = scene.world.clock()
    answers = (scene.get(who, f"/ledger/documents/{one.doc}/history?from={now}") for one in latest(stored))
    return {committed(one) for answer in answers if ok(answer) for one in answer.json()["revisions"]}


def ledger_feed(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    scene.log.seal()
    found: set[str] = set()
    position = ""
    while True:
        answer = scene.get(
            who, f"/ledger/documents/Patient/{subject(stored)}/feed?limit=3&position={position}"
        )
        if not ok(answer) or not answer.json()["records"]:
            return found
        found |= {committed(one) for one in answer.json()["records"]}
        position = answer.json()["next"]


def not_modified(scene: Scene, who: Any, stored: list[StoredRevision]) -> set[str]:
    """304 says that the caller's guess of the current version is right."""
    found: set[str] = set()
    for one in latest(stored):
        answer = scene.get(who, f"/fhir/{one.doc}", if_none_match=f'W/"{one.version}"')
        if answer.status == 304:
            found.add(revision(one))
    return found


# Those that show old versions too, and those that show the current one alone.
OF_VERSIONS: dict[str, Path] = {
    "vread": vread,
    "history": history,
    "ledger history": ledger_history,
    "opening": opening,
    "ledger revision": ledger_revision,
    "ledger feed": ledger_feed,
}
OF_LATEST: dict[str, Path] = {
    "read": read,
    "304": not_modified,
    "ledger as of": ledger_as_of,
    "ledger span": ledger_span,
    "search": search,
    "search by id": search_by_id,
    "next links": next_links,
    "total": total,
    "sorted search": sorted_search,
    "$everything": everything,
    "$everything of a type": everything_of_a_type,
}
PATHS = OF_VERSIONS | OF_LATEST


def queries(stored: list[StoredRevision]) -> list[str]:
    """A search for each type that the person has documents of."""
    types = sorted({one.doc.type for one in stored} - {"Patient"})
    person = subject(stored)
    return [f"/fhir/Patient?_id={person}", *(f"/fhir/{type_}?patient=Patient/{person}" for type_ in types)]


def subject(stored: list[StoredRevision]) -> str:
    return str(stored[0].doc.subject)


def named(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}@{resource['meta']['versionId']}"


def committed(view: dict[str, Any]) -> str:
    return f"{view['metadata']['id']}@{view['metadata']['version']}"


def ok(answer: Answer) -> bool:
    assert answer.status in (200, 404), answer.body
    return answer.status == 200
