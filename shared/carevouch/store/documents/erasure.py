"""Erasing a person: an event, a tombstone for the key, and no identifier rows (FORMATS.md, 11).

A crash may follow any of these steps, and each can be repeated:
  1 a note in the work list, so that the sweeper knows of it
  2 the key row is closed, so that no new act can concern the person
  3 `subject.erased` is appended, under an id that the same person always gives
  4 the key row becomes a tombstone that lists the identifier rows still to go
  5 the identifier rows go, then the list in the tombstone, then the note
After 4 no data of the person decrypt, in any table, export or mirror. Every earlier proof still verifies.

A spoiled row must not stop the erasure of its person, or of another one.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from carevouch.events.act import NONCE_BYTES
from carevouch.kernel.canonical import jcs
from carevouch.kernel.errors import Conflict, DomainError, Erased, IntegrityFault, OutcomeUnknown
from carevouch.kernel.ids import Doc, Key, about, part
from carevouch.store.documents.model import ActPlan, ActRequest, CommittedAct, Draft, StoredAnswer
from carevouch.store.documents.reader import Reader
from carevouch.store.documents.writer import Writer
from carevouch.store.keys import associated_data, decrypt
from carevouch.store.rows import KeyRow, KeyRows, Row, RowExists

WORK_LIST = "E#pending"


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """The result of a sweep: the finished erasures, and those that wait for the next sweep."""

    finished: int = 0
    failed: int = 0


class Eraser:
    """Starts and finishes erasures. `identifiers` reads the blind identifier keys in a Patient's body."""

    def __init__(
        self, reader: Reader, writer: Writer, key_rows: KeyRows, identifiers: Callable[[bytes], list[str]]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._rows = reader.rows
        self._key_rows = key_rows
        self._identifiers = identifiers

    def erase(self, patient: str, on_whose_word: str) -> CommittedAct:
        """Erase `patient` for good, and return the stored act; raises `NotFound`, or `Erased` if it is done
        already."""
        self._reader.keys.person(patient)
        # An existing note is from an earlier try that was cut short. Go on where it stopped.
        with contextlib.suppress(RowExists):
            self._rows.put_new(Row(Key(WORK_LIST, patient), {"doc": on_whose_word}))
        self.finish(patient)
        return self._committed(patient)

    def sweep(self) -> ErasureReport:
        """Finish the erasures that crashes cut short, one person after the other."""
        results = [self._swept(row.key.sk) for row in self._rows.query(WORK_LIST)]
        return ErasureReport(results.count(True), results.count(False))

    def finish(self, patient: str) -> None:
        """Do the steps that are not done yet."""
        note = self._rows.get(Key(WORK_LIST, patient))
        if note is None:
            return
        row = self._key_rows.get(f"P#{patient}")
        if row is not None and row.erased is None:
            self._entomb(patient, note.text("doc") or "")
            row = self._key_rows.get(f"P#{patient}")
        self._clean(patient, row)
        self._rows.delete(note.key)

    def _entomb(self, patient: str, on_whose_word: str) -> None:
        pk = f"P#{patient}"
        self._key_rows.close(pk)
        # Read after closing: no transaction can add an identifier any more.
        keys = self._identifier_keys(patient)
        time = self._append(patient, on_whose_word)
        self._key_rows.entomb(pk, time, keys)

    def _swept(self, patient: str) -> bool:
        try:
            self.finish(patient)
        except (IntegrityFault, DomainError, OutcomeUnknown):
            return False
        return True

    def _identifier_keys(self, patient: str) -> list[str]:
        """The identifier keys in every version that can still be opened, proved or not.

        A row that somebody wrote with the person's key could name a stranger's identifiers. They stay:
        only rows that lead to this person are removed.
        """
        data_key = self._reader.keys.person(patient).data
        doc = Doc("Patient", patient)
        found: set[str] = set()
        for row in self._rows.query(doc.pk(), f"Patient#{patient}#v#"):
            bound_to = associated_data(self._reader.deployment, row.key)
            with contextlib.suppress(IntegrityFault, DomainError):
                plain = decrypt(data_key, row.binary("ct") or b"", bound_to)
                found.update(self._identifiers(plain[NONCE_BYTES:]))
        return sorted(found)

    def _committed(self, patient: str) -> CommittedAct:
        stored = self._reader.find(self._doc(patient))
        if stored is None:
            raise IntegrityFault("the event of an erasure is missing from its row")
        return CommittedAct(stored.event.text, stored.certificate, StoredAnswer(204))

    def _doc(self, patient: str) -> Doc:
        derived = self._reader.keys.deployment().derive("erasure", patient)
        return Doc("Erasure", about(patient, part(derived)))

    def _append(self, patient: str, on_whose_word: str) -> str:
        doc, time = self._doc(patient), self._writer.now()
        attempts = self._writer.attempts(ActRequest(on_whose_word, None, b""), doc)
        # A conflict means that the event is already stored, by the try that was cut short.
        with contextlib.suppress(Conflict):
            for names in attempts:
                with attempts:
                    body = {"v": 1, "patient": patient, "on_whose_word": on_whose_word, "time": names.time}
                    drafts = (Draft(doc, jcs(body)),)
                    attempts.append(ActPlan("subject.erased", drafts, StoredAnswer(204), (patient,)))
        return time

    def _clean(self, patient: str, row: KeyRow | None) -> None:
        if row is None or row.erased is None:
            raise Erased("the key row of an erasure in progress is gone")
        for key in (Key(blind, "id") for blind in row.identifiers):
            # After a try that was cut short here, another person may have got the identifier.
            leads_to = self._rows.get(key)
            if leads_to is not None and leads_to.text("doc") == f"Patient/{patient}":
                self._rows.delete(key)
        self._key_rows.settle(f"P#{patient}")
