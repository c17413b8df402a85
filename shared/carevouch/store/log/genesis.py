"""Genesis: made once, by whoever comes first, and from then on only read.

What it says never changes: a setting that differs from it later is a mistake in the settings, not in genesis.
"""

from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis, genesis_text, parse_genesis
from carevouch.events.opening import open_genesis
from carevouch.ledger.note import NoteSigner, Verifier, parse_note, sign_note
from carevouch.store.log.names import EPOCHS, GENESIS
from carevouch.store.log.ports import ObjectDiffers, Objects


def ensure_genesis(objects: Objects, wanted: Genesis, log: NoteSigner) -> Genesis:
    """The deployment's genesis; made from `wanted` if there is none. Idempotent, also for two at once."""
    verifier = Verifier(wanted.origin, log.public)
    found = objects.get(GENESIS)
    if found is None:
        try:
            objects.create(GENESIS, sign_note(genesis_text(wanted), wanted.origin, log))
        except ObjectDiffers:
            found = objects.get(GENESIS)
    return wanted if found is None else open_genesis(found.data, verifier)


def read_genesis(objects: Objects) -> Genesis | None:
    """The stored genesis, None before it is made; for the door, which pins no key.

    It trusts the bucket for the key, and serves nothing that its own readers do not verify again.
    """
    stored = objects.get(GENESIS)
    if stored is None:
        return None
    claimed = parse_genesis(parse_note(stored.data).text)
    return open_genesis(stored.data, Verifier(claimed.origin, claimed.log))


class GenesisReader:
    """Reads genesis, which is kept once it was found, and the epochs that are open now."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._found: Genesis | None = None

    def __call__(self) -> Genesis | None:
        """Genesis with its epochs; None before it is made."""
        if self._found is None:
            self._found = read_genesis(self._objects)
        if self._found is None:
            return None
        epochs = self._objects.get(EPOCHS)
        return self._found if epochs is None else read_epochs(epochs.data, self._found)
