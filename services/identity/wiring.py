"""The ports of the identity functions from the environment, built once at the first request."""

import os
import time
from functools import cache

import boto3

from carevouch.door.access import Access
from carevouch.store.documents.erasure import Eraser
from carevouch.store.documents.reader import Index
from carevouch.store.kms import KmsSigner
from carevouch.store.settings import CONFIG, build_store
from services.identity.ports import AuthorizerPorts, Ports
from services.identity.store import DynamoAssertions


def _now_seconds() -> int:
    return int(time.time())


@cache
def ports() -> Ports:
    """The ports of the door and the sweeper."""
    store = build_store("identity", os.environ)
    region = os.environ["AWS_REGION"]
    kms = boto3.client("kms", region_name=region, config=CONFIG)
    index = Index(store.reader)
    return Ports(
        store,
        Access(store),
        index,
        Eraser(store.reader, store.writer, store.key_rows, index.blinds_of_body),
        KmsSigner(kms, os.environ["TOKEN_KEY"]),
        DynamoAssertions(
            boto3.client("dynamodb", region_name=region, config=CONFIG), os.environ["ASSERTIONS_TABLE"]
        ),
        _now_seconds,
    )


@cache
def authorizer_ports() -> AuthorizerPorts:
    """The ports of the authorizer, which can read only the public half of the token key."""
    kms = boto3.client("kms", region_name=os.environ["AWS_REGION"], config=CONFIG)
    signer = KmsSigner(kms, os.environ["TOKEN_KEY"])
    return AuthorizerPorts(lambda: signer.jwk, os.environ["BASE_URL"], _now_seconds)


def cors_origin() -> str:
    """The origin of the browser apps that may read the answers."""
    return os.environ.get("CORS_ORIGIN", "*")
