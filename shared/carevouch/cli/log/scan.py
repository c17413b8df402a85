"""`carevouch scan`: a person finds the events about themselves in a copy of the public log.

A door: it reads the copy and the person's secret, and leaves the rest to `carevouch.verifier.scan`. The
secret stays on this machine: nothing that is asked of a log depends on it, and nothing that is printed holds
it.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carevouch.cli.files import read_bytes, read_text, read_vkey
from carevouch.cli.log.holdings import Holdings, read_held
from carevouch.cli.log.source import Read, ReadMany, reader, readers, said_of
from carevouch.cli.progress import progress
from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis, parse_genesis
from carevouch.events.opening import open_genesis
from carevouch.identity.secret import SECRET_BYTES, open_secret
from carevouch.kernel.encoding import unb64u
from carevouch.kernel.errors import DomainError, IntegrityFault, Invalid, Malformed
from carevouch.kernel.jsontext import parse, render
from carevouch.kernel.jws import private_key
from carevouch.ledger.checkpoint import Checkpoint, parse_checkpoint, strand_origin
from carevouch.ledger.mirror import SignedTree
from carevouch.ledger.note import Verifier, parse_note
from carevouch.ledger.tiles import ENTRIES, WIDTH, Tile, TileFault, split_bundle, tile_at
from carevouch.ledger.walk import Finding
from carevouch.verifier.mismatch import unpublished
from carevouch.verifier.scan import EventAbout, scan, untagged

DONE, FAULTY, BAD_INPUT = 0, 1, 2
# Bundles that are read at a time.
WINDOW = 16

_DESCRIPTION = """\
Find the events about yourself in a mirror of the log, with your subject secret: also those that
nobody told you of. Nobody else can, and nobody learns that you looked: the mirror is on your own
machine, and the secret stays there."""

_EPILOG = """\
DIR is what `carevouch mirror` made (a URL works too, but shows its operator that you read it all).

--secret is the file that holds your 32-byte secret: raw, or in base64url, or as the answer of
GET /identity/subjects/{id}/secret, which only your device's private key (--device-key, a JWK) opens.

--openings is a folder of openings that you hold. Then each event says whether you hold its content.
An opening of a document about you whose event lacks your tag is a fault of whoever signed it, and
the opening shows it to anybody. With the --key everything is verified; openings need it.

What this does not show: an event that was tagged with other bytes on purpose, before you hold an
opening of it.

exit status:
  0  the log was searched; what was found is on standard output
  1  an opening, or the mirror, shows a fault
  2  the log or a file cannot be read

examples:
  carevouch scan ./mirror --secret secret.bin
  carevouch scan ./mirror --secret secret.json --device-key device.jwk.json \\
      --openings ./openings --key key.txt"""


def add_parser(subparsers: Any) -> None:
    """Register the verb with argparse's `subparsers`; `args.run` is then `run`."""
    parser = subparsers.add_parser(
        "scan",
        help="find the events about yourself in a mirror",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("log", metavar="DIR", help="a mirror of the log")
    parser.add_argument("--secret", required=True, metavar="FILE", help="your subject secret")
    parser.add_argument("--device-key", metavar="FILE", help="your device's private JWK, for a JWE")
    parser.add_argument(
        "--openings", action="append", default=[], metavar="DIR", help="openings that you hold"
    )
    parser.add_argument("--key", metavar="VKEY", help="the log's key, or a file that holds it")
    parser.add_argument("--json", action="store_true", help="what was found, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Scan as asked; the exit status."""
    try:
        if args.openings and not args.key:
            raise Invalid("give the log's --key: openings are verified under it")
        secret = read_secret(args.secret, args.device_key)
        key = read_vkey(args.key) if args.key else None
        read = reader(args.log)
        genesis = _genesis(read, key)
        held = read_held([], args.openings, genesis)
        with readers(read) as read_many:
            strands = _strands(read, read_many, genesis, key)
            found = [about for strand in strands for about in strand.scan(secret)]
    except IntegrityFault as fault:
        return _stop(f"refused: {fault.message}", FAULTY)
    except (DomainError, OSError) as error:
        return _stop(said_of(error, args.log), BAD_INPUT)
    findings = [*held.findings, *_untagged(held, secret)]
    if args.json:
        print(render(_json(found, held, findings)).decode())
    else:
        print("\n".join(_words(found, held, findings, verified=key is not None)))
    return FAULTY if findings else DONE


def read_secret(file: str, device_key: str | None) -> bytes:
    """The subject secret in a file; raises `Malformed` or `OSError`, never telling what the file holds."""
    data = read_bytes(file)
    if len(data) == SECRET_BYTES:
        return data
    try:
        text = data.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise Malformed(f"{file} is no subject secret: 32 bytes, their base64url, or a JWE") from error
    if text.startswith("{"):
        answer = parse(data, file)
        text = str(answer.get("jwe", ""))
    if text.count(".") == 4:
        if device_key is None:
            raise Invalid(f"{file} is encrypted to your device: give its private key with --device-key")
        return open_secret(text, private_key(parse(read_text(device_key), device_key)))
    secret = unb64u(text, file)
    if len(secret) != SECRET_BYTES:
        raise Malformed(f"{file} does not hold {SECRET_BYTES} bytes")
    return secret


@dataclass(frozen=True, slots=True)
class _Strand:
    """A strand to be searched: its checkpoint, and how its bundles are read and checked."""

    number: int
    head: Checkpoint
    read_many: ReadMany
    check: Callable[[Tile, bytes], None]

    def scan(self, secret: bytes) -> Iterator[EventAbout]:
        """The events about the person."""
        return scan(self.number, self._entries(), secret)

    def _entries(self) -> Iterator[tuple[int, bytes]]:
        size = self.head.size
        show = progress(f"strand {self.number}", "entries")
        bundles = [tile_at(ENTRIES, at, size) for at in range(-(-size // WIDTH))]
        for at in range(0, len(bundles), WINDOW):
            for tile, data in _tiles(bundles[at : at + WINDOW], self.number, self.read_many):
                self.check(tile, data)
                yield from enumerate(split_bundle(data, tile.path), tile.index * WIDTH)
                show(tile.index * WIDTH + tile.width, size)


def _strands(read: Read, read_many: ReadMany, genesis: Genesis, key: Verifier | None) -> Iterator[_Strand]:
    """The strands that there are; checked against the log's signature, if its key is pinned."""
    for strand in range(genesis.strand_count):
        note = read(f"{strand}/checkpoint")
        if note is None:
            raise unpublished(strand_origin(genesis.origin, strand))
        if key is None:
            head = parse_checkpoint(parse_note(note).text)
            yield _Strand(strand, head, read_many, _check_width)
        else:
            head = genesis.keys.open(note, strand_origin(genesis.origin, strand))
            yield _Strand(strand, head, read_many, _tree(head, strand, read_many).check)


def _check_width(tile: Tile, data: bytes) -> None:
    """Raise `TileFault` unless the bundle has the entries that its tree says, whatever they are."""
    entries = split_bundle(data, tile.path)
    if len(entries) != tile.width:
        raise TileFault(f"{tile.path} holds {len(entries)} entries, its tree {tile.width}")


def _tree(head: Checkpoint, strand: int, read_many: ReadMany) -> SignedTree:
    return SignedTree(head, lambda tiles: [data for _, data in _tiles(tiles, strand, read_many)])


def _tiles(tiles: Sequence[Tile], strand: int, read_many: ReadMany) -> Iterator[tuple[Tile, bytes]]:
    paths = [f"{strand}/{tile.path}" for tile in tiles]
    for tile, path, data in zip(tiles, paths, read_many(paths), strict=True):
        if data is None:
            raise TileFault(f"{path} is missing in the mirror")
        yield tile, data


def _genesis(read: Read, key: Verifier | None) -> Genesis:
    note = read("genesis")
    if note is None:
        raise FileNotFoundError(2, "there is none: is this a mirror of the log?", "genesis")
    genesis = parse_genesis(parse_note(note).text) if key is None else open_genesis(note, key)
    return read_epochs(read("epochs") or b"", genesis)


def _untagged(held: Holdings, secret: bytes) -> list[Finding]:
    message = "its event lacks your tag: whoever signed it kept it from you"
    return [
        Finding("untagged", file, f"{proved.doc} version {proved.version}: {message}")
        for file, proved in untagged(held.openings, secret)
    ]


def _words(
    found: Sequence[EventAbout], held: Holdings, findings: Sequence[Finding], *, verified: bool
) -> list[str]:
    files = _files(held)
    lines = []
    for about in sorted(found, key=lambda one: (one.event.time, one.strand, one.index)):
        event = about.event
        line = f"{event.time}  {event.type}  by {event.producer}  strand {about.strand}, entry {about.index}"
        if held.openings:
            line += f"  {', '.join(files.get(event.id, ['no opening held']))}"
        lines.append(line)
    count = len({about.event.id for about in found if about.event.id in files})
    shown = f", you hold openings of {count}" if held.openings else ""
    lines.append(f"{len(found)} events about you{shown}")
    absent = sorted(set(files) - {about.event.id for about in found})
    lines += [f"{', '.join(files[name])}: its event is not among them" for name in absent]
    lines += [f"{item.code}: {item.where}: {item.message}" for item in findings]
    return lines if verified else [*lines, "signatures were not checked; give the log's --key"]


def _json(found: Sequence[EventAbout], held: Holdings, findings: Sequence[Finding]) -> dict[str, object]:
    files = _files(held)
    return {
        "events": [
            {
                "time": about.event.time,
                "type": about.event.type,
                "producer": about.event.producer,
                "strand": about.strand,
                "index": about.index,
                "id": about.event.id,
                "openings": files.get(about.event.id, []),
            }
            for about in found
        ],
        "findings": [{"code": one.code, "where": one.where, "message": one.message} for one in findings],
    }


def _files(held: Holdings) -> dict[str, list[str]]:
    """The files of the openings held, by event id."""
    files: dict[str, list[str]] = {}
    for file, proved in held.openings:
        files.setdefault(proved.event.id, []).append(Path(file).name)
    return files


def _stop(said: str, status: int) -> int:
    print(f"carevouch scan: {said}", file=sys.stderr)
    return status
