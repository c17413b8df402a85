"""Seals: the entries that the sealer signs (FORMATS.md, 4)."""

from dataclasses import dataclass
from typing import Any

from carevouch.events.epoch import parse_epoch_data
from carevouch.events.genesis import Genesis
from carevouch.kernel.canonical import JsonObject, jcs
from carevouch.kernel.encoding import sha256, unb64u
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import Jws, Signer, sign, take_apart, verify
from carevouch.kernel.times import moment

SEAL_TYP = "carevouch-seal+jws"
BLOCK_SEALED, EVENT_REJECTED, EPOCH = "block.sealed", "event.rejected", "epoch"
SEAL_MEMBERS = frozenset(["v", "type", "time", "data"])


@dataclass(frozen=True, slots=True)
class Seal:
    """A parsed seal, not verified."""

    type: str
    time: str
    data: Any
    signed: Jws


def text_hash(text: str) -> bytes:
    """The SHA-256 of a candidate's text, by which a rejection names it."""
    return sha256(text.encode("utf-8", "surrogatepass"))


def parse_seal(text: str) -> Seal:
    """The seal in `text`, not verified; raises `Malformed`."""
    signed = take_apart(text)
    payload = signed.payload
    if signed.typ != SEAL_TYP or set(payload) != SEAL_MEMBERS or jcs(payload["v"]) != b"1":
        raise Malformed("not a seal with exactly the members of version 1")
    if payload["type"] not in (BLOCK_SEALED, EVENT_REJECTED, EPOCH):
        raise Malformed("the seal is of no known type")
    moment(payload["time"], "the seal's time")
    if payload["type"] == EVENT_REJECTED:
        _check_rejection(payload["data"])
    if payload["type"] == EPOCH:
        parse_epoch_data(payload["data"])
    return Seal(payload["type"], payload["time"], payload["data"], signed)


def verify_seal(seal: Seal, genesis: Genesis) -> None:
    """Raise `IntegrityFault` unless the sealer's key in genesis signed the seal."""
    try:
        verify(seal.signed, genesis.seal, SEAL_TYP)
    except IntegrityFault as fault:
        raise IntegrityFault(f"the seal is not by the sealer's key: {fault.message}") from fault


def _check_rejection(data: Any) -> None:
    if not isinstance(data, dict) or set(data) - {"id"} != {"hash", "reason"}:
        raise Malformed("event.rejected does not have exactly hash, reason and perhaps id")
    if not all(isinstance(value, str) for value in data.values()):
        raise Malformed("the members of event.rejected are text")
    if len(unb64u(data["hash"], "the rejection's hash")) != 32:
        raise Malformed("the rejection's hash is not 32 bytes")


def sign_seal(type_: str, time: str, data: JsonObject, signer: Signer) -> str:
    """The compact JWS of a seal, signed by the sealer's key."""
    return sign({"v": 1, "type": type_, "time": time, "data": data}, SEAL_TYP, signer)
