"""An honest QLDB in memory. It chains blocks as AWS describes and exports text or binary.

It hashes with the product's own `ion_hash` and `dot`. The published blocks (`published`) show that these are
QLDB's. An entry of QLDB's own, which it does not explain, is here an arbitrary hash.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from amazon.ion import simpleion  # type: ignore[import-untyped]

from carevouch.kernel.encoding import b64, sha256
from carevouch.qldb.ion import only_value
from carevouch.qldb.ion_hash import ion_hash
from carevouch.qldb.journal import Journal, Source, verify_journal
from carevouch.qldb.tree import dot, root

STRAND, OTHER = "JdxjkR9bSYB5jMHWcI464T", "4o5UuzWSW5PIoOGm5jPA6J"
ROW = (
    '{name:"Ada Example",paid:%d.50,since:2019-08-21,tags:[a,b::"c",{{AAEC}}],seen:2019-10-25T17:20:21.009Z}'
)


def read(text: str) -> Any:
    return only_value(text.encode(), "it", exact=True)


def blob(octets: bytes) -> str:
    return "{{" + b64(octets) + "}}"


@dataclass
class Ledger:
    """The blocks as Ion text, and the hashes of each block, its revisions and its entries."""

    strand: str = STRAND
    blocks: list[str] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    revisions: list[list[bytes]] = field(default_factory=list)
    entries: list[list[bytes]] = field(default_factory=list)

    def commit(self, rows: Sequence[str | None], *, redact: int | None = None, **extra: str) -> None:
        """One transaction with a revision of each row, None for a deleted document.

        `redact` is the index of a redacted one.
        """
        number = len(self.blocks)
        address = f'{{strandId:"{self.strand}",sequenceNo:{number}}}'
        transaction, time = f"tx{number:020}", f"2019-10-25T17:20:{number % 60:02}.009Z"
        infos = {"transactionInfo": _transaction_info(number, time)}
        if redact is not None:
            infos["redactionInfo"] = f'{{blockAddress:{address},tableId:"t",documentId:"d",version:0}}'
        revisions = [
            _revision(address, transaction, time, at, row, redacted=at == redact)
            for at, row in enumerate(rows)
        ]
        own = sha256(f"revision of QLDB's own {number}".encode())
        texts = [text for text, _ in revisions] + [f"{{hash:{blob(own)}}}"]
        hashes = [hash_ for _, hash_ in revisions] + [own]
        entries = [sha256(f"own {number}".encode()), root(hashes)]
        entries += [ion_hash(read(info)) for info in infos.values()]
        previous = self.hashes[-1] if self.hashes else b""
        self.hashes.append(dot(root(entries), previous))
        self.revisions.append(hashes)
        self.entries.append(entries)
        members = {
            "blockAddress": address,
            "transactionId": f'"{transaction}"',
            "blockTimestamp": time,
            "blockHash": blob(self.hashes[-1]),
            "entriesHash": blob(root(entries)),
            "previousBlockHash": blob(previous),
            "entriesHashList": f"[{','.join(map(blob, entries))}]",
            **infos,
            "revisions": f"[{','.join(texts)}]",
            **extra,
        }
        self.blocks.append("{" + ",".join(f"{name}:{value}" for name, value in members.items()) + "}")

    def digest(self, tip: int | None = None) -> bytes:
        return root(self.hashes[: len(self.hashes) if tip is None else tip + 1])

    def way_up(self, number: int, tip: int) -> list[bytes]:
        """The proof of GetBlock: the neighbour at each level."""
        return _path(self.hashes[: tip + 1], number)

    def way_out(self, number: int, at: int, tip: int) -> list[bytes]:
        """The proof of GetRevision: out of the block, past its predecessor, and up."""
        inside = _path(self.revisions[number], at) + _path(self.entries[number], 1)
        return inside + self.hashes[number - 1 : number] + self.way_up(number, tip)

    def revision(self, number: int, at: int = 0) -> str:
        """A revision's text, as its block has it."""
        revisions = self.blocks[number].partition("revisions:[")[2]
        return (
            "{blockAddress"
            + revisions.split("{blockAddress")[at + 1].removesuffix(",").partition(",{hash:")[0]
        )

    def objects(self, width: int, *, binary: bool = False) -> dict[str, bytes]:
        """The blocks as an export would write them, `width` to an object."""
        objects = {}
        for first in range(0, len(self.blocks), width):
            blocks = self.blocks[first : first + width]
            name = f"{self.strand}.{first}-{first + len(blocks) - 1}.ion"
            objects[f"2019/10/25/17/{name}"] = joined(blocks, binary=binary)
        return objects


def joined(blocks: Iterable[str], *, binary: bool = False) -> bytes:
    """One object out of blocks."""
    if binary:
        values = [read(block) for block in blocks]
        return bytes(simpleion.dumps(values, binary=True, sequence_as_stream=True))
    return "\n".join(blocks).encode()


def ledger(blocks: int = 6, strand: str = STRAND) -> Ledger:
    """A journal with updates, a deleted document and a redacted revision."""
    made = Ledger(strand)
    for number in range(blocks):
        rows: list[str | None] = [ROW % (number * 10 + at) for at in range(number % 3)]
        if number == 4:
            made.commit([None, *rows], redact=1)
        else:
            made.commit(rows)
    return made


def verified(objects: dict[str, bytes], **options: Any) -> Journal:
    return verify_journal(list(sources(objects)), **options)


def sources(objects: dict[str, bytes]) -> Iterator[Source]:
    for name, data in objects.items():
        yield Source(name, lambda data=data: data)  # type: ignore[misc]


def codes(journal: Journal) -> list[str]:
    return [finding.code for finding in journal.findings]


def _transaction_info(number: int, time: str) -> str:
    statement = f"INSERT INTO Person ? -- {number}"
    digest = ion_hash(read(f'"{statement}"'))
    return (
        f'{{statements:[{{statement:"{statement}",startTime:{time},statementDigest:{blob(digest)}}}],'
        f'documents:{{doc{number}:{{tableName:"Person",tableId:"t",statements:[0]}}}}}}'
    )


def _revision(
    address: str, transaction: str, time: str, at: int, row: str | None, *, redacted: bool
) -> tuple[str, bytes]:
    metadata = f'{{id:"doc{at}",version:{at},txTime:{time},txId:"{transaction}"}}'
    data = b"" if row is None else ion_hash(read(row))
    hash_ = dot(ion_hash(read(metadata)), data)
    data_text = "" if row is None else f"data:{row},"
    if redacted:
        data_text = f"dataHash:{blob(data)},"
    return f"{{blockAddress:{address},hash:{blob(hash_)},{data_text}metadata:{metadata}}}", hash_


def _path(row: Sequence[bytes], at: int) -> list[bytes]:
    path = []
    while len(row) > 1:
        if at ^ 1 < len(row):
            path.append(row[at ^ 1])
        row = [root(row[pair : pair + 2]) for pair in range(0, len(row), 2)]
        at //= 2
    return path
