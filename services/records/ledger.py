"""What proves a document: its history in the log, a version as the log has it, and the opening of one.

A version counts from its block time: `history` between two times, and as of one, go by that and never by what
a producer claims.

An opening of a consent carries what makes the patient's signature count: the opening of the device's
binding, and the public key of the provider that offered it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.records.ports import Ports
from services.records.read import partition_of, version_of, visited
from services.records.shape import last
from shared.aws.access import Seen, Visit
from shared.aws.consents import Consents, devices_of
from shared.aws.devices import Devices
from shared.aws.documents import Stored
from shared.aws.http import ABSENT, Incoming, Reply
from shared.consent.signature import parse_body
from shared.events.opening import Opening, render_opening
from shared.identity.binding import parse_device, read_offer
from shared.kernel.canonical import JsonObject
from shared.kernel.errors import Invalid, NotFound
from shared.kernel.ids import Doc
from shared.kernel.jsontext import render
from shared.kernel.jws import take_apart
from shared.kernel.times import rfc3339
from shared.records.openings import ledger_line, opening_of
from shared.records.timeline import FIRST, NEVER, current_at, current_between
from shared.records.views import Sealing, committed_view, with_data

JSON = "application/json"


def history(incoming: Incoming, ports: Ports) -> Reply:
    """GET /ledger/documents/{type}/{id}/history: a list, oldest version first.

    With `from` and `to` the versions that were current at some instant in between (`to` excluded), with `at`
    the one that was current then.
    """

    def work(visit: Visit, doc: Doc) -> Reply:
        asked = _asked(incoming)
        seen = visit.see(partition_of(visit, doc).history(doc))
        if not seen:
            raise NotFound(ABSENT)
        if not asked:
            visit.show(seen)
            lines = [ledger_line(one.stored.revision, one.stored.event, one.stored.index) for one in seen]
            return Reply(200, render(lines).decode("utf-8"), content_type=JSON)
        return _as_sealed(seen, asked, visit, ports)

    return visited(incoming, ports, incoming.path["type"], "ledger-history", work)


def revision(incoming: Incoming, ports: Ports) -> Reply:
    """GET /ledger/documents/{type}/{id}/{version}: the committed view, with the stored bytes."""

    def work(visit: Visit, doc: Doc) -> Reply:
        seen = visit.one(version_of(visit, doc, incoming.path["version"]))
        view = _view(seen, ports.sealed.places([seen.stored.event]), ports)
        return Reply(200, with_data(view, seen.stored.body).decode("utf-8"), content_type=JSON)

    return visited(incoming, ports, incoming.path["type"], "ledger-revision", work)


def _as_sealed(seen: Sequence[Seen], asked: Mapping[str, str], visit: Visit, ports: Ports) -> Reply:
    """The versions that were current when asked, in the committed view."""
    sealings = ports.sealed.places(one.stored.event for one in seen)
    times = [sealings[id_].time if (id_ := one.stored.event.id) in sealings else None for one in seen]
    if "at" in asked:
        current = current_at(times, asked["at"])
        if current is None:
            raise NotFound("no version of it was sealed by then")
        chosen = [seen[current]]
    else:
        between = current_between(times, asked.get("from", FIRST), asked.get("to", NEVER))
        chosen = [seen[index] for index in between]
    visit.show(chosen)
    views = [_view(one, sealings, ports) for one in chosen]
    return Reply(200, render(views).decode("utf-8"), content_type=JSON)


def _view(seen: Seen, sealings: Mapping[str, Sealing], ports: Ports) -> JsonObject:
    stored = seen.stored
    sealing = sealings.get(stored.event.id)
    return committed_view(stored.revision, stored.event, stored.index, sealing, ports.access.base)


def _asked(incoming: Incoming) -> dict[str, str]:
    """The times asked for, as instants; raises `Invalid`, `Malformed`."""
    if not {"from", "to", "at"}.issuperset(incoming.query):
        raise Invalid("the history in the log takes from and to, or at")
    given = {name: last(incoming, name) for name in ("from", "to", "at")}
    asked = {name: rfc3339(text, name) for name, text in given.items() if text is not None}
    if "at" in asked and len(asked) > 1:
        raise Invalid("ask for a time (at) or for a span (from, to), not for both")
    if asked.get("from", FIRST) > asked.get("to", NEVER):
        raise Invalid("from is later than to")
    return asked


def opening(incoming: Incoming, ports: Ports) -> Reply:
    """GET /ledger/documents/{type}/{id}/{version}/opening: the file that proves this version."""

    def work(visit: Visit, doc: Doc) -> Reply:
        stored = visit.one(version_of(visit, doc, incoming.path["version"])).stored
        file = _opening(stored)
        if doc.type == "Consent":
            file = _with_device(file, stored, visit)
        name = f"{doc.type}-{doc.id}-{stored.version}.opening.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Reply(200, render_opening(file).decode("utf-8"), headers, JSON)

    return visited(incoming, ports, incoming.path["type"], "ledger-opening", work)


def _opening(stored: Stored) -> Opening:
    return opening_of(stored.revision, stored.event, stored.certificate, stored.index, stored.path)


def _with_device(file: Opening, consent: Stored, visit: Visit) -> Opening:
    """With the device that signed it, if one did; a consent that nobody signed is opened alone."""
    signature = parse_body(consent.body)[1]
    consents = Consents(visit.access.reader, visit.access.base, visit.access.zone)
    devices = devices_of(visit.partition)
    if signature is None or not consents.is_signed(consent, devices):
        return file
    kid = take_apart(signature).kid
    for device in devices:
        # The first version is the binding itself; later ones only say what became of it.
        if device.version == 1 and consents.binding([device], kid, consent.time):
            offer = read_offer(parse_device(device.body)[0]["offer"])
            provider = Devices(visit.access.reader).key_of(offer, device.time)
            return replace(file, device=_opening(device), provider=provider)
    return file
