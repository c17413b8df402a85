"""The words about the public ledger."""

from carevouch.door.api import OPEN, TEXT, Operation, Schema, list_of, object_of
from services.ledger import views

_PUBLIC = "the log is public"
_PLAIN = "text/plain"
SCHEMAS: dict[str, Schema] = {
    "Digest": {
        "type": "object",
        "properties": {"vkey": TEXT, "strands": list_of(OPEN), "super": OPEN},
        "required": ["vkey", "strands"],
        "additionalProperties": False,
    },
    "LedgerFeed": object_of({"records": list_of(OPEN), "next": TEXT}),
    "LedgerEntry": object_of({"entry": TEXT, "place": OPEN, "proof": TEXT}, {"super": OPEN}),
    "LedgerBlock": object_of({"block": OPEN, "entry": TEXT, "place": OPEN, "proof": TEXT}, {"super": OPEN}),
}
OPERATIONS = {
    views.genesis: Operation("The root of trust", {200: _PLAIN}, anyone=_PUBLIC),
    views.epochs: Operation("The operator's orders that opened later epochs", {200: _PLAIN}, anyone=_PUBLIC),
    views.digest: Operation("The newest checkpoints", {200: "Digest"}, anyone=_PUBLIC),
    views.feed: Operation(
        "The sealed events of all strands, from a position",
        {200: "LedgerFeed"},
        anyone=_PUBLIC,
        query={
            "position": "`next` of the page before; without it, the feed starts at the beginning",
            "limit": "the number of records in a page, at most 500",
        },
    ),
    views.checkpoint: Operation("The signed checkpoint of a strand", {200: _PLAIN}, anyone=_PUBLIC),
    views.tile: Operation(
        "Tiles and entry bundles of a strand", {200: "application/octet-stream"}, anyone=_PUBLIC
    ),
    views.block: Operation("A sealed block", {200: "LedgerBlock"}, anyone=_PUBLIC),
    views.page: Operation(
        "The page that checks proofs in a browser, offline",
        {200: "text/html"},
        anyone="the page holds no data about people",
    ),
    views.event: Operation(
        "An event: its entry and its place in the log", {200: "LedgerEntry"}, anyone=_PUBLIC
    ),
    views.event_proof: Operation("The inclusion proof of an event", {200: _PLAIN}, anyone=_PUBLIC),
    views.event_receipt: Operation(
        "The COSE receipt of an event (RFC 9942)", {200: "application/cose"}, anyone=_PUBLIC
    ),
    views.checkpoint_proof: Operation(
        "The proof of a strand's checkpoint, by its size, in the super-log",
        {200: _PLAIN},
        anyone=_PUBLIC,
    ),
}
