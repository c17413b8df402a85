"""The receipt of a stored act: what a caller keeps to prove it later (FORMATS.md, 7)."""

from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.jws import take_apart
from carevouch.store.documents import CommittedAct


def receipt_headers(committed: CommittedAct) -> dict[str, str]:
    """`Carevouch-Event`: the event's id. `Carevouch-Receipt`: the event and the certificate of its key."""
    receipt = " ".join(filter(None, (committed.event, committed.certificate)))
    return {"Carevouch-Event": event_id(committed), "Carevouch-Receipt": receipt}


def receipt_json(committed: CommittedAct) -> JsonObject:
    """The same for JSON answers."""
    return {"receipt": {"event": committed.event, "certificate": committed.certificate}}


def event_id(committed: CommittedAct) -> str:
    """The act's name in the log."""
    return str(take_apart(committed.event).payload["id"])
