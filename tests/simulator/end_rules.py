"""The rules that must hold at the end, read from the public files alone, as anybody could."""

from dataclasses import dataclass
from functools import cache

from carevouch.events.seal import EVENT_REJECTED, SEAL_TYP, parse_seal
from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import Malformed
from carevouch.kernel.jsontext import parse
from carevouch.ledger.checkpoint import SUPER, LogName, log_origin, parse_checkpoint
from carevouch.ledger.merkle import Edge, leaf_hash
from carevouch.ledger.note import parse_note
from carevouch.ledger.superlog import parse_super_entry
from carevouch.ledger.tiles import ENTRIES, WIDTH, split_bundle, tile_at
from carevouch.verifier.strand import audit_strand
from tests.simulator.deployment import Deployment
from tests.simulator.events import FALSE, Kind
from tests.simulator.schedule import Broken
from tests.unit.sealing.acts import ORIGIN


@dataclass(frozen=True, slots=True)
class Final:
    """A log as it is published in the end: its entries and their leaf hashes."""

    name: LogName
    entries: list[bytes]
    leaves: list[bytes]


def judge(deployment: Deployment, *, stuck: bool) -> int:
    """Raise `Broken` where a promise does not hold; returns how many events are sealed.

    `stuck` says that a restore left a log that stops with an alarm. Then events may wait, but all else must
    hold.
    """
    finals = [_final(deployment, strand) for strand in range(deployment.strands)]
    upper = _final(deployment, SUPER)
    for final in [*finals, upper]:
        _check_history(deployment, final)
    for final in finals:
        report = audit_strand(deployment.house.genesis, int(final.name), _Reader(deployment, final.name))
        if report.findings and final.entries:
            raise Broken(f"the audit of strand {final.name} finds {report.findings[0]}")
    _check_marks(deployment, [*finals, upper], stuck=stuck)
    _check_super(deployment, upper)
    return _check_events(deployment, finals, stuck=stuck)


def _final(deployment: Deployment, name: LogName) -> Final:
    note = deployment.objects.files.get(f"{name}/checkpoint")
    if note is None:
        return Final(name, [], [])
    size = parse_checkpoint(parse_note(note).text).size
    entries: list[bytes] = []
    for number in range(-(-size // WIDTH)):
        entries += split_bundle(deployment.objects.files[f"{name}/{tile_at(ENTRIES, number, size).path}"])
    return Final(name, entries, [leaf_hash(entry) for entry in entries])


def _check_history(deployment: Deployment, final: Final) -> None:
    """Every tree that was ever signed, published or not, is a beginning of the final one."""
    origin = log_origin(ORIGIN, final.name)
    roots, edge = {0: Edge().root()}, Edge()
    for leaf in final.leaves:
        edge = edge.extended([leaf])
        roots[edge.size] = edge.root()
    for (signed, size), root in deployment.watch.signed.items():
        if signed == origin and size <= len(final.leaves) and roots[size] != root:
            raise Broken(f"a tree of {size} entries was signed that {origin} does not continue")


def _check_marks(deployment: Deployment, finals: list[Final], *, stuck: bool) -> None:
    by_name = {final.name: final for final in finals}
    for (name, key), mark in deployment.table.marks.rows.items():
        leaves = by_name[name].leaves
        if mark.index >= len(leaves):
            if not stuck:
                raise Broken(f"{key} is marked at {mark.index}, log {name} has {len(leaves)} entries")
        elif leaves[mark.index] != mark.leaf:
            raise Broken(f"the mark {key} does not name entry {mark.index} of log {name}")


def _check_super(deployment: Deployment, upper: Final) -> None:
    """The super-log has each head once, in growing sizes, and true of its strand."""
    last: dict[int, int] = {}
    for entry in upper.entries:
        head = parse_super_entry(entry, ORIGIN, deployment.house.genesis.keys)
        if head.checkpoint.size <= last.get(head.strand, 0):
            raise Broken(f"strand {head.strand} goes back to {head.checkpoint.size} in the super-log")
        last[head.strand] = head.checkpoint.size
        if (
            deployment.watch.signed.get((head.checkpoint.origin, head.checkpoint.size))
            != head.checkpoint.root
        ):
            raise Broken("the super-log holds a head that was never signed")


def _check_events(deployment: Deployment, finals: list[Final], *, stuck: bool) -> int:
    sealed: dict[str, int] = {}
    rejected: dict[str, int] = {}
    for final in finals:
        for entry in final.entries:
            text = entry.decode("ascii")
            sealed[text] = sealed.get(text, 0) + 1
            answered = _rejected(text)
            if answered is not None:
                rejected[answered] = rejected.get(answered, 0) + 1
    twins = {deed.id for deed in deployment.watch.deeds if deed.kind is Kind.TWIN and not deed.hostile}
    for deed in deployment.watch.deeds:
        times = sum(sealed.get(text, 0) for text in deed.spellings), rejected.get(b64u(deed.hash), 0)
        where = f"number {deed.n} of {deed.session.name} ({deed.kind})"
        if sum(times) > 1:
            raise Broken(f"{where} is sealed {times[0]} and rejected {times[1]} times")
        if sum(times) == 0 and not stuck and not deed.hostile:
            raise Broken(f"{where} is neither sealed nor rejected")
        if deed.kind is Kind.TRUE and times[1] and deed.id not in twins:
            raise Broken(f"{where} is true and was rejected")
        if deed.kind in FALSE and times[0]:
            raise Broken(f"{where} is false and was sealed")
    return sum(deed.text in sealed for deed in deployment.watch.deeds)


def _rejected(text: str) -> str | None:
    """The hash of the candidate that this entry answers, if it is a rejection."""
    if _typ(text.partition(".")[0]) != SEAL_TYP:
        return None
    try:
        seal = parse_seal(text)
    except Malformed as error:
        raise Broken("an entry is no seal though it says so") from error
    return str(seal.data["hash"]) if seal.type == EVENT_REJECTED else None


@cache
def _typ(header: str) -> object:
    """The kind of entry that this header begins. A few headers begin thousands of entries."""
    return parse(unb64u(header), "the header")["typ"]


@dataclass
class _Reader:
    deployment: Deployment
    name: LogName

    def __call__(self, path: str) -> bytes | None:
        return self.deployment.objects.files.get(f"{self.name}/{path}")
