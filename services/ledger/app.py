"""The ledger's public door as a Lambda handler."""

from carevouch.door.http import Door
from carevouch.door.routes import serve
from services.ledger import wiring
from services.ledger.routes import ROUTES

door = Door("ledger", wiring.cors_origin)
serve(door, ROUTES, wiring.library)
app = door.chalice
