"""The rows of an act: revisions, the row that carries the event, commit rows, identifier rows.

A revision row holds `ct` (nonce and body under the person's key), `act` and `index`, `path` (its inclusion
path to the act's root) and `prev` (the leaf hash of the document's previous revision), so that it can be
proved alone. The row that carries the event is the row of index 0, or the commit row of a staged act; every
other row says where it is (`home`). So a staged row is visible exactly when its home exists, and one read
answers both "committed?" and "signed by whom?". A stage begins by putting its `stage_key`, whose `until` says
when it is overdue: whoever holds that row may write the staged rows, so two tries never mix theirs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from carevouch.kernel.ids import Key, parse_key
from carevouch.store.rows import Row, Value

COMMITTED, ABORTED = "committed", "aborted"
REJECTED_SUFFIX = "#rejected"
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class SignedAct:
    """The event of an act with what its index needs."""

    text: str
    kid: str
    n: int


def commit_key(pk: str, event_id: str) -> Key:
    """The key of the commit row of a staged act."""
    return Key(pk, f"act#{event_id}")


def stage_key(pk: str, event_id: str) -> Key:
    """The key of the row by which one try, and no other, stages the act's rows."""
    return Key(pk, f"act#{event_id}#stage")


def revision_row(
    key: Key, ct: bytes, act: str, index: int, path: Sequence[bytes], prev: bytes | None
) -> dict[str, Value]:
    """The attributes every revision row has."""
    row: dict[str, Value] = {"ct": ct, "act": act, "index": index}
    if path:
        row["path"] = b"".join(path)
    if prev is not None:
        row["prev"] = prev
    return row


def event_attributes(signed: SignedAct, home: Key, keys: Sequence[Key]) -> dict[str, Value]:
    """The attributes of the one row of an act that carries its event; `keys` are the act's revision rows."""
    return {"event": signed.text, "kid": signed.kid, "n": signed.n, "rows": pack_keys(home, keys)}


def home_of(row: Row) -> Key:
    """Where the act's event is."""
    home = row.texts("home")
    return Key(home[0], home[1]) if len(home) == 2 else row.key


def path_of(row: Row) -> tuple[bytes, ...]:
    """The inclusion path of the row's leaf."""
    joined = row.binary("path") or b""
    return tuple(joined[at : at + _HASH_BYTES] for at in range(0, len(joined), _HASH_BYTES))


def pack_keys(home: Key, keys: Sequence[Key]) -> list[str]:
    """The keys of an act's revision rows, short, because a reader of any of them pays for this list.

    Rows of the home's own partition with ids of that person are listed by type and version as bare random
    parts; others in full, `pk sk`.
    """
    packed = []
    for (type_, version), group in groupby(keys, key=lambda key: _shared_part(home, key)):
        if version:
            packed.append(f"{type_}#{version} " + " ".join(_own_part(key) for key in group))
        else:
            packed.extend(f"{key.pk} {key.sk}" for key in group)
    return packed


def unpack_keys(row: Row, pk: str | None = None, prefix: str = "") -> list[Key]:
    """The inverse of `pack_keys`, from the row that carries the event.

    With `pk`, only keys of that partition whose sk starts with `prefix`.
    """
    person, keys = row.key.pk.removeprefix("P#"), []
    for item in row.texts("rows"):
        head, *tail = item.split(" ")
        type_, _, digits = head.partition("#")
        if len(type_) > 1 and digits.isdigit():  # the prefixes of partitions have one letter
            sks = (f"{type_}#{person}.{own}#v#{int(digits):010d}" for own in tail)
            keys.extend(_matching(row.key.pk, sks, pk, prefix))
        else:
            keys.extend(_matching(head, tail, pk, prefix))
    return keys


def _matching(of: str, sks: Iterable[str], pk: str | None, prefix: str) -> list[Key]:
    return [Key(of, sk) for sk in sks if sk.startswith(prefix)] if pk in (None, of) else []


def _shared_part(home: Key, key: Key) -> tuple[str, int]:
    doc, version = parse_key(key)
    person = home.pk.removeprefix("P#")
    return (doc.type, version) if key.pk == home.pk and doc.id.startswith(f"{person}.") else ("", 0)


def _own_part(key: Key) -> str:
    return parse_key(key)[0].id.split(".", 1)[1]
