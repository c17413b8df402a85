"""Identifier rows: from (type, system, value) to a document, under a blind index.

A row's key is an HMAC, so the table tells nobody whose identifiers it holds. Rows are written in the
transaction that creates their document and removed when the person is erased: the same identifier never
makes two people.
"""

from collections.abc import Iterable
from typing import Any

from carevouch.identity.identifiers import every_identifier_of, identifiers_of
from carevouch.kernel.errors import Conflict, Malformed
from carevouch.kernel.ids import Doc, Key, parse_reference
from carevouch.kernel.jsontext import parse
from carevouch.store.documents import Reader


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
        """Those of the identifiers that are taken, each with its document."""
        rows = self._reader.rows.get_many([Key(blind, "id") for blind in dict.fromkeys(blinds)])
        return {key.pk: parse_reference(row.text("doc") or "") for key, row in rows.items()}

    def current(self, blinds: Iterable[str]) -> dict[str, Doc]:
        """The same, if every person found still has the identifier that led to them; raises `Superseded`.

        A row stays when a Patient is corrected, so that what it once named is not handed to somebody else
        unseen. Whoever comes with it may mean either person, and only people can tell.
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
