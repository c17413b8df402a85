"""`carevouch witness check`: lists who cosigned the current super-log checkpoint, and judges the quorum.

It trusts the policy, and the key if one is given.
"""

from argparse import Namespace
from pathlib import Path

from carevouch.cli.files import read_vkey
from carevouch.cli.frame import OK
from carevouch.cli.log.quorum import at
from carevouch.cli.log.source import read_log
from carevouch.cli.witness.audit import super_checkpoint
from carevouch.ledger.checkpoint import SUPER, log_origin
from carevouch.ledger.policy import Policy, QuorumFault, QuorumReport, parse_policy, satisfied, shown


def run(args: Namespace) -> int:
    """List the cosigners with their times; raises `QuorumFault` if the quorum is not met."""
    policy = parse_policy(Path(args.policy).read_bytes())
    note = super_checkpoint(read_log(args.log, patient=False))
    logs = []
    if args.key is not None:
        key = read_vkey(args.key)
        logs.append(key.named(log_origin(key.name.removesuffix(f"/{SUPER}"), SUPER)))
    try:
        witnessed = satisfied(policy, note, logs=logs)
    except QuorumFault as fault:
        _print_cosigners(policy, fault.witnessed)
        raise
    _print_cosigners(policy, witnessed)
    as_of = "" if witnessed.as_of is None else f", as of {at(witnessed.as_of)}"
    print(f"the quorum {shown(policy.quorum)} is met{as_of}")
    return OK


def _print_cosigners(policy: Policy, witnessed: QuorumReport) -> None:
    print(f"{witnessed.checkpoint.origin}: {witnessed.checkpoint.size} entries")
    times = {one.witness: one.time for one in witnessed.by}
    for witness in policy.witnesses:
        when = f"cosigned at {at(times[witness.name])}" if witness.name in times else "did not cosign"
        print(f"  {shown(witness.name)}: {when}")
