"""The consent function: asking, granting, refusing, revoking and deciding."""

from services.consent.routes import register
from services.consent.wiring import cors_origin, ports
from shared.aws.http import Door

door = Door("consent", cors_origin)
register(door, ports)
app = door.chalice
