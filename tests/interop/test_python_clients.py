"""sigstore-python and pymerkle accept our log whole, and refuse every damaged one."""

from collections.abc import Callable

import pytest

from carevouch.ledger.cosignature import ED25519_SIGNATURE, MLDSA44_SIGNATURE
from carevouch.ledger.note import parse_note
from tests.interop import clients, damage
from tests.interop.clients import Counts, Refused
from tests.interop.damage import Damage
from tests.interop.evidence import Evidence

Client = Callable[[Evidence], Counts]
# What each client cannot see, `clients.py` says why.
SEES: dict[Client, tuple[Damage, ...]] = {
    clients.sigstore_python: (*damage.TREE, damage.signature),
    clients.pymerkle: damage.TREE,
}
CLIENTS = pytest.mark.parametrize("client", SEES, ids=lambda client: client.__name__)


def complete(client: Client, evidence: Evidence) -> Counts:
    """All there is for this client: sigstore-python has no proofs of consistency."""
    pairs = 0 if client is clients.sigstore_python else evidence.consistencies
    return Counts(len(evidence.sizes), evidence.inclusions, pairs)


@CLIENTS
def test_the_driver_verifies_another_implementations_log(client: Client, theirs: Evidence) -> None:
    assert client(theirs) == complete(client, theirs)
    assert theirs.inclusions == 120


@CLIENTS
def test_every_checkpoint_and_every_entry_under_each_is_accepted(client: Client, ours: Evidence) -> None:
    assert client(ours) == complete(client, ours)
    assert (len(ours.sizes), len(ours.entries), ours.inclusions, ours.consistencies) == (10, 1027, 3698, 45)


def test_every_checkpoint_shown_to_the_clients_carries_both_lines_of_the_log(ours: Evidence) -> None:
    for size in ours.sizes:
        lengths = [len(line.signature) for line in parse_note(ours.note(size)).lines]
        assert lengths == [ED25519_SIGNATURE, 8 + MLDSA44_SIGNATURE]


@CLIENTS
def test_signatures_of_other_algorithms_are_passed_over(client: Client, ours: Evidence) -> None:
    assert client(damage.cosigned(ours)) == complete(client, ours)


@pytest.mark.parametrize(
    ("client", "change"),
    [
        pytest.param(client, change, id=f"{client.__name__}-{change.__name__}")
        for client, changes in SEES.items()
        for change in changes
    ],
)
def test_a_damaged_log_is_refused(client: Client, change: Damage, ours: Evidence) -> None:
    with pytest.raises(Refused):
        client(change(ours))
