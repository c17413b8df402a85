"""The claims function: contracts, coverage, eligibility and adjudication behind one door."""

from carevouch.door.http import Door
from services.claims.routes import ROUTES
from services.claims.wiring import cors_origin, ports

door = Door("claims", cors_origin)
door.serve(ROUTES, ports)
app = door.chalice
