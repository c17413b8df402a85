"""Genesis: made once, by whoever comes first, and from then on only read.

What it says never changes: a setting that differs from it later is a mistake in the settings, not in genesis.
"""

from services.ledger.ports import ObjectDiffers, Objects
from shared.events.genesis import Genesis, genesis_text, parse_genesis
from shared.events.opening import open_genesis
from shared.ledger.note import NoteSigner, Verifier, parse_note, sign_note

NAME = "genesis"


def ensure_genesis(objects: Objects, wanted: Genesis, log: NoteSigner) -> Genesis:
    """The deployment's genesis; made from `wanted` if there is none. Idempotent, also for two at once."""
    verifier = Verifier(wanted.origin, log.public)
    found = objects.get(NAME)
    if found is None:
        try:
            objects.create(NAME, sign_note(genesis_text(wanted), wanted.origin, log))
        except ObjectDiffers:
            found = objects.get(NAME)
    return wanted if found is None else open_genesis(found.data, verifier)


def read_genesis(objects: Objects) -> Genesis | None:
    """The stored genesis, None before it is made; for the door, which pins no key.

    It trusts the bucket for the key, and serves nothing that its own readers do not verify again.
    """
    stored = objects.get(NAME)
    if stored is None:
        return None
    claimed = parse_genesis(parse_note(stored.data).text)
    return open_genesis(stored.data, Verifier(claimed.origin, claimed.log))
