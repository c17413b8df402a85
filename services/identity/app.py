"""The identity functions: the door, the token authorizer of all doors, and the sweeper of erasures."""

from typing import Any

from services.identity.authorizer import authorize
from services.identity.routes import register
from services.identity.wiring import authorizer_ports, cors_origin, ports
from shared.aws.http import Door

door = Door("identity", cors_origin)
register(door, ports)
app = door.chalice


def authorizer(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """API Gateway asks whether a token is good."""
    return authorize(event, authorizer_ports())


def sweeper(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Every minute: finish the erasures that a crash cut short."""
    return {"finished": ports().eraser.sweep()}
