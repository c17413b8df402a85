"""The results of proofs, in words for people and as JSON for programs. This module verifies nothing."""

from carevouch.events.certificate import CERT_TYP
from carevouch.events.envelope import EVENT_TYP
from carevouch.events.opening import ProvedRevision
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64, b64u
from carevouch.kernel.jws import take_apart
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.verifier.proofs import ProvedEntry


def proof_json(shown: ProvedEntry) -> JsonObject:
    """The result of one proof, for programs."""
    report = None
    if shown.witnessed is not None:
        from carevouch.cli.log.quorum import witness_json

        report = witness_json(shown.witnessed)
    signed = take_apart(shown.entry)
    return {
        "proof": shown.file,
        "kind": "COSE receipt" if shown.proof is None else "tlog-proof",
        "place": {**_place(shown.index, shown.checkpoint), "strand": shown.strand},
        "super": [{"proof": above.file, **_place(above.index, above.checkpoint)} for above in shown.above],
        "witnessed": report,
        "entry": {"typ": signed.typ, "kid": signed.kid, "payload": signed.payload},
        "revisions": [{"opening": file, **_revision_json(proved)} for file, proved in shown.openings],
    }


def proof_words(shown: ProvedEntry) -> list[str]:
    """The result of one proof, for people."""
    head = shown.checkpoint
    signed = "root" if shown.proof is not None else "root, by the sealer's key"
    lines = [
        f"{shown.file}: verified",
        f"  place     entry {shown.index} of the {head.size} in {head.origin}",
        f"            under the signed {signed} {b64(head.root)}",
        *_above_words(shown),
        *_entry_words(shown.entry),
    ]
    for file, proved in shown.openings:
        lines += _revision_words(file, proved)
    if not shown.openings and take_apart(shown.entry).typ == EVENT_TYP:
        lines.append("  content   not shown: no opening of this event was given")
    return lines


def event_words(text: str) -> list[str]:
    """The event and its signer, for people."""
    signed = take_apart(text)
    payload = signed.payload
    return [
        f"  event     {payload['id']}, {payload['type']}, at {payload['time']}",
        f"            number {payload['n']} of the key {signed.kid} of {payload['producer']}",
    ]


def _place(index: int, head: Checkpoint) -> JsonObject:
    return {"origin": head.origin, "index": index, "size": head.size, "root": b64u(head.root)}


def _above_words(shown: ProvedEntry) -> list[str]:
    lines = []
    for above in shown.above:
        head = above.checkpoint
        what = f"that checkpoint of strand {shown.strand}, of {shown.checkpoint.size} entries"
        lines += [
            f"  super-log {what}, is entry {above.index} of the {head.size}",
            f"            in {head.origin}, as {above.file} shows",
        ]
    if shown.witnessed is not None:
        from carevouch.cli.log.quorum import witness_words

        head = shown.witnessed.checkpoint
        lines.append(f"  witnesses {head.origin} with {head.size} entries is")
        lines += [f"            {line}" for line in witness_words(shown.witnessed)]
    return lines


def _entry_words(text: str) -> list[str]:
    signed = take_apart(text)
    payload = signed.payload
    if signed.typ == EVENT_TYP:
        return event_words(text)
    if signed.typ == CERT_TYP:
        return [f"  entry     the certificate of the key {payload['kid']} of {payload['service']}"]
    return [f"  entry     {payload['type']} at {payload['time']}"]


def _revision_json(proved: ProvedRevision) -> JsonObject:
    device = proved.device
    return {
        "doc": str(proved.doc),
        "version": proved.version,
        "prev": None if proved.prev is None else b64u(proved.prev),
        "bytes": len(proved.body),
        "signed_by": proved.service,
        "time": proved.event.time,
        "device": None if device is None else str(device.doc),
    }


def _revision_words(file: str, proved: ProvedRevision) -> list[str]:
    follows = "the first" if proved.prev is None else f"follows the leaf {b64u(proved.prev)}"
    lines = [
        f"  document  {proved.doc} version {proved.version} ({follows}), {len(proved.body)} bytes",
        f"            exactly as in {file}; signed by the {proved.service} service",
    ]
    if proved.device is not None:
        from carevouch.identity.links import parse_device

        posted, _ = parse_device(proved.device.body)
        key = take_apart(posted["binding"]).kid
        lines.append(
            f"  consent   given by the patient's own device {proved.device.doc} (bound by key {key})"
        )
    return lines
