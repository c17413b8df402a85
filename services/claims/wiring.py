"""The only look at the environment of the claims function; late, and once per execution environment."""

import os
from functools import cache

from carevouch.door.access import Access
from carevouch.store.settings import build_store
from services.claims.ports import Ports


@cache
def ports() -> Ports:
    """The ports of the door."""
    store = build_store("claims", os.environ)
    return Ports(store, Access(store))


def cors_origin() -> str:
    """The origin of the browser apps that may read the answers."""
    return os.environ.get("CORS_ORIGIN", "*")
