"""The claims function: contracts, coverage, eligibility and adjudication behind one door."""

from carevouch.door.http import Door
from services.claims.routes import register
from services.claims.wiring import cors_origin, ports

door = Door("claims", cors_origin)
register(door, ports)
app = door.chalice
