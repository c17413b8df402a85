"""The consents of a person, each with the verdict whether a device bound at the time signed exactly it.

Whoever can write to the table can put a row there; without the signature of a key that the person's own
device holds, bound before that moment (see `devices`), it permits nothing. It may still refuse.
"""

from datetime import tzinfo

from carevouch.consent.model import Consent
from carevouch.consent.read import read_consent, unreadable
from carevouch.consent.signature import parse_body, verify_grant
from carevouch.door.devices import Devices, devices_of
from carevouch.identity.binding import Binding
from carevouch.kernel.errors import DomainError, IntegrityFault
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import take_apart
from carevouch.store.documents import Partition, Reader, StoredRevision

__all__ = ["GRANTED", "Consents", "devices_of"]
GRANTED = "consent.granted"


class Consents:
    """Reads consents and the device bindings that make them count."""

    def __init__(self, reader: Reader, base: str, zone: tzinfo) -> None:
        self._reader = reader
        self._base = base
        self._zone = zone
        self._devices = Devices(reader)

    def of(self, partition: Partition) -> tuple[Consent, ...]:
        """All consents of a person, in their latest version."""
        latest = partition.latest("Consent")
        if not latest:
            return ()
        devices = devices_of(partition)
        return tuple(self._read(stored, devices) for stored in latest)

    def is_signed(self, stored: StoredRevision, devices: list[StoredRevision]) -> bool:
        """Whether a device that was bound when the revision was stored signed exactly this revision.

        Only the act of granting makes a signature count: a signed grant that came to nothing (refused,
        expired) cannot be brought in later through another door. `devices`: as `devices_of` gives them.
        """
        content, signature = parse_body(stored.body)
        if signature is None or stored.event.type != GRANTED:
            return False
        try:
            binding = self.binding(devices, take_apart(signature).kid, stored.time)
            if binding is None or binding.patient != stored.doc.subject:
                return False
            verify_grant(
                signature,
                binding.device,
                content=content,
                doc=str(stored.doc),
                version=stored.version,
                prev=stored.revision.prev,
            )
        except (IntegrityFault, DomainError):
            return False
        return True

    def binding(self, devices: list[StoredRevision], kid: str, at: str) -> Binding | None:
        """The verified binding of the device with this key, if it was active at the instant `at`."""
        standing = (binding for _, binding in self._devices.standing(devices, at))
        return next((binding for binding in standing if binding.kid == kid), None)

    def _read(self, stored: StoredRevision, devices: list[StoredRevision]) -> Consent:
        reference, patient = str(stored.doc), f"Patient/{stored.doc.subject}"
        try:
            content = parse(parse_body(stored.body)[0], "a stored Consent")
        except DomainError:
            return unreadable(reference, stored.version, patient)
        return read_consent(
            content,
            base=self._base,
            zone=self._zone,
            signed=self.is_signed(stored, devices),
            reference=reference,
            version=stored.version,
            patient=patient,
        )
