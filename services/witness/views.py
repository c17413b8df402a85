"""The answers of a witness: C2SP tlog-witness under `/ledger`, all without a token.

Submission prefix `/ledger`, monitoring prefix `/ledger/witness` (https://c2sp.org/tlog-witness). The log's
signature in the posted checkpoint identifies the caller, and nothing else does.
"""

from carevouch.door.http import FRESH, TEXT, HttpRequest, Reply
from carevouch.kernel.errors import NotFound
from carevouch.witness.request import origin_hash
from carevouch.witness.witness import Witness


def add_checkpoint(request: HttpRequest, witness: Witness) -> Reply:
    """Cosignature lines, or why there are none."""
    answer = witness.add_checkpoint(request.body)
    return Reply(answer.status, answer.body, answer.headers, answer.content_type)


def about(_request: HttpRequest, witness: Witness) -> Reply:
    """The witness's name and keys, as policies have them, and the logs that it knows."""
    logs = [{"origin": origin, "log": origin_hash(origin)} for origin in witness.origins]
    return Reply(200, {"name": witness.name, "vkeys": witness.vkeys, "logs": logs}, FRESH)


def checkpoint(request: HttpRequest, witness: Witness) -> Reply:
    """The largest checkpoint that was cosigned of a log, by the SHA-256 of its origin in hex."""
    note = witness.checkpoint(request.path.get("log", ""))
    if note is None:
        raise NotFound("this witness has cosigned no checkpoint of such a log")
    return Reply(200, note.decode("utf-8"), FRESH, TEXT)
