"""The ports of the consent function from the environment, built once at the first request."""

import os
from functools import cache

from carevouch.door.access import Access
from carevouch.store.settings import build_store
from services.consent.ports import Ports


@cache
def ports() -> Ports:
    """The ports of the door."""
    store = build_store("consent", os.environ)
    return Ports(store, Access(store))


def cors_origin() -> str:
    """The origin of the browser apps that may read the answers."""
    return os.environ.get("CORS_ORIGIN", "*")
