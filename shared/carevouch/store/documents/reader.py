"""Reads revisions that are visible, decrypt in their own row, and are under the root of a valid event.

A forger with write access to the table cannot make this reader believe a revision. A true revision needs the
person's key, a signing key that a service root certified for that event type, and a leaf under the signed
root. A false revision raises an `IntegrityFault` and is never skipped, because a skipped row would look like
a refusal.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, TypeVar

from carevouch.events.act import NONCE_BYTES, Revision
from carevouch.events.catalogue import OPERATOR, may_write
from carevouch.events.certificate import Certificate, parse_certificate, verify_certificate, verify_event
from carevouch.events.envelope import Event, parse_event
from carevouch.events.genesis import Genesis
from carevouch.identity.links import every_identifier_of, identifiers_of
from carevouch.kernel.errors import Conflict, IntegrityFault, Malformed
from carevouch.kernel.ids import Doc, Key, parse_key, parse_reference
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import take_apart, verify
from carevouch.ledger.merkle import root_from_inclusion
from carevouch.store.documents.model import (
    ABORTED,
    REJECTED_SUFFIX,
    StoredRevision,
    home_of,
    path_of,
    unpack_keys,
)
from carevouch.store.keys import CERT_ROW, KeyRing, associated_data, decrypt
from carevouch.store.rows import Row, Rows

Parsed = TypeVar("Parsed", Certificate, Event)
SEAL_TYP = "carevouch-seal+jws"
# Verified events are cached by their text, so that a page of one act checks one signature.
MAX_EVENTS = 4_096


class Reader:
    """Opens partitions, and caches the verified certificates and events of this environment."""

    def __init__(self, rows: Rows, keys: KeyRing, genesis: Callable[[], Genesis], deployment: str) -> None:
        self.rows = rows
        self.keys = keys
        self.genesis = genesis
        self.deployment = deployment
        self._certificates: dict[str, Certificate] = {}
        self._events: OrderedDict[str, Event] = OrderedDict()

    def person(self, patient: str) -> "Partition":
        """The partition of a person; raises `NotFound`, `Erased`."""
        return Partition(self, f"P#{patient}", self.keys.person(patient).data)

    def directory(self, type_: str) -> "Partition":
        """The documents of a directory type."""
        return Partition(self, f"D#{type_}", self.keys.deployment().data)

    def month_of_audit(self, patient: str | None, month: str) -> "Partition":
        """The AuditEvents about a person in `yyyy-mm`; None for those about unknown people."""
        if patient is None:
            return Partition(self, f"A#none#{month}", self.keys.deployment().data)
        return Partition(self, f"A#{patient}#{month}", self.keys.person(patient).data)

    def find(self, doc: Doc) -> StoredRevision | None:
        """The latest visible revision of a document in any partition."""
        return self.partition_of(doc).get(doc)

    def existing(self, docs: Iterable[Doc]) -> frozenset[Doc]:
        """The documents that exist and are visible. No body is decrypted for this."""
        wanted = {doc.key(1): doc for doc in docs}
        rows = self.rows.get_many(sorted(wanted))
        homes = {**rows, **self.rows.get_many(sorted({home_of(row) for row in rows.values()} - rows.keys()))}
        return frozenset(wanted[key] for key, row in rows.items() if _is_visible(homes.get(home_of(row))))

    def partition_of(self, doc: Doc) -> "Partition":
        """The partition of a document, opened with the right key."""
        if doc.type == "Erasure" or doc.subject is None:
            return Partition(self, doc.pk(), self.keys.deployment().data)
        return Partition(self, doc.pk(), self.keys.person(doc.subject).data)

    def certificate(self, kid: str) -> Certificate | None:
        """The verified certificate of a signing key, or None."""
        known = self._certificates.get(kid)
        if known is None:
            row = self.rows.get(Key(f"K#{kid}", CERT_ROW))
            text = row.text("event") if row else None
            if text is None:
                return None
            known = _stored(parse_certificate, text)
            verify_certificate(known, self.genesis())
            self._certificates[kid] = known
        return known

    def event(self, text: str) -> Event:
        """The verified event; raises `IntegrityFault`."""
        known = self._events.get(text)
        if known is None:
            known = _stored(parse_event, text)
            certificate = None if known.producer == OPERATOR else self.certificate(known.kid)
            verify_event(known, certificate, self.genesis())
            self._events[text] = known
            if len(self._events) > MAX_EVENTS:
                self._events.popitem(last=False)
        return known

    def certificate_text(self, event: Event) -> str | None:
        """The certificate that goes with an event in a receipt or opening; None for the operator's."""
        certificate = None if event.producer == OPERATOR else self.certificate(event.kid)
        return certificate.text if certificate else None


class Partition:
    """A partition with its opened key. Every read is consistent."""

    def __init__(self, reader: Reader, pk: str, data_key: bytes) -> None:
        self.pk = pk
        self._reader = reader
        self._data_key = data_key

    def get(self, doc: Doc) -> StoredRevision | None:
        """The latest visible revision of `doc`; raises `IntegrityFault` if the log rejected it."""
        history = self.history(doc)
        return history[-1] if history else None

    def version(self, doc: Doc, version: int) -> StoredRevision | None:
        """One visible revision."""
        found = self._revisions(doc.key(version).sk)
        return found[0] if found else None

    def history(self, doc: Doc) -> list[StoredRevision]:
        """All visible revisions, oldest first; their chain of leaf hashes holds."""
        revisions = self._revisions(f"{doc.type}#{doc.id}#v#")
        for earlier, stored in zip([None, *revisions], revisions, strict=False):
            expected = earlier.revision.leaf_hash if earlier else None
            if stored.revision.prev != expected or stored.version != (earlier.version if earlier else 0) + 1:
                raise IntegrityFault("the versions of a document do not follow each other")
        return revisions

    def all(self) -> list[StoredRevision]:
        """All visible revisions of every document, in key order."""
        return self._revisions("")

    def latest(self, type_: str | None = None) -> list[StoredRevision]:
        """The latest visible revision of every document (of one type), in key order."""
        revisions = self._revisions(f"{type_}#" if type_ else "")
        return [list(group)[-1] for _, group in groupby(revisions, key=lambda stored: stored.doc)]

    def _revisions(self, prefix: str) -> list[StoredRevision]:
        rows = self._reader.rows.query(self.pk, prefix)
        revisions = [row for row in rows if "#v#" in row.key.sk and not _is_mark(row)]
        homes = {row.key: row for row in rows}
        missing = {home_of(row) for row in revisions} - homes.keys()
        homes |= self._reader.rows.get_many(sorted(missing))
        visible = [row for row in revisions if _is_visible(homes.get(home_of(row)))]
        visible = self._whole(prefix, visible, homes)
        self._refuse_rejected(rows, visible)
        return [self._open(row, homes[home_of(row)]) for row in visible]

    def _whole(self, prefix: str, visible: list[Row], homes: dict[Key, Row]) -> list[Row]:
        """`visible` with the rows of its acts that the query missed.

        A query is not a snapshot. It may show only the later rows of an act that was committed meanwhile.
        The row with the event lists all rows of the act, so the missing ones are read too. An act shows
        whole or not at all.
        """
        seen = {row.key for row in visible}
        acts = {home_of(row) for row in visible}
        late = [key for home in acts for key in unpack_keys(homes[home], self.pk, prefix) if key not in seen]
        if not late:
            return visible
        found = self._reader.rows.get_many(late)
        if len(found) < len(late):
            raise IntegrityFault("a row of a stored act is missing")
        return sorted([*visible, *found.values()], key=lambda row: row.key)

    def _open(self, row: Row, home: Row) -> StoredRevision:
        doc, version = _parsed(row)
        event = self._reader.event(home.text("event") or "")
        # An erasure outlives the person's key, so its row in the person's partition is under the
        # deployment's key.
        data_key = self._reader.keys.deployment().data if doc.type == "Erasure" else self._data_key
        plain = decrypt(data_key, row.binary("ct") or b"", associated_data(self._reader.deployment, row.key))
        if len(plain) < NONCE_BYTES:
            raise IntegrityFault(f"a stored {doc.type} has no nonce")
        revision = Revision(doc, version, row.binary("prev"), plain[:NONCE_BYTES], plain[NONCE_BYTES:])
        index, path = row.number("index") or 0, path_of(row)
        if event.id != row.text("act") or not may_write(event.type, doc.type, version):
            raise IntegrityFault(f"the event of a stored {doc.type} may not write this type")
        if root_from_inclusion(index, event.count, revision.leaf_hash, path) != event.root:
            raise IntegrityFault(f"a stored {doc.type} is not under the root of its event")
        return StoredRevision(revision, row.key, event, index, path, self._reader.certificate_text(event))

    def _refuse_rejected(self, rows: Iterable[Row], visible: Sequence[Row]) -> None:
        marks = {row.key.sk.removesuffix(REJECTED_SUFFIX): row for row in rows if _is_mark(row)}
        if not marks:
            return
        newest = {_parsed(row)[0]: row for row in visible}
        for row in newest.values():
            mark = marks.get(row.key.sk)
            if mark is not None and self._is_rejection(mark, row.text("act")):
                raise IntegrityFault("the log rejected the latest version; it must be corrected first")

    def _is_rejection(self, mark: Row, act: str | None) -> bool:
        # An unsigned marker is ignored: else whoever can write a row could hide a document.
        try:
            seal = verify(take_apart(mark.text("event") or ""), self._reader.genesis().seal, SEAL_TYP)
        except (IntegrityFault, Malformed):
            return False
        return seal.get("type") == "event.rejected" and seal.get("data", {}).get("id") == act


def _stored(parse: Callable[[str], Parsed], text: str) -> Parsed:
    # What is stored was never a caller's: if it does not parse, that is no mistake of theirs.
    try:
        return parse(text)
    except Malformed as error:
        raise IntegrityFault(f"what is stored cannot be read: {error.message}") from error


def _is_visible(home: Row | None) -> bool:
    return home is not None and home.text("event") is not None and home.text("state") != ABORTED


def _parsed(row: Row) -> tuple[Doc, int]:
    try:
        return parse_key(row.key)
    except ValueError as error:
        raise IntegrityFault("a stored row has the key of no revision") from error


def _is_mark(row: Row) -> bool:
    return row.key.sk.endswith(REJECTED_SUFFIX)


class Superseded(Conflict):
    """An identifier leads to a person who no longer has it; `doc` says to whom, to the server alone."""

    def __init__(self, doc: Doc) -> None:
        super().__init__(
            "an earlier record once had one of these identifiers; ask the operator to settle whose it is"
        )
        self.doc = doc


class Index:
    """Looks identifiers up and names their rows."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def blind(self, type_: str, system: str, value: str) -> str:
        """The partition key of an identifier's row."""
        return self._reader.keys.deployment().blind(type_, system, value)

    def blinds(self, resource: dict[str, Any]) -> list[str]:
        """The partition keys of all identifiers of a resource; raises `Unprocessable` for too many."""
        return self._blinds(resource, identifiers_of(resource))

    def blinds_of_body(self, body: bytes) -> list[str]:
        """The same, from a stored body; raises `Malformed` for one that holds no resource."""
        resource = parse(body, "a stored Patient")
        if not isinstance(resource, dict):
            raise Malformed("a stored Patient is not a JSON object")
        return self._blinds(resource, every_identifier_of(resource))

    def find(self, blinds: Iterable[str]) -> dict[str, Doc]:
        """The identifiers that are taken, each with its document."""
        rows = self._reader.rows.get_many([Key(blind, "id") for blind in dict.fromkeys(blinds)])
        return {key.pk: parse_reference(row.text("doc") or "") for key, row in rows.items()}

    def resolve(self, identifiers: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str, str], Doc]:
        """The taken ones among (type, system, value), each with its document; raises `Superseded`."""
        blinds = {self.blind(*identifier): identifier for identifier in identifiers}
        return {blinds[blind]: doc for blind, doc in self.current(blinds).items()} if blinds else {}

    def current(self, blinds: Iterable[str]) -> dict[str, Doc]:
        """The same, if every person found still has the identifier that led to them; raises `Superseded`.

        A row stays when a Patient is corrected, so that nobody else is handed its identifier unseen. A caller
        with that identifier may mean either person, and only people can tell.
        """
        found = self.find(blinds)
        self._require_current(found)
        return found

    def one(self, resource: dict[str, Any]) -> Doc | None:
        """The document that a resource's identifiers lead to, or None.

        Raises `Conflict` if they disagree, `Superseded`, `Unprocessable` for too many.
        """
        found = self.find(self.blinds(resource))
        if len(set(found.values())) > 1:
            raise Conflict(
                "the identifiers belong to different records; correct them or merge the records first"
            )
        self._require_current(found)
        return next(iter(found.values()), None)

    def _require_current(self, found: dict[str, Doc]) -> None:
        for doc in {doc for doc in found.values() if doc.type == "Patient"}:
            stored = self._reader.find(doc)
            carried = set(self.blinds_of_body(stored.body)) if stored else set()
            if {blind for blind, leads_to in found.items() if leads_to == doc} - carried:
                raise Superseded(doc)

    def _blinds(self, resource: dict[str, Any], identifiers: Iterable[tuple[str, str]]) -> list[str]:
        key = self._reader.keys.deployment()
        type_ = str(resource.get("resourceType"))
        return [key.blind(type_, system, value) for system, value in identifiers]
