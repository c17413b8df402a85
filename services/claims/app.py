"""The claims function: contracts, coverage, eligibility and adjudication behind one door."""

from services.claims.routes import register
from services.claims.wiring import cors_origin, ports
from shared.aws.http import Door

door = Door("claims", cors_origin)
register(door, ports)
app = door.chalice
