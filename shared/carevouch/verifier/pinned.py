"""The key that a policy pins, and the check that a policy is about the logs of a key.

`carevouch.ledger.policy` evaluates policies. The quorum of a policy that names logs counts only for these.
All logs of a deployment have one key, and a policy names a key only once. So one log line stands for all
logs.
"""

from carevouch.kernel.errors import IntegrityFault, Invalid
from carevouch.ledger.checkpoint import SUPER
from carevouch.ledger.note import Verifier
from carevouch.ledger.policy import Policy


def pinned_key(policy: Policy) -> Verifier:
    """The deployment's key in the log lines of a policy; raises `Invalid` unless there is exactly one."""
    keys = set()
    for log in policy.logs:
        if isinstance(log.key, Verifier):
            # The origin of a strand or the super-log is the deployment's name with a suffix.
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
        raise IntegrityFault("the policy is about other logs than those of the key")
