"""Identifier rows: from (type, system, value) to a document, under a blind index.

A row's key is an HMAC, so the table tells nobody whose identifiers it holds. Rows are written in the
transaction that creates their document and removed when the person is erased: the same identifier never
makes two people.
"""

from collections.abc import Iterable
from typing import Any

from shared.aws.documents import Reader
from shared.identity.identifiers import every_identifier_of, identifiers_of
from shared.kernel.errors import Conflict, Malformed
from shared.kernel.ids import Doc, Key, parse_reference
from shared.kernel.jsontext import parse


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

    def one(self, resource: dict[str, Any]) -> Doc | None:
        """The document that a resource's identifiers lead to, or None; raises `Conflict` if they disagree."""
        found = set(self.find(self.blinds(resource)).values())
        if len(found) > 1:
            raise Conflict(
                "the identifiers belong to different records; correct them or merge the records first"
            )
        return found.pop() if found else None

    def _blinds(self, resource: dict[str, Any], identifiers: Iterable[tuple[str, str]]) -> list[str]:
        key = self._reader.keys.deployment()
        type_ = str(resource.get("resourceType"))
        return [key.blind(type_, system, value) for system, value in identifiers]
