"""The records function: every FHIR read, Bundles, clinical writes, and what proves a document."""

from carevouch.door.http import Door
from carevouch.door.routes import serve
from services.records.routes import ROUTES
from services.records.wiring import cors_origin, ports

door = Door("records", cors_origin)
serve(door, ROUTES, ports)
app = door.chalice
