"""The check, for `verify_opening`, that a device of the consent's person gave the consent."""

from carevouch.events.opening import ProvedRevision
from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.jws import Jwk


def check_consent(consent: ProvedRevision, device: ProvedRevision, provider: Jwk) -> None:
    """Raise unless a device signed the consent that was bound to its person at that time."""
    # Imported only for consents, because most openings are of other documents.
    from carevouch.consent.signature import check_signed
    from carevouch.identity.links import parse_device, verify_binding

    posted, status = parse_device(device.body)
    binding = verify_binding(posted, provider, device.event.time)
    if device.event.type != "device.bound" or status != "active":
        raise IntegrityFault("the device's opening does not show an active binding")
    if not binding.patient == device.doc.subject == consent.doc.subject:
        raise IntegrityFault("the device is bound to another person than the consent is about")
    if device.event.time > consent.event.time:
        raise IntegrityFault("the device was bound only after the consent was given")
    check_signed(
        consent.body, binding.device, doc=str(consent.doc), version=consent.version, prev=consent.prev
    )
