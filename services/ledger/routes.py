"""The public routes of the ledger: all GET, all without a token, all of bytes that anybody can verify.

Paths, content types and caching are those of C2SP tlog-tiles; what is not a file of the log is JSON.
"""

from collections.abc import Callable
from typing import Any

from services.ledger.feed import page_limit, read_feed
from services.ledger.proofs import Library, Placed
from shared.aws.http import Door, Incoming, Reply
from shared.events.position import parse_position, render_position
from shared.kernel.encoding import b64u
from shared.kernel.errors import Invalid, Malformed
from shared.kernel.ids import PART
from shared.ledger.note import Verifier
from shared.ledger.proof import render
from shared.ledger.tiles import parse_path

TEXT = "text/plain; charset=utf-8"
IMMUTABLE = {"Cache-Control": "public, max-age=604800, immutable"}
# The checkpoint and what is proved under it change with every publication.
FRESH = {"Cache-Control": "no-cache"}


def add_routes(door: Door, library: Callable[[], Library]) -> None:
    """Put the ledger's routes on the door; `library` is asked for at the first request, not at import."""
    door.route("GET", "/ledger/genesis", lambda _: genesis(library()))
    door.route("GET", "/ledger/digest", lambda _: digest(library()))
    door.route("GET", "/ledger/feed", lambda request: feed(request, library()))
    door.route("GET", "/ledger/{strand}/checkpoint", lambda request: checkpoint(request, library()))
    door.route("GET", "/ledger/{strand}/tile/{path+}", lambda request: tile(request, _rest(door), library()))
    door.route("GET", "/ledger/blocks/{strand}/{n}", lambda request: block(request, library()))
    door.route("GET", "/ledger/events/{id}", lambda request: event(request, library()))
    door.route("GET", "/ledger/events/{id}/proof", lambda request: event_proof(request, library()))


def genesis(library: Library) -> Reply:
    """The signed note that is the root of trust."""
    library.genesis()
    return Reply(200, library.file("genesis").decode("utf-8"), IMMUTABLE, TEXT)


def digest(library: Library) -> Reply:
    """Every strand's published checkpoint, and the keys to check them with."""
    known = library.genesis()
    strands = [library.published(strand) for strand in range(known.strands)]
    body = {
        "vkey": Verifier(known.origin, known.log).vkey,
        "strands": [
            {
                "strand": item.strand,
                "vkey": library.verifier(item.strand).vkey,
                "size": item.checkpoint.size,
                "root": b64u(item.checkpoint.root),
                "checkpoint": item.note.decode("utf-8"),
            }
            for item in strands
        ],
    }
    return Reply(200, body, FRESH)


def feed(request: Incoming, library: Library) -> Reply:
    """What was sealed and published after a position, and the position after that."""
    if not {"position", "limit"}.issuperset(request.query):
        raise Invalid("the feed takes position and limit only")
    limit = page_limit(_once(request, "limit"))
    page = read_feed(library, parse_position(_once(request, "position") or ""), limit)
    return Reply(200, {"records": list(page.records), "next": render_position(page.next)}, FRESH)


def checkpoint(request: Incoming, library: Library) -> Reply:
    """A strand's checkpoint."""
    published = library.published(_number(request, "strand"))
    return Reply(200, published.note.decode("utf-8"), FRESH, TEXT)


def tile(request: Incoming, path: str, library: Library) -> Reply:
    """A tile or an entry bundle."""
    strand = library.strand(_number(request, "strand"))
    named = parse_path(f"tile/{path}")
    return Reply(200, library.file(f"{strand}/{named.path}"), IMMUTABLE, "application/octet-stream")


def block(request: Incoming, library: Library) -> Reply:
    """A block: where it begins, how many entries it has, its seal and the seal's proof."""
    found, placed = library.block(_number(request, "strand"), _number(request, "n"))
    return Reply(200, {"block": found.data, **_json(placed)}, FRESH)


def event(request: Incoming, library: Library) -> Reply:
    """An event's entry, its place and its proof."""
    return Reply(200, _json(library.event(_event_id(request))), FRESH)


def event_proof(request: Incoming, library: Library) -> Reply:
    """The proof file of an event."""
    name = _event_id(request)
    placed = library.event(name)
    headers = {**FRESH, "Content-Disposition": f'attachment; filename="{name}.tlog-proof"'}
    return Reply(200, render(placed.proof).decode("utf-8"), headers, TEXT)


def _rest(door: Door) -> str:
    """What `{path+}` stands for: Chalice hands a view only the variables whose names are words."""
    request: Any = door.chalice.current_request
    return str((request.uri_params or {}).get("path", ""))


def _json(placed: Placed) -> dict[str, object]:
    published = placed.published
    return {
        "entry": placed.entry.decode("ascii"),
        "place": {
            "strand": published.strand,
            "index": placed.proof.index,
            "size": published.checkpoint.size,
            "root": b64u(published.checkpoint.root),
        },
        "proof": render(placed.proof).decode("utf-8"),
    }


def _once(request: Incoming, name: str) -> str | None:
    given = request.query.get(name, [])
    if len(given) > 1:
        raise Invalid(f"{name} is given once")
    return given[0] if given else None


def _number(request: Incoming, name: str) -> int:
    text = request.path.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and str(int(text)) == text):
        raise Malformed(f"{name} in the path is not a plain number")
    return int(text)


def _event_id(request: Incoming) -> str:
    text = request.path.get("id", "")
    if not PART.fullmatch(text):
        raise Malformed("an event id has 26 characters of a to z and 2 to 7")
    return text
