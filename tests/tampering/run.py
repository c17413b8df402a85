"""All of it played: a sample for every day, every byte for `python -m tests.tampering`.

The sample flips bytes in the log of more than a thousand entries, as the audit walks through it and as a
mirror takes it. It also flips bytes in smaller logs of the same making, where whole audits are cheap. The
full play covers every byte of the smallest log, every tile and checkpoint of the large one, and a sample of
each of its entries.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.tampering import flips
from tests.tampering.attacks import LOG, Attack, edits
from tests.tampering.checks import audited, opened, strand_alone, walked, whole
from tests.tampering.flips import Target
from tests.tampering.forks import forked, seen
from tests.tampering.log import Honest, large, medium, small
from tests.tampering.schemes import schemes
from tests.tampering.tally import Tally

# Of each target so many bytes, and every so manieth of the targets of a large log.
SAMPLE, EVERY = 4, 47
# What people hold is small and each kind of it different, so more bytes of it.
HELD_SAMPLE = 14


def flips_of_files(tally: Tally, *, full: bool) -> None:
    """Every file of the log: as the audit walks through it, as a mirror takes it, and in whole audits."""
    count, step = (None, 1) if full else (SAMPLE, EVERY)
    _flip(tally, flips.hash_tiles(large(), walked, "walked"), None if full else 40)
    _flip(tally, flips.mirrored_tiles(large()), None if full else 40)
    some = SAMPLE if full else 2  # 800,000 bytes of entries in the large log: always a sample of each.
    _flip(tally, _every(flips.entries(large(), walked, "walked"), step), some)
    _flip(tally, _every(flips.mirrored_bundles(large()), step), some)
    _flip(tally, flips.checkpoints(large(), opened, "opened"), None if full else 40)
    _flip(tally, flips.hash_tiles(small(), whole, "audited"), None if full else 10)
    _flip(tally, flips.entries(small(), strand_alone, "audited"), count)
    _flip(tally, _every(flips.entries(small(), whole, "audited with the whole log"), 1 if full else 3), 2)
    _flip(tally, flips.checkpoints(small(), whole, "audited"), 400 if full else 8)
    _flip(tally, flips.epochs(small()), None if full else 10)


def flips_of_what_people_hold(tally: Tally, folder: Path, *, full: bool) -> None:
    """Genesis, epochs, proofs, openings, receipts: through the commands that read them."""
    count = None if full else HELD_SAMPLE
    _flip(tally, flips.genesis(small(), folder / "logs"), count)
    for name in ("consent", "first", "second") if full else ("consent", "second"):
        _flip(tally, flips.evidence(small(), folder / name, name), count)


def attacks(tally: Tally, *, full: bool) -> None:
    """The attacks on purpose: all in a log of a hundred entries, and some or all in the large one."""
    for attack in [*edits(), *schemes()]:
        _attack(tally, attack, medium())
        if full or (attack.keys == LOG and attack.name in _ON_THE_LARGE_LOG):
            _attack(tally, attack, large())


def forks(tally: Tally, folder: Path, *, full: bool) -> None:
    """Other views by an attacker with all keys."""
    for number, honest_of in enumerate((medium, large) if full else (medium,)):
        fork = forked(honest_of)
        for at, view in enumerate(fork.views):
            assert audited(fork.honest, view.files, witnessed=False) == [], (
                "by itself nothing is wrong with it"
            )
            seen(fork, view, folder / f"{number}-{at}", tally)


# These every day also where an audit verifies a thousand signatures.
_ON_THE_LARGE_LOG = (
    "an entry deleted",
    "two neighbours swapped",
    "an entry duplicated",
    "two blocks swapped",
)


def _attack(tally: Tally, attack: Attack, honest: Honest) -> None:
    names = audited(honest, attack.make(honest), witnessed=attack.policy)
    what = f"{attack.name}, in {honest.size} entries"
    tally.count(f"{attack.name} ({attack.keys})", what, names, attack.right(honest))


def _flip(tally: Tally, targets: Iterable[Target], count: int | None) -> None:
    for target in targets:
        target.flip(tally, count)


def _every(targets: Iterator[Target], step: int) -> list[Target]:
    return list(targets)[::step]


Play = Callable[[Tally, Path], None]


def plays(*, full: bool) -> list[Play]:
    """All plays, in order."""
    return [
        lambda tally, _: flips_of_files(tally, full=full),
        lambda tally, folder: flips_of_what_people_hold(tally, folder, full=full),
        lambda tally, _: attacks(tally, full=full),
        lambda tally, folder: forks(tally, folder, full=full),
    ]
