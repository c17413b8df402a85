"""The records function: every FHIR read, Bundles, clinical writes, and what proves a document."""

from carevouch.door.http import Door
from services.records.routes import ROUTES
from services.records.wiring import cors_origin, ports

door = Door("records", cors_origin)
door.serve(ROUTES, ports)
app = door.chalice
