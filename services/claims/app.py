"""The claims function: contracts, coverage, eligibility and adjudication behind one door."""

from carevouch.door.http import Door
from carevouch.door.routes import serve
from services.claims.routes import ROUTES
from services.claims.wiring import cors_origin, ports

door = Door("claims", cors_origin)
serve(door, ROUTES, ports)
app = door.chalice
