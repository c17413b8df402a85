"""Opening an epoch: the operator's order becomes an entry of strand 0, then a line of the file `epochs`.

The entry decides, and the file only announces it. The file is written after the entry is committed; after a
crash in between, the sweep finishes it. Services take the epoch of their new keys from the file, so no event
of an epoch exists before its entry.
"""

from carevouch.events.epoch import Order, check_order, opened, parse_epoch_data, parse_order, read_epochs
from carevouch.events.genesis import Genesis
from carevouch.events.seal import parse_seal
from carevouch.kernel.errors import Busy, Conflict, Invalid
from carevouch.kernel.jws import Signer
from carevouch.ledger.checkpoint import log_origin
from carevouch.ledger.logkeys import LogSigner
from carevouch.ledger.tiles import ENTRIES, WIDTH, split_bundle, tile_at
from carevouch.sealing.marks import epoch_mark
from carevouch.sealing.plan import plan_epoch
from carevouch.store.log.names import EPOCHS
from carevouch.store.log.ports import ObjectMoved
from services.sealer.log import MAX_ATTEMPTS, Log, LogStores
from services.sealer.manifest import manifest_of


class Epochs:
    """Opens the epochs of the deployment that `genesis` founded, and knows those that are open."""

    def __init__(self, genesis: Genesis, world: LogStores, *, seal: Signer, log: LogSigner) -> None:
        self._genesis = genesis
        self._world = world
        self._seal = seal
        self._log = Log(0, log_origin(genesis.origin, 0), world, log)

    def known(self) -> Genesis:
        """Genesis with every epoch that the public file names."""
        found = self._world.objects.get(EPOCHS)
        return self._genesis if found is None else read_epochs(found.data, self._genesis)

    def open(self, text: str) -> Genesis:
        """Open the epoch that the operator ordered. The same order again is harmless.

        Raises `Malformed`, `IntegrityFault` or `Invalid` for an order that cannot be carried out, and
        `Conflict` if another order has opened that epoch.
        """
        order = parse_order(text)
        self.finish()
        known = self.known()
        if known.epoch_of(order.epoch.number) == order.epoch:
            return known
        if known.epoch_of(order.epoch.number) is not None:
            raise Conflict(f"another order has opened epoch {order.epoch.number}; order the next one")
        check_order(order, known)
        if self._world.clock() < order.epoch.start:
            raise Invalid(f"the epoch begins at {order.epoch.start}; give the order again then")
        self._commit(order)
        return self.finish()

    def finish(self) -> Genesis:
        """Write the epochs of strand 0 that the file still lacks. Returns genesis with all of them."""
        for _ in range(MAX_ATTEMPTS):
            found = self._world.objects.get(EPOCHS)
            known = self._genesis if found is None else read_epochs(found.data, self._genesis)
            order = self._next(known)
            if order is None:
                return known
            opened(known, order)
            line = f"{order.text}\n".encode("ascii")
            try:
                self._world.objects.swap(EPOCHS, found, line if found is None else found.data + line)
            except ObjectMoved:
                continue
        raise Busy("the file of epochs keeps moving; try again")

    def _commit(self, order: Order) -> None:
        for _ in range(MAX_ATTEMPTS):
            stored = self._log.ready()
            key = epoch_mark(order.epoch.number)
            if key in self._world.marks.get(0, [key]):
                return
            plan = plan_epoch(stored.head, order, self._seal, self._world.clock())
            if self._log.commit(stored, manifest_of(plan, [])):
                return
        raise Busy("the head of strand 0 keeps moving; give the order again")

    def _next(self, known: Genesis) -> Order | None:
        """The order of the first epoch that strand 0 has opened and `known` lacks."""
        key = epoch_mark(known.epoch + 1)
        mark = self._world.marks.get(0, [key]).get(key)
        if mark is None:
            return None
        size = self._log.settled().head.edge.size
        bundle = tile_at(ENTRIES, mark.index // WIDTH, size)
        entry = split_bundle(self._log.tile(bundle), bundle.path)[mark.index % WIDTH]
        return parse_epoch_data(parse_seal(entry.decode("ascii")).data)
