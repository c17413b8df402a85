"""The log's side of tlog-witness (https://c2sp.org/tlog-witness): ask the witnesses of a policy to cosign.

All are asked at once, each from the size that it cosigned last. What comes back is believed line by line: a
line that is not a valid one by a key of that witness is left out, and no answer can do more harm than none.
The checkpoint goes on only if the policy's quorum is met. A witness that is down costs nothing but its line,
and a short while: once the quorum is met the others are not waited for long.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from carevouch.kernel.errors import Busy, IntegrityFault, Unreachable
from carevouch.kernel.telemetry import Telemetry
from carevouch.kernel.urls import require_http_address
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.merkle import HashReader, consistency_proof
from carevouch.ledger.note import (
    MAX_SIGNATURES,
    Note,
    NoteFault,
    NoteKey,
    SignatureLine,
    parse_note,
    render_note,
)
from carevouch.ledger.policy import Policy, QuorumFault, QuorumReport, satisfied
from carevouch.remote.http import Post, post
from carevouch.witness.request import SIZE, CheckpointRequest, render_request
from services.sealer.quarantine import WORLD

# How long all witnesses together are waited for: two requests of three seconds each.
WAIT_SECONDS = 6.0
# How long the others are waited for once the quorum is met.
GRACE_SECONDS = 0.5
# Witnesses asked at once.
CONNECTIONS = 32
# Lines of one answer that are looked at.
MAX_LINES = 16


class QuorumMissing(Busy):
    """Too few witnesses cosigned (yet); `witnessed` says who did. The checkpoint must not be published."""

    def __init__(self, message: str, witnessed: QuorumReport) -> None:
        super().__init__(message)
        self.witnessed = witnessed


class Witnesses:
    """A `log.Cosign`: hands a signed checkpoint to the witnesses of a policy and adds their lines."""

    def __init__(
        self,
        policy: Policy,
        keys: Sequence[NoteKey],
        reader: Callable[[int], HashReader],
        tell: Telemetry,
        post_: Post = post,
    ) -> None:
        """`keys` are the log's; `reader` reads the hashes of its tree at a size.

        Raises `Malformed` where the policy names an address that is none.
        """
        self._policy = policy
        self._keys = keys
        self._reader = reader
        self._tell = tell
        self._post = post_
        self._known: dict[str, int] = {}
        self._urls: dict[str, list[NoteKey]] = {}
        for witness in policy.witnesses:
            if witness.url is not None:
                self._urls.setdefault(require_http_address(witness.url).rstrip("/"), []).append(witness.key)

    def __call__(self, checkpoint: Checkpoint, note: bytes) -> bytes:
        """The note with the cosignatures, in the order of the policy; raises `QuorumMissing`."""
        found: dict[NoteKey, SignatureLine] = {}
        pool = ThreadPoolExecutor(min(CONNECTIONS, max(len(self._urls), 1)))
        try:
            asked = {pool.submit(self._ask, url, checkpoint, note): url for url in self._urls}
            self._collect(asked, note, found)
        finally:
            # Whoever still has not answered is not waited for.
            pool.shutdown(wait=False, cancel_futures=True)
        self._tell.count("WitnessLinesMissing", len(self._policy.witnesses) - len(found))
        try:
            return self._satisfied(note, found)
        except QuorumFault as fault:
            self._tell.count("QuorumMissing", 1)
            raise QuorumMissing(fault.message, fault.witnessed) from fault

    def _collect(
        self, asked: Mapping[Future[bytes], str], note: bytes, found: dict[NoteKey, SignatureLine]
    ) -> None:
        """Add the good lines to `found` as they come, until all came or time is up."""
        until, waiting, met = time.monotonic() + WAIT_SECONDS, set(asked), False
        while waiting:
            if not met and self._met(note, found):
                until, met = min(until, time.monotonic() + GRACE_SECONDS), True
            done, waiting = wait(waiting, max(until - time.monotonic(), 0), FIRST_COMPLETED)
            if not done:
                self._tell.error("witnesses do not answer", witnesses=" ".join(asked[one] for one in waiting))
                return
            for one in done:
                found |= _good_lines(note, one.result(), self._urls[asked[one]])

    def _ask(self, url: str, checkpoint: Checkpoint, note: bytes) -> bytes:
        """The lines that a witness answers; empty where it gives none, or cannot be asked."""
        try:
            return self._answer(url, checkpoint, note)
        except Unreachable as fault:
            self._tell.error("a witness does not answer", witness=url, because=fault.message)
        except WORLD as fault:
            # The proof for this one could not be made; the quorum may be met by the others.
            because = fault.message if isinstance(fault, IntegrityFault) else type(fault).__name__
            self._tell.error("a witness could not be asked", witness=url, because=because)
            if isinstance(fault, IntegrityFault):
                self._tell.count("LedgerFaults", 1)
        return b""

    def _answer(self, url: str, checkpoint: Checkpoint, note: bytes) -> bytes:
        old = self._known.get(url, 0)
        if old > checkpoint.size:
            old = 0
        for _ in range(2):
            proof = consistency_proof(self._reader(checkpoint.size), old, checkpoint.size)
            request = render_request(CheckpointRequest(old, tuple(proof), note))
            answer = self._post(f"{url}/add-checkpoint", request)
            if answer.status == 200:
                self._known[url] = checkpoint.size
                return answer.body
            size = _size(answer.body) if (answer.status, answer.content_type) == (409, SIZE) else None
            if size is None:
                self._tell.error("a witness refused", witness=url, status=str(answer.status))
                return b""
            old = size
            if old > checkpoint.size:
                # Not remembered: else one wrong answer would last as long as this environment does.
                self._known.pop(url, None)
                break
            self._known[url] = old
        self._tell.error("a witness is elsewhere", witness=url, size=str(old), asked=str(checkpoint.size))
        return b""

    def _met(self, note: bytes, found: Mapping[NoteKey, SignatureLine]) -> bool:
        try:
            self._satisfied(note, found)
        except QuorumFault:
            return False
        return True

    def _satisfied(self, note: bytes, found: Mapping[NoteKey, SignatureLine]) -> bytes:
        opened = parse_note(note)
        lines = [found[witness.key] for witness in self._policy.witnesses if witness.key in found]
        room = MAX_SIGNATURES - len(opened.lines)
        whole = render_note(Note(opened.text, (*opened.lines, *lines[:room])))
        satisfied(self._policy, whole, logs=self._keys)
        return whole


def _good_lines(note: bytes, answer: bytes, keys: Sequence[NoteKey]) -> dict[NoteKey, SignatureLine]:
    """The lines of an answer that verify, one for each key; all others are passed over."""
    text = parse_note(note).text
    good: dict[NoteKey, SignatureLine] = {}
    for spelled in answer.split(b"\n")[:MAX_LINES]:
        try:
            line = parse_note(text.encode("utf-8") + b"\n" + spelled + b"\n").lines[0]
        except (NoteFault, IndexError):
            continue
        for key in keys:
            if (
                (line.name, line.key_id) == (key.name, key.key_id)
                and key not in good
                and _verifies(key, text, line)
            ):
                good[key] = line
    return good


def _verifies(key: NoteKey, text: str, line: SignatureLine) -> bool:
    try:
        key.verify(text.encode("utf-8"), line.signature)
    except NoteFault:
        return False
    return True


def _size(body: bytes) -> int | None:
    """The size in the body of a 409, or None."""
    text = body.removesuffix(b"\n")
    return int(text) if text.isdigit() and len(text) <= 19 and str(int(text)).encode() == text else None
