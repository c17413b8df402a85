"""Two Lambda entry points: `app`, the public door, and `sealer`, for the stream, the inbox and the clock."""

from typing import Any

from services.ledger import wiring
from services.ledger.handlers import handle
from services.ledger.routes import add_routes
from shared.aws.http import Door

door = Door("ledger", wiring.cors_origin)
add_routes(door, wiring.library)
app = door.chalice


def sealer(event: dict[str, Any], _context: object) -> Any:
    """Seal what the stream or the inbox brings, or sweep."""
    try:
        return handle(event, wiring.sealing())
    finally:
        wiring.tell().flush()
