"""The consents of a person, each with the verdict whether a device bound at the time signed exactly it.

A row in the table permits nothing by itself. It needs the signature of a key of the person's own device,
which must have been bound before that moment (see `Devices`). An unsigned consent may still refuse.
"""

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from carevouch.consent.model import Consent
from carevouch.consent.read import read_consent, unreadable
from carevouch.consent.signature import check_signed, parse_body
from carevouch.door.http import ABSENT
from carevouch.identity.caller import PROVIDER, parse_admission
from carevouch.identity.links import (
    ACTIVE,
    Binding,
    Offer,
    check_enrolment,
    enrolment_doc,
    parse_device,
    read_offer,
    verify_binding,
)
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.errors import DomainError, Erased, Forbidden, IntegrityFault, NotFound
from carevouch.kernel.ids import DIRECTORY, PART, Doc
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import Jwk, take_apart
from carevouch.store.documents import Partition, Reader, StoredRevision

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

        A signature counts only in the act of granting. So a signed grant of a refused or expired request
        cannot be used later through another door. `devices` are from `devices_of`.
        """
        _, signature = parse_body(stored.body)
        if signature is None or stored.event.type != GRANTED:
            return False
        try:
            binding = self.binding(devices, take_apart(signature).kid, stored.time)
            if binding is None or binding.patient != stored.doc.subject:
                return False
            check_signed(
                stored.body,
                binding.device,
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


class Devices:
    """Checks bindings for one request. It caches the admissions and registrations that it read."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._terms: dict[str, list[StoredRevision]] = {}
        self._registrations: dict[Doc, tuple[StoredRevision | None, StoredRevision | None]] = {}

    def standing(
        self, revisions: Sequence[StoredRevision], at: str | None = None
    ) -> Iterator[tuple[Doc, Binding]]:
        """The proved devices that were active at the instant `at`; None means now.

        `revisions` are from `devices_of`.
        """
        before = [revision for revision in revisions if at is None or revision.time <= at]
        bound = {revision.doc: revision for revision in reversed(before)}
        latest = {revision.doc: revision for revision in before}
        for doc, revision in latest.items():
            binding = self._proven(bound[doc], revision)
            if binding is not None:
                yield doc, binding

    def key_of(self, offer: Offer, at: str) -> Jwk:
        """The key that signed `offer`, from its provider's admission that was in force at `at`.

        Raises `Forbidden` unless that admission is an active provider's and has the key.
        """
        in_force = [terms for terms in self._admissions(offer.provider) if terms.time <= at]
        admission = parse_admission(in_force[-1].body) if in_force else None
        if admission is not None and admission.active and PROVIDER in admission.roles:
            key = admission.key(offer.kid)
            if key is not None:
                return {name: str(key[name]) for name in ("kty", "crv", "x", "y") if name in key}
        raise Forbidden("the offer is not by a key of an admitted provider")

    def require_registrar(self, offer: Offer, at: str) -> None:
        """Raise `Forbidden` unless the offer's provider registered the person, before `at`.

        It did if its link with the person is in the act that made the Patient. Raises `NotFound` if there is
        no link, because a person without a link looks absent to a provider.
        """
        link, patient = self._registration(offer.patient, offer.provider)
        if link is None or link.time > at:
            raise NotFound(ABSENT)
        check_enrolment(link.body, offer.patient, offer.provider)
        if patient is None or patient.event.text != link.event.text:
            raise Forbidden("only the provider that registered the person may enrol a device")

    def _proven(self, bound: StoredRevision, latest: StoredRevision) -> Binding | None:
        try:
            posted, status = parse_device(latest.body)
            # A later version changes the device's status, and never its key.
            if status != ACTIVE or posted != parse_device(bound.body)[0]:
                return None
            return self._verified(posted, bound)
        except (IntegrityFault, DomainError):
            # One device without proof must not void the signatures of other devices.
            return None

    def _verified(self, posted: JsonObject, bound: StoredRevision) -> Binding | None:
        offer = read_offer(posted["offer"])
        if offer.patient != bound.doc.subject:
            return None
        binding = verify_binding(posted, self.key_of(offer, bound.time), bound.time)
        self.require_registrar(offer, bound.time)
        return binding

    def _admissions(self, organization: str) -> list[StoredRevision]:
        if not organization.startswith(f"{DIRECTORY}."):
            return []
        if organization not in self._terms:
            doc = Doc("Admission", organization)
            self._terms[organization] = self._reader.partition_of(doc).history(doc)
        return self._terms[organization]

    def _registration(
        self, patient: str, organization: str
    ) -> tuple[StoredRevision | None, StoredRevision | None]:
        """The first versions of the link of this pair and of the Patient."""
        if not PART.fullmatch(patient):
            return None, None
        doc = enrolment_doc(self._reader.keys.deployment(), patient, organization)
        if doc not in self._registrations:
            try:
                person = self._reader.person(patient)
            except (NotFound, Erased):
                return None, None
            self._registrations[doc] = person.version(doc, 1), person.version(Doc("Patient", patient), 1)
        return self._registrations[doc]


def devices_of(partition: Partition) -> list[StoredRevision]:
    """All revisions of a person's devices, each device's oldest first.

    A device that was removed later had the right to sign before, so the latest revision is not enough.
    """
    found: list[StoredRevision] = []
    for latest in partition.latest("BoundDevice"):
        found.extend([latest] if latest.version == 1 else partition.history(latest.doc))
    return found
