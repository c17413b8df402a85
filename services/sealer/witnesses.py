"""The log's side of tlog-witness (https://c2sp.org/tlog-witness): ask the witnesses of a policy to cosign.

All are asked at once, each from the size that it cosigned last. Each line of an answer is verified by itself,
and a line that is not by a key of that witness is left out. So no answer can do more harm than a missing one.
The checkpoint is published only if the policy's quorum is met. A witness that is down costs its line and a
short while: after the quorum is met, the others are not waited for long.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress

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

# How long to wait for all witnesses together: two requests of three seconds each.
WAIT_SECONDS = 6.0
# How long to wait for the others after the quorum is met.
GRACE_SECONDS = 0.5
# Witnesses asked at once.
CONNECTIONS = 32
# Lines of one answer that are read.
MAX_LINES = 16


class QuorumMissing(Busy):
    """Too few witnesses cosigned (yet). `witnessed` names them. The checkpoint must not be published."""

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
        """`keys` are the log's, and `reader` reads the hashes of its tree at a size.

        Raises `Malformed` if the policy names an address that is not one of http or https.
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
        """The note with the cosignatures, in the order of the policy. Raises `QuorumMissing`."""
        found: dict[NoteKey, SignatureLine] = {}
        pool = ThreadPoolExecutor(min(CONNECTIONS, max(len(self._urls), 1)))
        try:
            calls = {pool.submit(self._ask, url, checkpoint, note): url for url in self._urls}
            self._collect(calls, note, found)
        finally:
            # Do not wait for witnesses that still have not answered.
            pool.shutdown(wait=False, cancel_futures=True)
        self._tell.count("WitnessLinesMissing", len(self._policy.witnesses) - len(found))
        try:
            return self._satisfied(note, found)
        except QuorumFault as fault:
            self._tell.count("QuorumMissing", 1)
            raise QuorumMissing(fault.message, fault.witnessed) from fault

    def _collect(
        self, calls: Mapping[Future[bytes], str], note: bytes, found: dict[NoteKey, SignatureLine]
    ) -> None:
        """Add the good lines to `found` as they come, until all have come or time is up."""
        until, waiting, is_met = time.monotonic() + WAIT_SECONDS, set(calls), False
        while waiting:
            if not is_met:
                with suppress(QuorumFault):
                    self._satisfied(note, found)
                    until, is_met = min(until, time.monotonic() + GRACE_SECONDS), True
            done, waiting = wait(waiting, max(until - time.monotonic(), 0), FIRST_COMPLETED)
            if not done:
                self._tell.error("witnesses do not answer", witnesses=" ".join(calls[one] for one in waiting))
                return
            for one in done:
                found |= _good_lines(note, one.result(), self._urls[calls[one]])

    def _ask(self, url: str, checkpoint: Checkpoint, note: bytes) -> bytes:
        """The lines of a witness's answer; empty if it gives none, or cannot be asked."""
        old = self._known.get(url, 0)
        if old > checkpoint.size:
            old = 0
        try:
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
                    # Do not remember it: one wrong answer would last as long as this environment does.
                    self._known.pop(url, None)
                    break
                self._known[url] = old
            self._tell.error("a witness is elsewhere", witness=url, size=str(old), asked=str(checkpoint.size))
        except Unreachable as fault:
            self._tell.error("a witness does not answer", witness=url, because=fault.message)
        except WORLD as fault:
            # The proof for this witness could not be made. The others may still meet the quorum.
            because = fault.message if isinstance(fault, IntegrityFault) else type(fault).__name__
            self._tell.error("a witness could not be asked", witness=url, because=because)
            if isinstance(fault, IntegrityFault):
                self._tell.count("LedgerFaults", 1)
        return b""

    def _satisfied(self, note: bytes, found: Mapping[NoteKey, SignatureLine]) -> bytes:
        """The note with these lines. Raises `QuorumFault` if they do not meet the policy's quorum."""
        opened = parse_note(note)
        lines = [found[witness.key] for witness in self._policy.witnesses if witness.key in found]
        room = MAX_SIGNATURES - len(opened.lines)
        whole = render_note(Note(opened.text, (*opened.lines, *lines[:room])))
        satisfied(self._policy, whole, logs=self._keys)
        return whole


def _good_lines(note: bytes, answer: bytes, keys: Sequence[NoteKey]) -> dict[NoteKey, SignatureLine]:
    """The lines of an answer that verify, one for each key; all others are ignored."""
    text = parse_note(note).text
    good: dict[NoteKey, SignatureLine] = {}
    for spelled in answer.split(b"\n")[:MAX_LINES]:
        try:
            line = parse_note(text.encode("utf-8") + b"\n" + spelled + b"\n").lines[0]
        except (NoteFault, IndexError):
            continue
        for key in keys:
            if (line.name, line.key_id) == (key.name, key.key_id) and key not in good:
                with suppress(NoteFault):
                    key.verify(text.encode("utf-8"), line.signature)
                    good[key] = line
    return good


def _size(body: bytes) -> int | None:
    """The size in the body of a 409, or None."""
    text = body.removesuffix(b"\n")
    return int(text) if text.isdigit() and len(text) <= 19 and str(int(text)).encode() == text else None
