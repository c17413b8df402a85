"""`carevouch verify`: what a proof file and an opening prove, offline, in plain words.

A door: it reads files and leaves everything to `shared.events` and `shared.ledger`. All trust starts at the
one key that the caller pinned: it verifies genesis, genesis verifies certificates, these verify events, and
the same key verifies the checkpoint in the proof. One thing that does not match refuses all.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.cli.consent import check_consent
from services.cli.files import read_text, read_vkey
from shared.events.catalogue import OPERATOR
from shared.events.certificate import (
    CERT_TYP,
    Certificate,
    parse_certificate,
    verify_certificate,
    verify_event,
)
from shared.events.envelope import EVENT_TYP, parse_event, strand_of
from shared.events.genesis import Genesis
from shared.events.opening import Proved, open_genesis, parse_opening, verify_opening
from shared.events.sealing import parse_seal, verify_seal
from shared.identity.binding import parse_device
from shared.kernel.canonical import JsonObject
from shared.kernel.encoding import b64, b64u
from shared.kernel.errors import DomainError, IntegrityFault, Malformed
from shared.kernel.jsontext import render
from shared.kernel.jws import take_apart
from shared.ledger.checkpoint import Checkpoint, parse_checkpoint, strand_of_origin
from shared.ledger.merkle import InclusionFault, leaf_hash
from shared.ledger.note import Verifier, parse_note
from shared.ledger.proof import TlogProof
from shared.ledger.proof import parse as parse_proof
from shared.ledger.proof import verify as verify_proof

VERIFIED, REFUSED, BAD_INPUT = 0, 1, 2

_DESCRIPTION = """\
Verify, with no network, where an event stands in the log (its .tlog-proof), and which version
of which document is in it (its opening), and say in plain words what was proved and by whom.

A proof holds hashes only. So each proof needs the event it is about: inside an opening, or as
the entry itself in a file of its own (--entry). Which belongs to which is found by hash."""

_EPILOG = """\
files:
  PROOF      GET /ledger/events/{id}/proof
  --opening  GET /ledger/documents/{type}/{id}/{version}/opening
  --genesis  GET /ledger/genesis; it is verified under --key, so it may come from anywhere
  --entry    the "entry" of GET /ledger/events/{id}, exactly, without a line end; for an event
             with the --certificate of its key, as a receipt holds it

  --key is the one thing to get from somebody you trust: the log's vkey (name+hash+key), or a
  file that holds it.

exit status:
  0  everything given was verified
  1  something does not match; the sentence says what
  2  a file is not there, is empty or is no text, or the key is not one

example:
  carevouch verify consent.tlog-proof --opening consent.opening.json \\
      --genesis genesis --key 'carevouch.example+33d7b496+AeHTu4Q3hEIM…'"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with argparse's `subparsers`; `args.run` is then `run`."""
    parser = subparsers.add_parser(
        "verify",
        help="verify proofs and openings, and say what they prove",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("proofs", nargs="+", metavar="PROOF", help="a .tlog-proof file")
    parser.add_argument("--key", required=True, metavar="VKEY", help="the log's key, or a file that holds it")
    parser.add_argument("--genesis", required=True, metavar="FILE", help="the deployment's signed genesis")
    parser.add_argument("--opening", action="append", default=[], metavar="FILE", help="opens one revision")
    parser.add_argument(
        "--entry", action="append", default=[], metavar="FILE", help="a bare entry of the log"
    )
    parser.add_argument(
        "--certificate", action="append", default=[], metavar="FILE", help="of the key of a bare event"
    )
    parser.add_argument("--json", action="store_true", help="what was proved, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify as asked; the exit status."""
    try:
        key = read_vkey(args.key)
        names = (args.genesis, *args.proofs, *args.opening, *args.entry, *args.certificate)
        files = {name: read_text(name) for name in names}
    except DomainError as error:
        return _refuse(error.message, BAD_INPUT)
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}", BAD_INPUT)
    try:
        shown = _verify(args, key, files)
    except _Mismatch as mismatch:
        return _refuse(str(mismatch), REFUSED)
    if args.json:
        print(render({"verified": [item.json() for item in shown]}).decode())
    else:
        print("\n\n".join("\n".join(item.words()) for item in shown))
    return VERIFIED


class _Mismatch(Exception):
    """What does not match, in which file."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """One proof that holds, with what it is about."""

    file: str
    proof: TlogProof
    checkpoint: Checkpoint
    strand: int
    entry: str
    openings: tuple[tuple[str, Proved], ...]

    def json(self) -> JsonObject:
        """For programs."""
        place = {
            "origin": self.checkpoint.origin,
            "strand": self.strand,
            "index": self.proof.index,
            "size": self.checkpoint.size,
            "root": b64u(self.checkpoint.root),
        }
        return {
            "proof": self.file,
            "place": place,
            "entry": _entry_json(self.entry),
            "revisions": [{"opening": file, **_revision_json(proved)} for file, proved in self.openings],
        }

    def words(self) -> list[str]:
        """For people."""
        head = self.checkpoint
        lines = [
            f"{self.file}: verified",
            f"  place     entry {self.proof.index} of the {head.size} in {head.origin}",
            f"            under the signed root {b64(head.root)}",
            *_entry_words(self.entry),
        ]
        for file, proved in self.openings:
            lines += _revision_words(file, proved)
        if not self.openings and take_apart(self.entry).typ == EVENT_TYP:
            lines.append("  content   not shown: no opening of this event was given")
        return lines


def _verify(args: argparse.Namespace, key: Verifier, files: dict[str, bytes]) -> list[_Shown]:
    with _Naming(args.genesis):
        genesis = open_genesis(files[args.genesis], key)
    openings: list[tuple[str, Proved]] = []
    for name in args.opening:
        with _Naming(name):
            openings.append((name, verify_opening(parse_opening(files[name]), genesis, check_consent)))
    entries = {
        proved.event.text: [item for item in openings if item[1].event.text == proved.event.text]
        for _, proved in openings
    }
    certificates: dict[str, Certificate] = {}
    for name in args.certificate:
        with _Naming(name):
            certificate = parse_certificate(_ascii(files[name]))
            verify_certificate(certificate, genesis)
            certificates[certificate.kid] = certificate
    for name in args.entry:
        with _Naming(name):
            entries.setdefault(_entry(_ascii(files[name]), genesis, certificates), [])
    shown = [_prove(name, files[name], key, genesis, entries) for name in args.proofs]
    _check_all_used(shown, entries)
    return shown


def _prove(
    name: str,
    data: bytes,
    key: Verifier,
    genesis: Genesis,
    entries: dict[str, list[tuple[str, Proved]]],
) -> _Shown:
    with _Naming(name):
        proof = parse_proof(data)
        origin = parse_checkpoint(parse_note(proof.checkpoint).text).origin
        strand = strand_of_origin(key.name, origin)
        if strand >= genesis.strands:
            raise IntegrityFault(f"the checkpoint is of strand {strand}, genesis has {genesis.strands}")
        text, checkpoint = _match(proof, key.named(origin), entries)
        if take_apart(text).typ == EVENT_TYP and strand_of(parse_event(text).id, genesis.strands) != strand:
            raise IntegrityFault("the event belongs into another strand than the proof's")
        return _Shown(name, proof, checkpoint, strand, text, tuple(entries[text]))


def _match(
    proof: TlogProof, verifier: Verifier, entries: dict[str, list[tuple[str, Proved]]]
) -> tuple[str, Checkpoint]:
    if not entries:
        raise IntegrityFault("a proof holds hashes only: give the event's --opening, or the --entry itself")
    fault: InclusionFault | None = None
    for text in entries:
        try:
            return text, verify_proof(proof, leaf_hash(text.encode("ascii")), verifier)
        except InclusionFault as error:
            fault = error
    if fault is not None and len(entries) == 1:
        raise fault
    raise IntegrityFault("none of the events given is the one this proof is about")


def _check_all_used(shown: Sequence[_Shown], entries: dict[str, list[tuple[str, Proved]]]) -> None:
    proved = {item.entry for item in shown}
    for text, openings in entries.items():
        if text not in proved:
            name = openings[0][0] if openings else "an entry"
            raise _Mismatch(f"{name}: none of the proofs given shows its event in the log")


def _ascii(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed("not ASCII, so no entry of a log") from error


def _entry(text: str, genesis: Genesis, certificates: dict[str, Certificate]) -> str:
    """A bare entry, verified: who signed is never merely taken from what it says."""
    typ = take_apart(text).typ
    if typ == EVENT_TYP:
        event = parse_event(text)
        if event.producer != OPERATOR and event.kid not in certificates:
            raise IntegrityFault("give the --certificate of the event's key, or the event's --opening")
        verify_event(event, certificates.get(event.kid), genesis)
    elif typ == CERT_TYP:
        verify_certificate(parse_certificate(text), genesis)
    else:
        verify_seal(parse_seal(text), genesis)
    return text


def _entry_json(text: str) -> JsonObject:
    signed = take_apart(text)
    return {"typ": signed.typ, "kid": signed.kid, "payload": signed.payload}


def _entry_words(text: str) -> list[str]:
    signed = take_apart(text)
    payload = signed.payload
    if signed.typ == EVENT_TYP:
        return [
            f"  event     {payload['id']}, {payload['type']}, at {payload['time']}",
            f"            number {payload['n']} of the key {signed.kid} of {payload['producer']}",
        ]
    if signed.typ == CERT_TYP:
        return [f"  entry     the certificate of the key {payload['kid']} of {payload['service']}"]
    return [f"  entry     {payload['type']} at {payload['time']}"]


def _revision_json(proved: Proved) -> JsonObject:
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


def _revision_words(file: str, proved: Proved) -> list[str]:
    follows = "the first" if proved.prev is None else f"follows the leaf {b64u(proved.prev)}"
    lines = [
        f"  document  {proved.doc} version {proved.version} ({follows}), {len(proved.body)} bytes",
        f"            exactly as in {file}; signed by the {proved.service} service",
    ]
    if proved.device is not None:
        posted, _ = parse_device(proved.device.body)
        key = take_apart(posted["binding"]).kid
        lines.append(
            f"  consent   given by the patient's own device {proved.device.doc} (bound by key {key})"
        )
    return lines


class _Naming:
    """Turns what is wrong with a file into a sentence that begins with its name."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, fault: BaseException | None, _trace: object) -> None:
        if isinstance(fault, IntegrityFault | DomainError):
            raise _Mismatch(f"{self._file}: {fault.message}") from fault


def _refuse(said: str, status: int) -> int:
    word = "refused: " if status == REFUSED else ""
    print(f"carevouch verify: {word}{said}", file=sys.stderr)
    return status
