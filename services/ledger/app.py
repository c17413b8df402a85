"""The ledger's public door as a Lambda handler."""

from carevouch.door.http import Door
from services.ledger import wiring
from services.ledger.routes import add_routes

door = Door("ledger", wiring.cors_origin)
add_routes(door, wiring.library)
app = door.chalice
