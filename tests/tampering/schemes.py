"""Attacks with more of the operator's keys, and on the logs above the strands.

The super-log may leave out a strand, or lie about it. Checkpoints may stand for one another. Epochs may
differ from the operator's orders. The sealer may seal as if an event had never come.
"""

from collections.abc import Callable, Sequence

from carevouch.events.epoch import EPOCH_TYP, order_payload
from carevouch.events.genesis import Epoch
from carevouch.events.seal import SEAL_TYP, parse_seal
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.jws import sign, take_apart
from carevouch.kernel.times import later
from carevouch.ledger.checkpoint import SUPER, Checkpoint, LogName
from carevouch.ledger.merkle import Edge, leaf_hashes
from carevouch.ledger.note import Note, parse_note, render_note, sign_note
from carevouch.ledger.superlog import super_entry
from tests.tampering.attacks import (
    LOG,
    NOBODY,
    SEALER,
    Attack,
    at_of,
    fitted,
    joined,
    number_of,
    replaced,
    resealed,
    resigned,
    sealed_without,
    without,
)
from tests.tampering.log import Files, Honest, blocks_of, entries_of, origin_of, size_of
from tests.tampering.tally import Right
from tests.unit.sealing.acts import ORIGIN, START

Heads = Callable[[Honest], Sequence[bytes]]


def schemes() -> list[Attack]:
    """All of them."""
    return [*_lies_about_strands(), *_super_log_itself(), *_checkpoints(), *_epochs(), *_sealed()]


def head(honest: Honest, strand: int, size: int, root: bytes | None = None) -> bytes:
    """The super-log's entry for a strand at a size, with the true root or another one."""
    entries = entries_of(honest.files, strand)[:size] if strand < 2 else []
    true = Edge().extended(leaf_hashes(entries)).root()
    note = honest.house.logs.sign(Checkpoint(origin_of(strand), size, true if root is None else root))
    return super_entry(note, honest.house.logs.keys.verifier(origin_of(strand)))


def _super(name: str, heads: Heads, right: str, beside: str = "") -> Attack:
    """A super-log of these entries, signed by the log's key."""
    return Attack(
        f"super-log: {name}",
        LOG,
        lambda honest: resigned(honest, SUPER, heads(honest)),
        lambda _: Right(right, beside),
    )


def _lies_about_strands() -> list[Attack]:
    """The super-log says something false about a strand, under the log's signature."""

    def last(honest: Honest, strand: int) -> bytes:
        return head(honest, strand, size_of(honest.files, strand))

    def without_strand(honest: Honest) -> list[bytes]:
        entries = entries_of(honest.files, SUPER)
        return [entry for entry in entries if not entry.startswith(f"{origin_of(1)}\n".encode())]

    return [
        _super("a strand left out", without_strand, r"None: omitted strand 1: .*"),
        _super(
            "a strand left behind",
            lambda h: [head(h, 1, 4), *without_strand(h)],
            r"None: omitted strand 1: the super-log says nothing of it after 4 entries, .*",
        ),
        _super(
            "another root of a strand",
            lambda h: [head(h, 0, 5, bytes(32)), last(h, 0), last(h, 1)],
            r"0: head super-log entry 0: .*",
        ),
        _super(
            "two roots of a strand at one size",
            lambda h: [last(h, 0), last(h, 1), head(h, 1, size_of(h.files, 1), bytes(32))],
            r"super: entry entry 2: strand 1 had \d+ entries before, and has \d+ here",
        ),
        _super(
            "a strand that goes back",
            lambda h: [last(h, 0), last(h, 1), head(h, 0, 5)],
            r"super: entry entry 2: strand 0 had \d+ entries before, and has 5 here",
        ),
        _super(
            "more of a strand than there is",
            lambda h: [last(h, 0), last(h, 1), head(h, 1, size_of(h.files, 1) + 9, bytes(32))],
            r"None: behind super-log entry 2: it has strand 1 with \d+ entries, the strand shows \d+",
        ),
        _super(
            "a strand that there is none of",
            lambda h: [last(h, 0), last(h, 1), head(h, 7, 0)],
            r"None: strand super-log entry 2: there is no strand 7",
        ),
    ]


def _super_log_itself() -> list[Attack]:
    """The super-log is gone, lacks its witnesses, or is ahead of its strand."""
    return [
        Attack(
            "super-log: gone",
            NOBODY,
            lambda h: without(h.files, SUPER),
            lambda _: Right(r"None: missing super-log checkpoint: .*", r"None: gap key .*"),
        ),
        Attack(
            "super-log: signed anew",
            LOG,
            lambda h: fitted(h, h.files),
            lambda _: Right(r"None: quorum super-log checkpoint: .*"),
            policy=True,
        ),
        Attack(
            "super-log: one witness's line dropped",
            NOBODY,
            _last_line_dropped,
            lambda _: Right(r"None: quorum super-log checkpoint: .*missing: w1.*"),
            policy=True,
        ),
        Attack(
            "super-log: a cosignature of another checkpoint",
            NOBODY,
            _line_of_another,
            lambda _: Right(r"None: cosignature super-log checkpoint: .*"),
            policy=True,
        ),
        Attack(
            "the last block dropped",
            LOG,
            lambda h: resigned(h, 0, joined(blocks_of(entries_of(h.files, 0))[:-1])),
            lambda _: Right(r"None: behind super-log entry \d+: it has strand 0 .*", r"None: gap key .*"),
        ),
    ]


def _last_line_dropped(honest: Honest) -> Files:
    note = parse_note(honest.files["super/checkpoint"])
    return {**honest.files, "super/checkpoint": render_note(Note(note.text, note.lines[:-1]))}


def _line_of_another(honest: Honest) -> Files:
    """A line that a witness made, but of the checkpoint before, under the witness's name."""
    now, before = parse_note(honest.files["super/checkpoint"]), parse_note(honest.before["super/checkpoint"])
    note = render_note(Note(now.text, (*now.lines[:-1], before.lines[-1])))
    return {**honest.files, "super/checkpoint": note}


def _shown_for(name: LogName, other: LogName) -> Attack:
    def make(honest: Honest) -> Files:
        return {**honest.files, f"{name}/checkpoint": honest.files[f"{other}/checkpoint"]}

    beside = rf"None: behind super-log entry \d+: it has strand {name} .*"
    return Attack(
        f"the checkpoint of {other} shown for {name}",
        NOBODY,
        make,
        lambda _: Right(rf"{name}: checkpoint checkpoint: the note carries no signature by .*", beside),
    )


def _checkpoints() -> list[Attack]:
    def elsewhere(honest: Honest) -> Files:
        """A checkpoint signed by the log's key, under the strand's own name, but of another log."""
        text = Checkpoint("other.example/strand/0", size_of(honest.files, 0), bytes(32)).text
        return {**honest.files, "0/checkpoint": sign_note(text, origin_of(0), honest.house.log)}

    beside = r"None: behind super-log entry \d+: it has strand 0 .*"
    right = Right(r"0: checkpoint checkpoint: the checkpoint is of other.example/strand/0, .*", beside)
    return [
        _shown_for(0, 1),
        _shown_for(1, SUPER),
        _shown_for(SUPER, 0),
        Attack("a checkpoint of another origin", LOG, elsewhere, lambda _: right),
        Attack(
            "an older checkpoint with its tiles",
            NOBODY,
            lambda h: {**without(h.files, 0), **{p: d for p, d in h.before.items() if p.startswith("0/")}},
            lambda _: Right(beside, r"None: gap key .*"),
        ),
    ]


def _epochs() -> list[Attack]:
    def ordered(strands: int, signer_is_operator: bool) -> Callable[[Honest], Files]:
        def make(honest: Honest) -> Files:
            house = honest.house
            signer = house.operator if signer_is_operator else house.seal
            order = sign(order_payload(ORIGIN, Epoch(2, strands, START), None), EPOCH_TYP, signer)
            return {**honest.files, "epochs": f"{order}\n".encode()}

        return make

    return [
        Attack(
            "an epoch that the operator did not order",
            SEALER,
            ordered(2, False),
            lambda _: Right(r"None: epochs epochs: the epoch is not ordered by the operator: .*"),
        ),
        Attack(
            "an epoch other than strand 0 opened",
            "the operator's key",
            ordered(3, True),
            lambda _: Right(r"None: epochs epochs: the file tells of other epochs than strand 0 opened"),
        ),
    ]


def _sealed() -> list[Attack]:
    def anew(entries: Callable[[Honest], list[bytes]]) -> Callable[[Honest], Files]:
        return lambda honest: fitted(honest, resigned(honest, 0, entries(honest)))

    def victim(honest: Honest) -> bytes:
        return entries_of(honest.files, 0)[at_of(honest)]

    def rejected(honest: Honest) -> list[bytes]:
        """A true event is rejected. It disappears, and its block ends with the rejection."""
        entries, at = entries_of(honest.files, 0), at_of(honest)
        blocks = [block[:-1] for block in blocks_of(entries)]
        number = next(n for n, block in enumerate(blocks) if entries[at] in block)
        times = [parse_seal(block[-1].decode()).time for block in blocks_of(entries)]
        event = take_apart(entries[at].decode())
        data = {"hash": b64u(sha256(entries[at])), "reason": "for no reason", "id": event.payload["id"]}
        payload = {"v": 1, "type": "event.rejected", "time": times[number], "data": data}
        answer = sign(payload, SEAL_TYP, honest.house.seal)
        blocks[number] = [*(entry for entry in blocks[number] if entry != entries[at]), answer.encode()]
        return resealed(honest, blocks, times)

    def dated_back(honest: Honest) -> list[bytes]:
        blocks = [block[:-1] for block in blocks_of(entries_of(honest.files, 0))]
        return resealed(honest, blocks, [later(START, -at) for at in range(len(blocks))])

    return [
        Attack(
            "sealed as if an event had not come",
            SEALER,
            anew(lambda h: sealed_without(h, 0, at_of(h))),
            lambda h: Right(number_of(victim(h))),
        ),
        Attack("a true event rejected", SEALER, anew(rejected), lambda h: Right(number_of(victim(h)))),
        Attack(
            "an event sealed twice",
            SEALER,
            anew(lambda h: replaced(h, 0, at_of(h) + 1, victim(h))),
            lambda h: Right(
                rf"0: entry entry {at_of(h) + 1}: the event .* is also entry {at_of(h)}",
                rf"None: repeated key .*|{number_of(entries_of(h.files, 0)[at_of(h) + 1])}",
            ),
        ),
        Attack(
            "blocks dated back",
            SEALER,
            anew(dated_back),
            lambda _: Right(
                r"0: entry entry \d+: block \d+ is dated before the block before it",
                r"0: entry entry \d+: (the event's time is more than 60 s ahead .*|epoch 2 is opened .*)",
            ),
        ),
    ]
