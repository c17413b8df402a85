"""The consent function: asking, granting, refusing, revoking and deciding."""

from carevouch.door.http import Door
from services.consent.routes import ROUTES
from services.consent.wiring import cors_origin, ports

door = Door("consent", cors_origin)
door.serve(ROUTES, ports)
app = door.chalice
