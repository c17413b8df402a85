"""The proof of a version of a document: its opening.

The opening of a consent also has the proof of the patient's device: the opening of the device's binding, and
the public key of the provider that offered it.
"""

from dataclasses import replace

from carevouch.consent.signature import parse_body
from carevouch.door.access import Visit
from carevouch.door.consents import Consents, Devices, devices_of
from carevouch.door.http import HttpRequest, Reply
from carevouch.events.opening import Opening, make_opening, render_opening
from carevouch.identity.links import parse_device, read_offer
from carevouch.kernel.jws import take_apart
from carevouch.store.documents import StoredRevision
from services.records.ports import Ports
from services.records.read import document_visit, version_of


def opening(request: HttpRequest, ports: Ports) -> Reply:
    """GET /ledger/documents/{type}/{id}/{version}/opening: the file that proves this version."""
    with document_visit(request, ports, request.path["type"], "ledger-opening") as (visit, doc):
        stored = visit.one(version_of(visit, doc, request.path["version"])).stored
        file = _opening(stored)
        if doc.type == "Consent":
            file = _with_device(file, stored, visit)
        name = f"{doc.type}-{doc.id}-{stored.version}.opening.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Reply(200, render_opening(file).decode("utf-8"), headers, "application/json")


def _opening(stored: StoredRevision) -> Opening:
    return make_opening(stored.revision, stored.event.text, stored.certificate, stored.index, stored.path)


def _with_device(file: Opening, consent: StoredRevision, visit: Visit) -> Opening:
    """The opening with the device that signed the consent. An unsigned consent has no device."""
    signature = parse_body(consent.body)[1]
    consents = Consents(visit.access.reader, visit.access.base, visit.access.zone)
    devices = devices_of(visit.partition)
    if signature is None or not consents.is_signed(consent, devices):
        return file
    kid = take_apart(signature).kid
    for device in devices:
        # The first version is the binding itself. Later ones only change its status.
        if device.version == 1 and consents.binding([device], kid, consent.time):
            offer = read_offer(parse_device(device.body)[0]["offer"])
            provider = Devices(visit.access.reader).key_of(offer, device.time)
            return replace(file, device=_opening(device), provider=provider)
    return file
