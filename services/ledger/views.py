"""The answers of the public ledger: all GET, all without a token, all of bytes that anybody can verify.

Paths, content types and caching of the log's files are those of C2SP tlog-tiles. All other answers are JSON.
"""

from contextlib import suppress

from carevouch.door.http import FRESH, TEXT, HttpRequest, Reply
from carevouch.events.position import page_limit, parse_position, render_position
from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import Invalid, Malformed, NotFound
from carevouch.kernel.ids import PART
from carevouch.ledger.checkpoint import SUPER, LogName
from carevouch.ledger.note import Verifier
from carevouch.ledger.proof import render
from carevouch.ledger.tiles import parse_path
from carevouch.store.log.library import EntryWithProof, Library, PublishedCheckpoint
from services.ledger.feed import read_feed
from services.ledger.page.join import verify_page

IMMUTABLE = {"Cache-Control": "public, max-age=604800, immutable"}


def genesis(_request: HttpRequest, library: Library) -> Reply:
    """The signed note that every verifier starts from."""
    library.genesis()
    return Reply(200, library.file("genesis").decode("utf-8"), IMMUTABLE, TEXT)


def epochs(_request: HttpRequest, library: Library) -> Reply:
    """The operator's orders to open epochs after genesis, one a line; empty at first."""
    return Reply(200, library.epochs().decode("ascii"), FRESH, TEXT)


def page(_request: HttpRequest, _library: Library) -> Reply:
    """The page on which a person checks proofs and openings. Once loaded, it needs no door."""
    return Reply(200, verify_page(), FRESH, "text/html; charset=utf-8")


def digest(_request: HttpRequest, library: Library) -> Reply:
    """Every strand's published checkpoint and the super-log's, and the keys to check them with."""
    known = library.genesis()
    strands = [library.published(strand) for strand in range(known.strand_count)]
    body: dict[str, object] = {
        "vkey": Verifier(known.origin, known.log).vkey,
        "strands": [{"strand": item.log, **_digest(item, library)} for item in strands],
    }
    with suppress(NotFound):  # Before the first checkpoint of a strand the super-log has none.
        body["super"] = _digest(library.published(SUPER), library)
    return Reply(200, body, FRESH)


def feed(request: HttpRequest, library: Library) -> Reply:
    """The records that were sealed and published after a position, and the next position."""
    if not {"position", "limit"}.issuperset(request.query):
        raise Invalid("the feed takes only position and limit; leave other parameters out")
    limit = page_limit(request.once("limit"))
    page = read_feed(library, parse_position(request.once("position") or ""), limit)
    return Reply(200, {"records": list(page.records), "next": render_position(page.next)}, FRESH)


def checkpoint(request: HttpRequest, library: Library) -> Reply:
    """A strand's checkpoint, or the super-log's."""
    published = library.published(_log(request))
    return Reply(200, published.note.decode("utf-8"), FRESH, TEXT)


def tile(request: HttpRequest, library: Library) -> Reply:
    """A tile or an entry bundle. One of the published tree is immutable; a strand serves no other."""
    log = library.log(_log(request))
    data, published = library.tile(log, parse_path(f"tile/{request.path['path']}"))
    return Reply(200, data, IMMUTABLE if published else FRESH, "application/octet-stream")


def block(request: HttpRequest, library: Library) -> Reply:
    """A block: its first index, its number of entries, its seal and the seal's proof."""
    found, placed = library.block(_number(request, "strand"), _number(request, "n"))
    return Reply(200, {"block": found.data, **_json(placed)}, FRESH)


def event(request: HttpRequest, library: Library) -> Reply:
    """An event's entry, its place and its proof."""
    return Reply(200, _json(library.event(_event_id(request))), FRESH)


def event_proof(request: HttpRequest, library: Library) -> Reply:
    """The proof file of an event."""
    name = _event_id(request)
    return _proof(library.event(name), name)


def event_receipt(request: HttpRequest, library: Library) -> Reply:
    """The COSE receipt of an event (RFC 9942)."""
    return Reply(200, library.receipt(_event_id(request)), FRESH, "application/cose")


def checkpoint_proof(request: HttpRequest, library: Library) -> Reply:
    """The proof file of a strand's checkpoint, by its size, in the super-log."""
    strand, size = _number(request, "strand"), _number(request, "n")
    return _proof(library.checkpoint(strand, size), f"strand-{strand}-{size}")


def _proof(placed: EntryWithProof, name: str) -> Reply:
    headers = {**FRESH, "Content-Disposition": f'attachment; filename="{name}.tlog-proof"'}
    return Reply(200, render(placed.proof).decode("utf-8"), headers, TEXT)


def _digest(published: PublishedCheckpoint, library: Library) -> dict[str, object]:
    origin = library.origin(published.log)
    return {
        "vkey": library.keys.verifier(origin).vkey,
        "vkeys": [key.vkey for key in (library.keys.verifier(origin), *library.keys.also(origin))],
        "size": published.checkpoint.size,
        "root": b64u(published.checkpoint.root),
        "checkpoint": published.note.decode("utf-8"),
    }


def _json(placed: EntryWithProof) -> dict[str, object]:
    body: dict[str, object] = {
        "entry": placed.entry.decode("ascii"),
        "place": {"strand": placed.published.log, **_place(placed)},
        "proof": render(placed.proof).decode("utf-8"),
    }
    if placed.above is not None:
        body["super"] = {"place": _place(placed.above), "proof": render(placed.above.proof).decode("utf-8")}
    return body


def _place(placed: EntryWithProof) -> dict[str, object]:
    checkpoint = placed.published.checkpoint
    return {"index": placed.proof.index, "size": checkpoint.size, "root": b64u(checkpoint.root)}


def _log(request: HttpRequest) -> LogName:
    return SUPER if request.path.get("strand") == SUPER else _number(request, "strand")


def _number(request: HttpRequest, name: str) -> int:
    text = request.path.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and str(int(text)) == text):
        raise Malformed(f"{name} in the path is not a plain number")
    return int(text)


def _event_id(request: HttpRequest) -> str:
    text = request.path.get("id", "")
    if not PART.fullmatch(text):
        raise Malformed("an event id has 26 characters of a to z and 2 to 7")
    return text
