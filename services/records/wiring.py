"""The only look at the environment of the records function; late, and once per execution environment."""

import os
from functools import cache

from services.records.ports import Ports, ports_of
from shared.aws.settings import build_store


@cache
def ports() -> Ports:
    """What the door works with."""
    return ports_of(build_store("records", os.environ))


def cors_origin() -> str:
    """The origin of the browser apps that may read the answers."""
    return os.environ.get("CORS_ORIGIN", "*")
