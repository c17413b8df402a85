"""The only look at the environment of the claims function; late, and once per execution environment."""

import os
from functools import cache

from services.claims.ports import Ports
from shared.aws.access import Access
from shared.aws.settings import build_store


@cache
def ports() -> Ports:
    """What the door works with."""
    store = build_store("claims", os.environ)
    return Ports(store, Access(store))


def cors_origin() -> str:
    """The origin of the browser apps that may read the answers."""
    return os.environ.get("CORS_ORIGIN", "*")
