"""Tampering on purpose with some of the operator's keys, and the name that the audit must give it.

Without keys, the attacker makes the tiles anew, and the root gives that away. With the log's key they sign
checkpoints and the super-log anew, and the signatures of services and of the sealer give that away. With the
sealer's key as well they make new blocks, and the producers' dense numbers give that away. With all keys no
entry of the log does: see `forks`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from carevouch.events.seal import SEAL_TYP
from carevouch.kernel.jws import sign, take_apart
from carevouch.ledger.block import Block
from carevouch.ledger.checkpoint import SUPER, Checkpoint, LogName
from carevouch.ledger.merkle import Edge, leaf_hash, leaf_hashes
from carevouch.ledger.superlog import super_entry
from tests.tampering.log import Files, Honest, blocks_of, entries_of, origin_of, typ_of, type_of
from tests.tampering.tally import Right
from tests.unit.ledger.logs import MemoryLog
from tests.unit.sealing.acts import Producer, key

Entries = list[bytes]
NOBODY, LOG, SEALER = "no key", "the log's key", "the log's and the sealer's key"


@dataclass(frozen=True, slots=True)
class Attack:
    """`make` tampers with an honest log's files, and `right` holds the names that the audit must give.

    With `policy` the auditor asks for the witnesses. Without them an old promise falls due as well.
    """

    name: str
    keys: str
    make: Callable[[Honest], Files]
    right: Callable[[Honest], Right]
    policy: bool = False


def without(files: Files, log: LogName) -> Files:
    """All files but those of one log."""
    return {path: data for path, data in files.items() if not path.startswith(f"{log}/")}


def rehashed(honest: Honest, log: LogName, entries: Sequence[bytes]) -> Files:
    """One log made of these entries, with new tiles and the old checkpoint."""
    made = MemoryLog()
    made.append(entries)
    own = {f"{log}/{path}": data for path, data in made.files.items()}
    note = {f"{log}/checkpoint": honest.files[f"{log}/checkpoint"]}
    return without(honest.files, log) | own | note


def resigned(honest: Honest, log: LogName, entries: Sequence[bytes]) -> Files:
    """The log of `rehashed`, under a checkpoint that the log's key signs."""
    head = Checkpoint(origin_of(log), len(entries), Edge().extended(leaf_hashes(entries)).root())
    return rehashed(honest, log, entries) | {f"{log}/checkpoint": honest.house.logs.sign(head)}


def fitted(honest: Honest, files: Files) -> Files:
    """With a super-log that fits the new strands, and that no witness cosigned."""
    heads = [
        super_entry(files[f"{strand}/checkpoint"], honest.house.logs.keys.verifier(origin_of(strand)))
        for strand in (0, 1)
    ]
    rest = without(files, SUPER)
    return rest | {
        path: data for path, data in resigned(honest, SUPER, heads).items() if path.startswith("super/")
    }


def resealed(honest: Honest, blocks: Sequence[Sequence[bytes]], times: Sequence[str]) -> Entries:
    """These blocks, each closed by a new seal of the sealer's."""
    entries: Entries = []
    prev: bytes | None = None
    for number, (block, time) in enumerate(zip(blocks, times, strict=True)):
        data = Block(number, len(entries), len(block) + 1, prev).data
        payload = {"v": 1, "type": "block.sealed", "time": time, "data": data}
        seal = sign(payload, SEAL_TYP, honest.house.seal).encode()
        entries += [*block, seal]
        prev = leaf_hash(seal)
    return entries


def sealed_without(honest: Honest, log: int, index: int) -> Entries:
    """The strand as if the sealer had never met one of its entries."""
    entries = entries_of(honest.files, log)
    return resealed(honest, *unsealed([*entries[:index], *entries[index + 1 :]]))


def replaced(honest: Honest, log: int, index: int, entry: bytes) -> Entries:
    """The strand as if the sealer had met this entry in the place of another."""
    entries = entries_of(honest.files, log)
    return resealed(honest, *unsealed([*entries[:index], entry, *entries[index + 1 :]]))


def unsealed(entries: Sequence[bytes]) -> tuple[list[list[bytes]], list[str]]:
    """The blocks without their seals, and their times."""
    blocks = blocks_of(entries)
    times = [str(take_apart(block[-1].decode()).payload["time"]) for block in blocks]
    return [block[:-1] for block in blocks], times


@cache
def victim(honest_size: int, entries: tuple[bytes, ...]) -> int:
    """An event in the middle that another one of the same key follows in its block."""
    kinds = [typ_of(entry) for entry in entries]
    return next(at for at in range(len(kinds) // 2, len(kinds)) if kinds[at : at + 2] == ["event", "event"])


def at_of(honest: Honest, log: int = 0) -> int:
    """The index of the attacked entry."""
    entries = tuple(entries_of(honest.files, log))
    return victim(len(entries), entries)


def joined(blocks: Sequence[Entries]) -> Entries:
    """The entries of these blocks."""
    return [entry for block in blocks for entry in block]


def _edited(edit: Callable[[Entries, int, Honest], Entries]) -> Callable[[Honest], Entries]:
    return lambda honest: edit(entries_of(honest.files, 0), at_of(honest), honest)


def _seal_after(entries: Sequence[bytes], at: int) -> int:
    return next(index for index in range(at, len(entries)) if type_of(entries[index]) == "block.sealed")


def _deleted(entries: Entries, at: int, _: Honest) -> Entries:
    return [*entries[:at], *entries[at + 1 :]]


def _swapped(entries: Entries, at: int, _: Honest) -> Entries:
    return [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]]


def _doubled(entries: Entries, at: int, _: Honest) -> Entries:
    return [*entries[: at + 1], *entries[at:]]


def _over_neighbour(entries: Entries, at: int, _: Honest) -> Entries:
    return [*entries[: at + 1], entries[at], *entries[at + 2 :]]


def _blocks_swapped(entries: Entries, at: int, _: Honest) -> Entries:
    blocks = blocks_of(entries)
    number = next(n for n in range(len(blocks)) if sum(map(len, blocks[: n + 1])) > at)
    blocks[number], blocks[number - 1] = blocks[number - 1], blocks[number]
    return joined(blocks)


def _block_dropped(entries: Entries, at: int, _: Honest) -> Entries:
    end = _seal_after(entries, at)
    start = max(index for index in range(at) if type_of(entries[index]) == "block.sealed")
    return [*entries[: start + 1], *entries[end + 1 :]]


def _seal_dropped(entries: Entries, _at: int, _: Honest) -> Entries:
    return entries[:-1]


def certificate_at(entries: Sequence[bytes]) -> int:
    """The last certificate."""
    return max(index for index, entry in enumerate(entries) if typ_of(entry) == "cert")


def _certificate_dropped(entries: Entries, _at: int, _: Honest) -> Entries:
    at = certificate_at(entries)
    return [*entries[:at], *entries[at + 1 :]]


def _certificate_earlier(entries: Entries, _at: int, _: Honest) -> Entries:
    # The second certificate of the first block stands behind an event of another key.
    assert [typ_of(entry) for entry in entries[:3]] == ["cert", "event", "cert"]
    return [entries[0], entries[2], entries[1], *entries[3:]]


def rejection_at(entries: Sequence[bytes]) -> int:
    """The first rejection."""
    return next(index for index, entry in enumerate(entries) if type_of(entry) == "event.rejected")


def _rejection_earlier(entries: Entries, _at: int, _: Honest) -> Entries:
    at = rejection_at(entries)
    return [*entries[: at - 1], entries[at], entries[at - 1], *entries[at + 1 :]]


def _foreign(entries: Entries, at: int, honest: Honest) -> Entries:
    intruder = Producer(honest.house, name="intruder", epoch=2)
    return [*entries[:at], intruder.event(70_000).encode(), *entries[at + 1 :]]


def _foreign_certified(entries: Entries, at: int, honest: Honest) -> Entries:
    intruder = Producer(honest.house, name="intruder", epoch=2)
    payload = take_apart(intruder.certificate).payload
    forged = sign(payload, "carevouch-cert+jws", key("a root of their own")).encode()
    return [*entries[:at], forged, intruder.event(70_000).encode(), *entries[at + 2 :]]


def _of_strand_1(entries: Entries, at: int, honest: Honest) -> Entries:
    other = entries_of(honest.files, 1)
    return [*entries[:at], other[at_of(honest, 1)], *entries[at + 1 :]]


def _renumbered(entries: Entries, at: int, _: Honest) -> Entries:
    signed = take_apart(entries[at].decode())
    payload = {**signed.payload, "n": signed.payload["n"] + 1_000}
    made = sign(payload, signed.typ, _Pretender(signed.kid, signed.signature)).encode()
    return [*entries[:at], made, *entries[at + 1 :]]


def _seal_forged(entries: Entries, at: int, _: Honest) -> Entries:
    end = _seal_after(entries, at)
    made = sign(take_apart(entries[end].decode()).payload, SEAL_TYP, key("intruder")).encode()
    return [*entries[:end], made, *entries[end + 1 :]]


@dataclass(frozen=True, slots=True)
class _Pretender:
    """A signer without a key, which puts an old signature under new words."""

    kid: str
    signature: bytes

    @property
    def jwk(self) -> dict[str, str]:
        return {}

    def sign(self, message: bytes) -> bytes:
        """The old signature."""
        return self.signature


# What else is out of joint once entries are gone or moved: the blocks behind, their keys' numbers, and that
# what the log tells is not due.
_BEHIND = (
    r"0: entry entry \d+: (block \d+ .*|.* is also entry .*|the event is of an epoch .*)",
    r"None: gap key .*",
    r"None: repeated key .*",
    r"None: twice .*",
)


def _right(pattern: Callable[[Entries, int], str], *beside: str) -> Callable[[Honest], Right]:
    def right(honest: Honest) -> Right:
        entries = entries_of(honest.files, 0)
        return Right(pattern(entries, at_of(honest)), "|".join((*_BEHIND, *beside)))

    return right


def number_of(entry: bytes) -> str:
    """How the audit names an event's number as missing."""
    signed = take_apart(entry.decode())
    return rf"None: gap key {signed.kid}: number {signed.payload['n']} is not in the log.*"


# Name, the edit of strand 0, and how the audit must name it where the log's key signs the result.
_EDITS: tuple[tuple[str, Callable[[Entries, int, Honest], Entries], Callable[[Honest], Right]], ...] = (
    ("an entry deleted", _deleted, _right(lambda e, at: number_of(e[at]))),
    (
        "two neighbours swapped",
        _swapped,
        _right(lambda e, at: rf"0: entry entry {at + 1}: .*block's order.*"),
    ),
    (
        "an entry duplicated",
        _doubled,
        _right(lambda e, at: rf"0: entry entry {at + 1}: the event .* is also entry {at}"),
    ),
    (
        "an entry put over its neighbour",
        _over_neighbour,
        _right(lambda e, at: rf"0: entry entry {at + 1}: the event .* is also entry {at}"),
    ),
    (
        "two blocks swapped",
        _blocks_swapped,
        _right(
            lambda e, at: r"0: entry entry \d+: block \d+ is expected, the seal says \d+",
            r"0: entry entry \d+: the certificate of the event's key is not before the event",
        ),
    ),
    (
        "a block dropped",
        _block_dropped,
        _right(lambda e, at: r"0: entry entry \d+: block \d+ is expected, the seal says \d+"),
    ),
    (
        "the last seal dropped",
        _seal_dropped,
        _right(lambda e, at: r"0: block entry \d+: the last \d+ entries are in no block"),
    ),
    (
        "a certificate dropped",
        _certificate_dropped,
        _right(
            lambda e, at: rf"0: entry entry {certificate_at(e)}: the certificate of the event's key .*",
            r"0: entry entry \d+: the certificate of the event's key is not before the event",
        ),
    ),
    (
        "a certificate moved",
        _certificate_earlier,
        _right(lambda e, at: r"0: entry entry 1: no event of its key follows the certificate before .*"),
    ),
    (
        "a rejection moved",
        _rejection_earlier,
        _right(lambda e, at: rf"0: entry entry {rejection_at(e)}: the entry stands behind a rejection .*"),
    ),
    (
        "a foreign event inserted",
        _foreign,
        _right(lambda e, at: rf"0: entry entry {at}: the certificate of the event's key is not before .*"),
    ),
    (
        "a foreign event inserted with a certificate",
        _foreign_certified,
        _right(
            lambda e, at: rf"0: entry entry {at}: the certificate is not by the records root: .*",
            r"0: entry entry \d+: the certificate of the event's key is not before the event",
        ),
    ),
    (
        "an event of another strand inserted",
        _of_strand_1,
        _right(lambda e, at: rf"0: entry entry {at}: the event belongs into another strand", r"0: entry .*"),
    ),
    (
        "an event numbered anew",
        _renumbered,
        _right(lambda e, at: rf"0: entry entry {at}: the event is not by the certified key: .*"),
    ),
    (
        "a seal forged",
        _seal_forged,
        _right(lambda e, at: rf"0: entry entry {_seal_after(e, at)}: the seal is not by the sealer's .*"),
    ),
)


def edits() -> list[Attack]:
    """Each edit, by an attacker without a key and by one with the log's."""
    found = []
    for name, edit, right in _EDITS:
        change = _edited(edit)
        found.append(Attack(name, NOBODY, _by_nobody(change), _root(right)))
        found.append(Attack(name, LOG, _by_log(change), right))
    return found


def _by_nobody(change: Callable[[Honest], Entries]) -> Callable[[Honest], Files]:
    return lambda honest: rehashed(honest, 0, change(honest))


def _by_log(change: Callable[[Honest], Entries]) -> Callable[[Honest], Files]:
    return lambda honest: fitted(honest, resigned(honest, 0, change(honest)))


def _root(right_of: Callable[[Honest], Right]) -> Callable[[Honest], Right]:
    """The name without the key: a root that does not fit, or a file if the number of entries changed."""
    name = r"0: root checkpoint: .*|0: missing tile/entries/\S+: .*|0: entry tile/entries/\S+: .*"

    def root(honest: Honest) -> Right:
        right = right_of(honest)
        return Right(name, rf"{right.name}|{right.beside}|0: (head|missing) .*")

    return root
