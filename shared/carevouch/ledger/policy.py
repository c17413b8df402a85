"""Policies: the cosignatures that make a checkpoint final (C2SP tlog-policy), parsed and evaluated.

A policy file names logs, witnesses, groups of them and one quorum (https://c2sp.org/tlog-policy). The
evaluation of a signed checkpoint says who cosigned and when, how many each group lacks, and until when the
checkpoint was the newest. A bad signature by any key in the policy refuses the note, even if the quorum does
not need it. Other keys are ignored. This file keeps URLs and calls none.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.checkpoint import Checkpoint, parse_checkpoint
from carevouch.ledger.cosignature import Ed25519Cosigner, MldsaCosigner, parse_key, timestamp_of
from carevouch.ledger.note import Note, NoteFault, NoteKey, SignatureLine, Verifier, parse_note, split_vkey

# The predefined quorum that asks for no cosignature.
NONE = "none"
# The specification asks for at least 32 of each. More than this is a mistake or an attack on the reader.
MAX_EACH = 128
# Enough for that many of each with ML-DSA-44 keys, which have 1.8 KB as text.
MAX_POLICY = 1_000_000
# Tab, newline, printable ASCII, and any octet with the high bit set.
_OCTETS = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_BLANKS = re.compile(r"[ \t]+")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class QuorumFault(IntegrityFault):
    """The quorum of a policy is not met. `witnessed` says who signed, and whom each group lacks."""

    def __init__(self, message: str, witnessed: "QuorumReport") -> None:
        super().__init__(message)
        self.witnessed = witnessed


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log whose checkpoints count. The key's name is the log's origin."""

    key: NoteKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness: its name within the policy, its key, and the URL that takes checkpoints."""

    name: str
    key: NoteKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A group, which counts if at least `needs` of its `members` do: witnesses, or earlier groups."""

    name: str
    needs: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, witnesses and groups in the file's order. `quorum` names a witness or a group, or is none."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[Group, ...]
    quorum: str


@dataclass(frozen=True, slots=True)
class WitnessLine:
    """A witness that cosigned, and its time in seconds since the epoch; 0 if it states none."""

    witness: str
    time: int


@dataclass(frozen=True, slots=True)
class Tally:
    """A group's members, those that cosigned and those that did not, and the number that it needs."""

    group: str
    needs: int
    present: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def met(self) -> bool:
        """Whether enough members of the group cosigned."""
        return len(self.present) >= self.needs


@dataclass(frozen=True, slots=True)
class QuorumReport:
    """The evaluation of a policy for a checkpoint: whether the quorum is `met`, `by` whom, and each group.

    `as_of` is the latest time T for which the cosignatures of time T or later meet the quorum. At that time
    the quorum had seen no larger tree. It is None if the quorum is not met or needs no witness.
    """

    checkpoint: Checkpoint
    quorum: str
    met: bool
    by: tuple[WitnessLine, ...] = ()
    absent: tuple[str, ...] = ()
    tallies: tuple[Tally, ...] = ()
    as_of: int | None = None


def parse_policy(data: bytes) -> Policy:
    """The policy in a file; raises `Malformed` with the line and what to mend.

    Names are octets, not text. Python's surrogate escapes represent those that are not UTF-8.
    """
    if len(data) > MAX_POLICY:
        raise Malformed(f"a policy has at most {MAX_POLICY} bytes")
    good = _OCTETS.match(data)
    if good is None or good.end() != len(data):
        at = 0 if good is None else good.end()
        line = data.count(b"\n", 0, at) + 1
        raise Malformed(
            f"line {line} of the policy has the octet {data[at]:#04x}, which a policy must not have"
        )
    reading = _PolicyReader()
    for number, line_text in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        words = [word for word in _BLANKS.split(line_text) if word]
        if words and not words[0].startswith("#"):
            reading.take(words, number)
    return reading.policy()


def evaluate(policy: Policy, note: bytes, *, logs: Sequence[NoteKey] = ()) -> QuorumReport:
    """The evaluation of a signed checkpoint, whether the quorum is met or not.

    `logs` are further keys of logs, beside those of the policy. Raises `NoteFault` if no log signed the note
    or a signature by a known key is bad. Raises `CheckpointFault` if the note is not a checkpoint.
    """
    opened = parse_note(note)
    checkpoint = parse_checkpoint(opened.text)
    _check_log(opened, checkpoint, [*(log.key for log in policy.logs), *logs])
    times: dict[str, int | None] = {}
    for witness in policy.witnesses:
        lines = lines_of(opened, witness.key)
        times[witness.name] = max((timestamp_of(line.signature) for line in lines), default=None)
    for group in policy.groups:
        found = sorted((time for name in group.members if (time := times[name]) is not None), reverse=True)
        times[group.name] = found[group.needs - 1] if len(found) >= group.needs else None
    return _witnessed(policy, checkpoint, times)


def satisfied(policy: Policy, note: bytes, *, logs: Sequence[NoteKey] = ()) -> QuorumReport:
    """As `evaluate`; raises `QuorumFault` with the missing witnesses if the quorum is not met."""
    witnessed = evaluate(policy, note, logs=logs)
    if not witnessed.met:
        lacking = "; ".join(_lacking(policy, witnessed))
        raise QuorumFault(f"the quorum {shown(policy.quorum)} is not met: {lacking}", witnessed)
    return witnessed


def lines_of(note: Note, key: NoteKey) -> list[SignatureLine]:
    """The verified lines that `key` signed; raises `NoteFault` if one of its lines is bad."""
    lines = [line for line in note.lines if (line.name, line.key_id) == (key.name, key.key_id)]
    for line in lines:
        key.verify(note.text.encode("utf-8"), line.signature)
    return lines


def shown(name: str) -> str:
    """A name that can be printed. Octets that are not UTF-8 are escaped."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _check_log(note: Note, checkpoint: Checkpoint, keys: Sequence[NoteKey]) -> None:
    if not keys:
        raise NoteFault("the policy names no log; add a log line, or give the log's key")
    signed = [key.name for key in keys if lines_of(note, key)]
    if not signed:
        raise NoteFault("no log of the policy signed the checkpoint")
    if checkpoint.origin not in signed:
        raise NoteFault(f"the checkpoint is of {checkpoint.origin} and is signed by {' and '.join(signed)}")


def _witnessed(policy: Policy, checkpoint: Checkpoint, times: dict[str, int | None]) -> QuorumReport:
    names = [witness.name for witness in policy.witnesses]
    by = tuple(WitnessLine(name, time) for name in names if (time := times[name]) is not None)
    tallies = tuple(
        Tally(
            group.name,
            group.needs,
            tuple(name for name in group.members if times[name] is not None),
            tuple(name for name in group.members if times[name] is None),
        )
        for group in policy.groups
    )
    as_of = times.get(policy.quorum)
    return QuorumReport(
        checkpoint=checkpoint,
        quorum=policy.quorum,
        met=policy.quorum == NONE or as_of is not None,
        by=by,
        absent=tuple(name for name in names if times[name] is None),
        tallies=tallies,
        as_of=as_of,
    )


def _lacking(policy: Policy, witnessed: QuorumReport) -> list[str]:
    """The reasons why the quorum is not met: each unmet group, with the members that it lacks."""
    tallies = {tally.group: tally for tally in witnessed.tallies}
    if policy.quorum not in tallies:
        return [f"{shown(policy.quorum)} did not cosign"]
    sentences, ahead = [], [policy.quorum]
    while ahead:
        tally = tallies[ahead.pop(0)]
        missing = ", ".join(map(shown, tally.missing))
        sentences.append(
            f"{shown(tally.group)} has {len(tally.present)} of the {tally.needs} members it needs "
            f"(missing: {missing})"
        )
        ahead += [name for name in tally.missing if name in tallies]
    return sentences


@dataclass
class _PolicyReader:
    """The lines read so far, and the rules about names, keys and numbers of members."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    _named: set[str] = field(default_factory=set)
    _members: set[str] = field(default_factory=set)
    _keys: dict[bytes, str] = field(default_factory=dict)

    def take(self, words: Sequence[str], number: int) -> None:
        """Add the definition on line `number`."""
        kinds: dict[str, Callable[[Sequence[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        try:
            if words[0] not in kinds:
                raise Malformed(f"{shown(words[0])} is not one of log, witness, group and quorum")
            kinds[words[0]](words[1:])
        except Malformed as error:
            raise Malformed(f"line {number} of the policy: {error.message}") from error

    def policy(self) -> Policy:
        """The policy of the lines; raises `Malformed` if the quorum line is missing."""
        if self.quorum is None:
            raise Malformed("the policy has no quorum line; write `quorum none` if no cosignature is needed")
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def _log(self, words: Sequence[str]) -> None:
        if not 1 <= len(words) <= 2:
            raise Malformed("a log line must be `log <vkey> [<url>]`")
        key, public = _key(words[0])
        if not isinstance(key, Verifier | MldsaCosigner):
            raise Malformed("a log's key must be of type 01 (Ed25519) or 06 (ML-DSA-44)")
        self._take_key(public, "log")
        self.logs.append(PolicyLog(key, words[1] if len(words) == 2 else None))
        _check_count(self.logs, "logs")

    def _witness(self, words: Sequence[str]) -> None:
        if not 2 <= len(words) <= 3:
            raise Malformed("a witness line must be `witness <name> <vkey> [<url>]`")
        key, public = _key(words[1])
        if not isinstance(key, Ed25519Cosigner | MldsaCosigner):
            raise Malformed("a witness's key must be of type 04 (Ed25519) or 06 (ML-DSA-44 cosignatures)")
        self._take_key(public, "witness")
        self._name(words[0])
        self.witnesses.append(PolicyWitness(words[0], key, words[2] if len(words) == 3 else None))
        _check_count(self.witnesses, "witnesses")

    def _group(self, words: Sequence[str]) -> None:
        if len(words) < 3:
            raise Malformed("a group line must be `group <name> all|any|<k> <member>...`")
        name, needs, members = words[0], words[1], tuple(words[2:])
        for member in members:
            if member not in self._named:
                raise Malformed(f"the member {shown(member)} is not defined on an earlier line")
            if member in self._members:
                raise Malformed(
                    f"{shown(member)} is already a member of a group; a name may be a member only once"
                )
            self._members.add(member)
        self._name(name)
        self.groups.append(Group(name, _needs(needs, len(members)), members))
        _check_count(self.groups, "groups")

    def _quorum(self, words: Sequence[str]) -> None:
        if len(words) != 1:
            raise Malformed("a quorum line must be `quorum <name>` or `quorum none`")
        if self.quorum is not None:
            raise Malformed("a policy must have exactly one quorum line")
        if words[0] != NONE and words[0] not in self._named:
            raise Malformed(f"the quorum {shown(words[0])} is not defined on an earlier line")
        self.quorum = words[0]

    def _name(self, name: str) -> None:
        if name == NONE:
            raise Malformed("the name none is reserved for the empty quorum; choose another name")
        if name in self._named:
            raise Malformed(f"the name {shown(name)} is taken; witnesses and groups need different names")
        self._named.add(name)

    def _take_key(self, public: bytes, kind: str) -> None:
        # Stricter than the specification in one point: a log must not be its own witness.
        if public in self._keys:
            raise Malformed(f"this {kind}'s public key is already the key of a {self._keys[public]}")
        self._keys[public] = kind


def _key(text: str) -> tuple[NoteKey, bytes]:
    """The key in a vkey, and its public bytes. Equal bytes are one key, whatever the type is."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("a vkey's name must be UTF-8") from None
    return parse_key(text), split_vkey(text)[2]


def _needs(text: str, count: int) -> int:
    if text in ("any", "all"):
        return 1 if text == "any" else count
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= count:
        raise Malformed(f"a group of {count} members needs all, any, or a number from 1 to {count}")
    return int(text)


def _check_count(found: Sequence[object], what: str) -> None:
    if len(found) > MAX_EACH:
        raise Malformed(f"a policy has at most {MAX_EACH} {what}")
