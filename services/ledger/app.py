"""The ledger function: the public log, without a token."""

from carevouch.door.http import Door
from services.ledger import wiring
from services.ledger.routes import ROUTES

door = Door("ledger", wiring.cors_origin)
door.serve(ROUTES, wiring.library)
app = door.chalice
