"""The key and the policy of a verb. Each of them may pin the deployment."""

from typing import TYPE_CHECKING

from carevouch.cli.files import read_text, read_vkey
from carevouch.kernel.errors import Invalid
from carevouch.ledger.note import Verifier

if TYPE_CHECKING:
    from carevouch.ledger.policy import Policy


def key_and_policy(vkey: str | None, file: str | None) -> "tuple[Verifier, Policy | None]":
    """The deployment's key, given itself or by a policy's log line, and the policy, if there is one.

    Raises `Malformed`, `Invalid` or `OSError` for bad input, and `IntegrityFault` for a policy about the
    logs of another key.
    """
    if file is None:
        if vkey is None:
            raise Invalid("give the log's --key, or a --policy whose log lines pin it")
        return read_vkey(vkey), None
    # Imported only for a policy, because most verbs get a key.
    from carevouch.ledger.policy import parse_policy
    from carevouch.verifier.pinned import check_logs, pinned_key

    policy = parse_policy(read_text(file))
    key = pinned_key(policy) if vkey is None else read_vkey(vkey)
    check_logs(policy, key)
    return key, policy
