"""Three Lambda entry points: `app`, the public door; `sealer`, for the stream, the inbox and the clock;
`exporter`, for the operator.
"""

from typing import Any

from services.ledger import wiring
from services.ledger.export import parse_request
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


def exporter(event: dict[str, Any], context: Any) -> Any:
    """Export the blocks of a span: `{"from", "to", "prefix"?}`; asked again, it goes on where it stopped."""
    request = parse_request(event, wiring.clock())
    return wiring.exporting(context.get_remaining_time_in_millis).run(request)
