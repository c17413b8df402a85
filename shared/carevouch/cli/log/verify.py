"""`carevouch verify`: what proofs, openings and receipts prove, in plain words.

A door: it reads files and leaves everything to `carevouch.events` and `carevouch.ledger`. All trust starts
at the one key that the caller pinned: it verifies genesis, genesis verifies certificates, these verify
events, and the same key verifies the checkpoints. One thing that does not match refuses all.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carevouch.cli.files import read_bytes, read_text
from carevouch.cli.log.accepted import ReceiptVerdict, judge
from carevouch.cli.log.audit import NO_SUPER
from carevouch.cli.log.evidence import proof_json, proof_words
from carevouch.cli.log.quorum import key_and_policy
from carevouch.cli.log.source import said_of
from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis
from carevouch.events.opening import open_genesis
from carevouch.kernel.errors import DomainError, IntegrityFault, Invalid
from carevouch.kernel.jsontext import render
from carevouch.ledger.note import Verifier
from carevouch.ledger.policy import Policy
from carevouch.verifier.mismatch import Mismatch, naming
from carevouch.verifier.proofs import COSE_START, ProofFiles, ProvedEntry, prove, witness

VERIFIED, REFUSED, BAD_INPUT = 0, 1, 2

_DESCRIPTION = """\
Verify, with no network, where an event stands in the log (its .tlog-proof), and which version
of which document is in it (its opening), and say in plain words what was proved and by whom.

A proof holds hashes only. So each proof needs the event it is about: inside an opening, or as
the entry itself in a file of its own (--entry). Which belongs to which is found by hash."""

_EPILOG = """\
files:
  PROOF      GET /ledger/events/{id}/proof, and of the checkpoint in it, that of the super-log:
             GET /ledger/checkpoints/{strand}/{size}/proof. Or the event's COSE receipt:
             GET /ledger/events/{id}/receipt, verified under the sealer's key of genesis.
  --opening  GET /ledger/documents/{type}/{id}/{version}/opening
  --genesis  GET /ledger/genesis; it is verified under --key, so it may come from anywhere
  --epochs   GET /ledger/epochs, if strands were added since genesis
  --entry    the "entry" of GET /ledger/events/{id}, exactly, without a line end; for an event
             with the --certificate of its key, as a receipt holds it
  --policy   which witnesses you ask for (C2SP tlog-policy): one of the checkpoints, of the strand or
             of the super-log, must have their cosignatures
  --receipt  the header Carevouch-Receipt of an act that was accepted. It is held against the --log, a
             mirror or the URL of /ledger, all of which is read: the event is there, or rejected, or not
             due, or else you hold proof against the operator. Due is what the log's own time is
             past: that of its witnesses with a policy, otherwise that of the blocks of every strand.

  --key is the one thing to get from somebody you trust: the log's vkey (name+hash+key), or a
  file that holds it. The log line of a --policy pins it as well; its name may be `<origin>`, or that
  of the super-log, `<origin>/super`, or of a strand.

exit status:
  0  everything given was verified
  1  something does not match, a receipt is proof against the operator, or what is wrong with the
     log touches what it says of the receipt; the sentence says what
  2  a file is not there, is empty or is no text, or the key is not one

examples:
  carevouch verify consent.tlog-proof --opening consent.opening.json \\
      --genesis genesis --key 'carevouch.example+33d7b496+AeHTu4Q3hEIM…'
  carevouch verify consent.tlog-proof super.tlog-proof --opening consent.opening.json \\
      --genesis genesis --policy witnesses.policy
  carevouch verify --receipt receipt.txt --log ./mirror --key key.txt"""

# ProofFiles that may be given several times: what each is called, and what it is.
_GIVEN = (
    ("opening", "opens one revision"),
    ("entry", "a bare entry of the log"),
    ("certificate", "of the key of a bare event"),
    ("receipt", "of an accepted act; with the --log"),
)


def add_parser(subparsers: Any) -> None:
    """Register the verb with argparse's `subparsers`; `args.run` is then `run`."""
    parser = subparsers.add_parser(
        "verify",
        help="verify proofs, openings and receipts, and say what they prove",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("proofs", nargs="*", metavar="PROOF", help="a .tlog-proof file, or a COSE receipt")
    parser.add_argument("--key", metavar="VKEY", help="the log's key, or a file that holds it")
    parser.add_argument("--policy", metavar="FILE", help="whose cosignatures it takes (C2SP tlog-policy)")
    parser.add_argument("--genesis", metavar="FILE", help="the deployment's signed genesis (or the --log's)")
    parser.add_argument("--epochs", metavar="FILE", help="the orders that opened epochs after it")
    for name, words in _GIVEN:
        parser.add_argument(f"--{name}", action="append", default=[], metavar="FILE", help=words)
    parser.add_argument("--log", metavar="DIR|URL", help="the log that receipts are held against")
    parser.add_argument("--no-super", action="store_true", help=NO_SUPER)
    parser.add_argument("--json", action="store_true", help="what was proved, as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify as asked; the exit status."""
    try:
        _check_words(args)
        key, policy = _key_and_policy(args)
        given = {name: read_text(name) for name in (args.genesis, *args.receipt) if name}
        # Before the first order the log serves an empty file.
        given |= {name: Path(name).read_bytes() for name in (args.epochs,) if name}
        files = _files(args)
        shown = _prove(args, given, files, key, policy) if args.proofs else []
        judged = _judge(args, given, key, policy)
    except Mismatch as mismatch:
        return _stop(f"refused: {mismatch}", REFUSED)
    except IntegrityFault as fault:
        return _stop(f"refused: {fault.message}", REFUSED)
    except (DomainError, OSError) as error:
        return _stop(said_of(error, args.log or ""), BAD_INPUT)
    _print(shown, judged, as_json=args.json)
    return REFUSED if any(one.against_the_operator or one.touching for one in judged) else VERIFIED


def _print(shown: Sequence[ProvedEntry], judged: Sequence[ReceiptVerdict], *, as_json: bool) -> None:
    if as_json:
        said: dict[str, object] = {"verified": [proof_json(one) for one in shown]}
        if judged:
            said["receipts"] = [one.json() for one in judged]
        print(render(said).decode())
        return
    accounts = [proof_words(one) for one in shown] + [one.words() for one in judged]
    print("\n\n".join("\n".join(lines) for lines in accounts))


def _check_words(args: argparse.Namespace) -> None:
    if not args.proofs and not args.receipt:
        raise Invalid("give a PROOF, or a --receipt and the --log to hold it against")
    if args.receipt and not args.log:
        raise Invalid("give the --log that the receipt is held against: a mirror, or the URL of /ledger")
    if not args.proofs and (args.opening or args.entry or args.certificate):
        raise Invalid("give the PROOF that shows the event of the opening or the entry in the log")
    if args.proofs and not args.genesis:
        raise Invalid("give the --genesis, under which proofs are verified")


def _key_and_policy(args: argparse.Namespace) -> tuple[Verifier, Policy | None]:
    try:
        return key_and_policy(args.key, args.policy)
    except IntegrityFault as fault:
        raise Mismatch(f"{args.policy}: {fault.message}") from fault


def _files(args: argparse.Namespace) -> ProofFiles:
    proofs = {}
    for name in args.proofs:
        data = read_bytes(name)
        proofs[name] = data if data.startswith(COSE_START) else read_text(name)
    return ProofFiles(
        proofs,
        {name: read_text(name) for name in args.opening},
        {name: read_text(name) for name in args.entry},
        {name: read_text(name) for name in args.certificate},
    )


def _prove(
    args: argparse.Namespace, given: dict[str, bytes], files: ProofFiles, key: Verifier, policy: Policy | None
) -> list[ProvedEntry]:
    genesis = _genesis(args, given, key)
    shown = prove(files, genesis)
    if policy is None:
        return shown
    return witness(shown, genesis, policy, args.policy)


def _judge(
    args: argparse.Namespace, given: dict[str, bytes], key: Verifier, policy: Policy | None
) -> list[ReceiptVerdict]:
    receipts = {name: given[name] for name in args.receipt}
    if not receipts:
        return []
    return judge(receipts, args.log, key, policy, given.get(args.genesis), super_log=not args.no_super)


def _genesis(args: argparse.Namespace, given: dict[str, bytes], key: Verifier) -> Genesis:
    with naming(args.genesis):
        genesis = open_genesis(given[args.genesis], key)
    if not args.epochs:
        return genesis
    with naming(args.epochs):
        return read_epochs(given[args.epochs], genesis)


def _stop(said: str, status: int) -> int:
    print(f"carevouch verify: {said}", file=sys.stderr)
    return status
