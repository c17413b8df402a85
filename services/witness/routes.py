"""The routes of a witness: C2SP tlog-witness under `/ledger`, all without a token."""

from carevouch.door.http import Route
from services.witness import views

ROUTES = (
    Route("POST", "/ledger/add-checkpoint", views.add_checkpoint, takes="any"),
    Route("GET", "/ledger/witness", views.about),
    Route("GET", "/ledger/witness/{log}/checkpoint", views.checkpoint),
)
