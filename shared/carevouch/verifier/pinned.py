"""The key that a policy pins, and whether a policy is about the logs of a key.

The meaning of a policy is decided in `carevouch.ledger.policy`. A policy that names logs lends its quorum to
these alone. All logs of a deployment have one key, and a policy names a key once, so that one log stands
for all.
"""

from carevouch.kernel.errors import IntegrityFault, Invalid
from carevouch.ledger.checkpoint import SUPER
from carevouch.ledger.note import Verifier
from carevouch.ledger.policy import Policy


def pinned_key(policy: Policy) -> Verifier:
    """The deployment's key, by the log lines of a policy; raises `Invalid` unless there is exactly one."""
    keys = set()
    for log in policy.logs:
        if isinstance(log.key, Verifier):
            # A strand's or the super-log's origin is the deployment's own name and a suffix.
            head, _, digits = log.key.name.rpartition("/strand/")
            name = head if head and digits.isdecimal() else log.key.name.removesuffix(f"/{SUPER}")
            keys.add(log.key.named(name))
    if len(keys) != 1:
        raise Invalid("the policy's log lines do not pin the Ed25519 key of one deployment; give its --key")
    return keys.pop()


def check_logs(policy: Policy, key: Verifier) -> None:
    """Raise `IntegrityFault` if the policy names logs, and none of this deployment."""
    listed = any(
        isinstance(log.key, Verifier)
        and log.key.public == key.public
        and (log.key.name == key.name or log.key.name.startswith(f"{key.name}/"))
        for log in policy.logs
    )
    if policy.logs and not listed:
        raise IntegrityFault("the policy is about other logs than that of the key")
