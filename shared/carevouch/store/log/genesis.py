"""Genesis in the log's bucket: the first sealer makes it, and from then on it is only read.

It never changes. A setting that differs from it later is a mistake in the settings, not in genesis.
"""

from carevouch.events.epoch import read_epochs
from carevouch.events.genesis import Genesis, genesis_text, parse_genesis
from carevouch.events.opening import open_genesis
from carevouch.ledger.note import NoteSigner, Verifier, parse_note, sign_note
from carevouch.store.log.names import EPOCHS, GENESIS
from carevouch.store.log.ports import ObjectDiffers, Objects


def ensure_genesis(objects: Objects, wanted: Genesis, log: NoteSigner) -> Genesis:
    """The deployment's genesis, made from `wanted` if there is none. Two sealers at once get the same one."""
    verifier = Verifier(wanted.origin, log.public)
    found = objects.get(GENESIS)
    if found is None:
        try:
            objects.create(GENESIS, sign_note(genesis_text(wanted), wanted.origin, log))
        except ObjectDiffers:
            found = objects.get(GENESIS)
    return wanted if found is None else open_genesis(found.data, verifier)


class GenesisReader:
    """Reads genesis for the door, which pins no key: once for genesis itself, each time for its epochs.

    It trusts the bucket for the log's key. The door's own readers verify again everything that it serves.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._genesis: Genesis | None = None

    def __call__(self) -> Genesis | None:
        """Genesis with the epochs that are open now; None before it is made."""
        if self._genesis is None:
            stored = self._objects.get(GENESIS)
            if stored is None:
                return None
            claimed = parse_genesis(parse_note(stored.data).text)
            self._genesis = open_genesis(stored.data, Verifier(claimed.origin, claimed.log))
        epochs = self._objects.get(EPOCHS)
        return self._genesis if epochs is None else read_epochs(epochs.data, self._genesis)
