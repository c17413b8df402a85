"""The witness's Lambda entry point."""

from typing import Any

from carevouch.door.http import Door
from services.witness import wiring
from services.witness.routes import add_routes

door = Door("witness", wiring.cors_origin)
add_routes(door, wiring.witness)
app = door.chalice


def witness(event: dict[str, Any], context: object) -> Any:
    """Answer one request."""
    try:
        return app(event, context)
    finally:
        wiring.tell().flush()
