"""The only look at the environment of the records function; late, and once per execution environment."""

import os
from functools import cache
from pathlib import Path

from carevouch.store.log.places import build_sealed
from carevouch.store.settings import build_store
from services.records.ports import Ports, ports_of


@cache
def ports() -> Ports:
    """The ports of the door."""
    store = build_store("records", os.environ)
    table, bucket, region = (os.environ[name] for name in ("LEDGER_TABLE", "LEDGER_BUCKET", "AWS_REGION"))
    sealed = build_sealed(store.reader.genesis, table, bucket, region)
    return ports_of(store, sealed, lambda name: Path(__file__).with_name(name).read_bytes())


def cors_origin() -> str:
    """The origin of the browser apps that may read the answers."""
    return os.environ.get("CORS_ORIGIN", "*")
