"""The sealer's Lambda entry point, for the stream, the inbox and the clock."""

from typing import Any

from services.sealer import wiring
from services.sealer.invocation import handle


def sealer(event: dict[str, Any], _context: object) -> Any:
    """Seal the events that the stream or the inbox brings, or sweep."""
    try:
        return handle(event, wiring.sealing())
    finally:
        wiring.tell().flush()
