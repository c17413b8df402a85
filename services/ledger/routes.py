"""The public routes of the ledger: all GET, all without a token."""

from carevouch.door.http import Route
from services.ledger import views

ROUTES = (
    Route("GET", "/ledger/genesis", views.genesis),
    Route("GET", "/ledger/epochs", views.epochs),
    Route("GET", "/ledger/digest", views.digest),
    Route("GET", "/ledger/feed", views.feed),
    Route("GET", "/ledger/{strand}/checkpoint", views.checkpoint),
    Route("GET", "/ledger/{strand}/tile/{path+}", views.tile),
    Route("GET", "/ledger/blocks/{strand}/{n}", views.block),
    Route("GET", "/ledger/verify", views.page),
    Route("GET", "/ledger/events/{id}", views.event),
    Route("GET", "/ledger/events/{id}/proof", views.event_proof),
    Route("GET", "/ledger/events/{id}/receipt", views.event_receipt),
    Route("GET", "/ledger/checkpoints/{strand}/{n}/proof", views.checkpoint_proof),
)
