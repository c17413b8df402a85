"""`carevouch witness`: run a witness for other people's logs, and ask what witnesses said of one.

A door: deciding is `carevouch.witness.request`, looking into a log `carevouch.witness.watch`, weighing a
quorum `carevouch.ledger.policy`. It trusts what it is given (keys, policy, the list of logs) and its own
folder.
"""

import argparse
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from carevouch.cli.files import address, read_vkey
from carevouch.cli.witness import audit as witness_audit
from carevouch.cli.witness import serve as witness_serve
from carevouch.cli.witness.files import SEED_BYTES, write_key
from carevouch.kernel.errors import IntegrityFault, Invalid
from carevouch.kernel.times import instant
from carevouch.ledger.checkpoint import SUPER, log_origin
from carevouch.ledger.note import Verifier
from carevouch.ledger.policy import Policy, QuorumFault, QuorumReport, parse_policy, satisfied, shown

MET, REFUSED, BAD_INPUT = 0, 1, 2
# litewitness listens there as well.
PORT = 7380
_NAME = re.compile(r"[^\s+]{1,255}")

_DESCRIPTION = """\
A witness cosigns the checkpoints of a log that it knows, and only those that continue what it
cosigned before (C2SP tlog-witness). So a log cannot show two histories to people who ask for
its witnesses' signatures. An auditing witness reads the log as well: every strand's growth."""

_EPILOG = """\
run one (its operator makes the key, knows the log's vkey, and keeps the folder):
  carevouch witness key --out w.key --name witness.example/w1 --url https://witness.example
  echo 'log.example/super+33d7b496+AeHT… https://api.example/ledger audit' > logs
  carevouch witness serve --key w.key --logs logs --state ./witness

or cosign from a schedule, without a server:
  carevouch witness audit https://api.example/ledger --key 'log.example+33d7b496+AeHT…' \\
      --state ./witness --witness-key w.key

ask whether a log's checkpoint is witnessed as your policy wants it (C2SP tlog-policy):
  carevouch witness check https://api.example/ledger --policy policy

The folder is the witness's memory: never restore an older one, never run two from copies.

exit status: 0 good, 1 a finding or a quorum that is not met, 2 bad input
`carevouch witness ACTION --help` teaches each action."""


def add_parser(verbs: Any) -> None:
    """Register the verb and its actions; `args.run` is then the action's."""
    parser = verbs.add_parser(
        "witness",
        help="cosign other people's logs, or check who cosigned one",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=lambda _: _teach(parser))
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    _add_serve(actions)
    _add_key(actions)
    _add_check(actions)
    _add_audit(actions)


def make_key(args: argparse.Namespace) -> int:
    """Write the private keys, print the public ones as a policy has them."""
    if not _NAME.fullmatch(args.name):
        raise Invalid("a witness's name is one word without +, such as witness.example/w1")
    url = "" if args.url is None else " " + address(args.url, "--url", "https://witness.example")
    signer = write_key(args.out, args.name, os.urandom(2 * SEED_BYTES))
    names = (args.name, f"{args.name}/mldsa")
    lines = [f"witness {name} {key.vkey}{url}" for name, key in zip(names, signer.keys, strict=True)]
    print(f"# {args.name}: Ed25519 and ML-DSA-44; either line is the witness's word")
    print("\n".join((*lines, f"group {args.name}/any any {' '.join(names)}")))
    return MET


def check(args: argparse.Namespace) -> int:
    """Whether the current super-log checkpoint satisfies the policy, and who cosigned it when."""
    policy = parse_policy(Path(args.policy).read_bytes())
    note = witness_audit.super_checkpoint(witness_audit.files_of(args.log))
    try:
        witnessed = satisfied(policy, note, logs=_logs(args.key))
    except QuorumFault as fault:
        _say(policy, fault.witnessed)
        return _refuse(fault.message)
    except IntegrityFault as fault:
        return _refuse(fault.message)
    _say(policy, witnessed)
    as_of = "" if witnessed.as_of is None else f", as of {_time(witnessed.as_of)}"
    print(f"the quorum {shown(policy.quorum)} is met{as_of}")
    return MET


def _logs(key: str | None) -> list[Verifier]:
    """The super-log's key out of the deployment's, where one is given beside the policy."""
    if key is None:
        return []
    pinned = read_vkey(key)
    return [pinned.named(log_origin(pinned.name.removesuffix(f"/{SUPER}"), SUPER))]


def _say(policy: Policy, witnessed: QuorumReport) -> None:
    print(f"{witnessed.checkpoint.origin}: {witnessed.checkpoint.size} entries")
    times = {one.witness: one.time for one in witnessed.by}
    for witness in policy.witnesses:
        said = f"cosigned {_time(times[witness.name])}" if witness.name in times else "did not cosign"
        print(f"  {shown(witness.name)}: {said}")


def _time(seconds: int) -> str:
    try:
        return instant(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return f"at second {seconds}, which is no date"


def _refuse(said: str) -> int:
    print(f"carevouch witness check: refused: {said}", file=sys.stderr)
    return REFUSED


def _teach(parser: argparse.ArgumentParser) -> int:
    parser.print_help(sys.stderr)
    return BAD_INPUT


def _add_serve(actions: Any) -> None:
    parser = actions.add_parser(
        "serve",
        help="serve add-checkpoint on 127.0.0.1",
        description="Run a witness. Put a TLS proxy before it where the logs are elsewhere. A deployment "
        "says in /ledger/digest which vkeys its super-log has; the URL is that of /ledger, and with the "
        "word audit every strand's growth is checked before the super-log is cosigned.",
    )
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="from `witness key`")
    parser.add_argument(
        "--logs", required=True, metavar="FILE", help="a line per key of a log: VKEY [URL] [audit]"
    )
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="the witness's memory")
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help=f"default: {PORT}; 0: a free one")
    parser.set_defaults(run=witness_serve.run)


def _add_key(actions: Any) -> None:
    parser = actions.add_parser(
        "key",
        help="make a witness's keys",
        description="Make an Ed25519 and an ML-DSA-44 key into a file that you alone can read, and print "
        "their public halves as lines of a policy.",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="a file that does not exist yet"
    )
    parser.add_argument("--name", required=True, help="such as witness.example/w1, never to be changed")
    parser.add_argument("--url", metavar="URL", help="where logs will reach it (/add-checkpoint is appended)")
    parser.set_defaults(run=make_key)


def _add_check(actions: Any) -> None:
    parser = actions.add_parser(
        "check",
        help="check a log's checkpoint against a policy",
        description="Say who cosigned the current super-log checkpoint, and whether that meets the quorum.",
    )
    parser.add_argument("log", metavar="DIR|URL", help="what is served under /ledger")
    parser.add_argument("--policy", required=True, metavar="FILE", help="a C2SP tlog-policy")
    parser.add_argument("--key", metavar="VKEY", help="the log's key, where the policy names no log")
    parser.set_defaults(run=check)


def _add_audit(actions: Any) -> None:
    parser = actions.add_parser(
        "audit",
        help="follow a log once, and cosign it",
        description="Follow every strand from what the folder remembers to the current super-log checkpoint: "
        "signatures, sizes that never shrink, one root for each size, every entry at hand. Then cosign.",
    )
    parser.add_argument("log", metavar="DIR|URL", help="what is served under /ledger")
    parser.add_argument("--key", required=True, metavar="VKEY", help="the log's key, or a file that holds it")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="the witness's memory")
    parser.add_argument("--witness-key", type=Path, metavar="FILE", help="cosign, and print the lines")
    parser.set_defaults(run=witness_audit.run)
