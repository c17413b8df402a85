"""The claims function: contracts, coverage, eligibility and adjudication behind one door."""

from services.claims.routes import register
from services.claims.wiring import ports
from shared.aws.http import Door

door = Door("claims")
register(door, ports)
app = door.chalice
