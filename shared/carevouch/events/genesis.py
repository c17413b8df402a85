"""Genesis: which keys, which origin, how many strands. The root of all trust, itself under the log's key.

It is published as a C2SP signed note whose text is the line `carevouch.org/genesis/v2` and one line of
canonical JSON, signed by the log's Ed25519 key under the name `<origin>`. Whoever pins that one key (the
vkey) can check genesis, with it every certificate, with these every event, and with the same key every
checkpoint. Version 1 is of logs without a second, ML-DSA-44, key.
"""

from dataclasses import dataclass, field
from typing import Any

from carevouch.events.envelope import Event, strand_of
from carevouch.kernel.canonical import JsonObject, is_whole, jcs, parse_jcs
from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import Malformed
from carevouch.kernel.jws import Jwk, public_key
from carevouch.kernel.times import moment
from carevouch.ledger.checkpoint import MAX_STRANDS
from carevouch.ledger.cosignature import MLDSA44_PUBLIC
from carevouch.ledger.logkeys import LogKeys

FIRST_LINES = {1: "carevouch.org/genesis/v1", 2: "carevouch.org/genesis/v2"}
MEMBERS = frozenset(
    ["v", "deployment", "origin", "operator", "roots", "seal", "log", "strands", "seal_by_seconds", "time"]
)


@dataclass(frozen=True, slots=True)
class Epoch:
    """From `start` on events may be of epoch `number`, and lie in `strands` strands.

    `order` is the hash of the operator's order that opened it; None for the epoch that genesis opens.
    """

    number: int
    strands: int
    start: str
    order: bytes | None = None


@dataclass(frozen=True, slots=True)
class Genesis:
    """`roots` by service; `seal` signs block seals (ES256); `log` is the Ed25519 key of all checkpoints.

    `mldsa` is their ML-DSA-44 key; None in version 1, and in a deployment without one. `epochs` is no part of
    the note: which epochs are known to have been opened since (`carevouch.events.epoch`).
    """

    deployment: str
    origin: str
    operator: Jwk
    roots: dict[str, Jwk]
    seal: Jwk
    log: bytes
    strands: int
    seal_by_seconds: int
    time: str
    mldsa: bytes | None = None
    epochs: tuple[Epoch, ...] = ()
    # All epochs, the first one first: asked for with each event, so it is worked out once.
    known: tuple[Epoch, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", (Epoch(1, self.strands, self.time), *self.epochs))

    @property
    def version(self) -> int:
        """The format's version that says all of this."""
        return 1 if self.mldsa is None else 2

    @property
    def keys(self) -> LogKeys:
        """The public keys of every log of the deployment."""
        return LogKeys(self.log, self.mldsa)

    @property
    def newest(self) -> Epoch:
        """The epoch that was opened last: new keys are certified for it."""
        return self.known[-1]

    @property
    def epoch(self) -> int:
        """The number of the newest epoch."""
        return self.newest.number

    @property
    def strand_count(self) -> int:
        """How many strands there are by now; they are numbered from 0."""
        return self.newest.strands

    def epoch_of(self, number: int) -> Epoch | None:
        """The epoch with this number, if it is known."""
        return self.known[number - 1] if 1 <= number <= len(self.known) else None


def genesis_text(genesis: Genesis) -> str:
    """The text to be signed as a note: two lines, each ended by a newline."""
    body: JsonObject = {
        "v": genesis.version,
        "deployment": genesis.deployment,
        "origin": genesis.origin,
        "operator": genesis.operator,
        "roots": genesis.roots,
        "seal": genesis.seal,
        "log": b64u(genesis.log),
        "strands": genesis.strands,
        "seal_by_seconds": genesis.seal_by_seconds,
        "time": genesis.time,
    }
    if genesis.mldsa is not None:
        body["mldsa"] = b64u(genesis.mldsa)
    return f"{FIRST_LINES[genesis.version]}\n{jcs(body).decode('utf-8')}\n"


def parse_genesis(text: str) -> Genesis:
    """Genesis from the text of its note, the note's signature having been verified; raises `Malformed`."""
    lines = text.split("\n")
    version = next((number for number, line in FIRST_LINES.items() if line == lines[0]), None)
    if len(lines) != 3 or version is None or lines[2]:
        raise Malformed("genesis is not two lines, the first of them its format's name")
    body = parse_jcs(lines[1].encode("utf-8"), "genesis")
    members = MEMBERS if version == 1 else MEMBERS | {"mldsa"}
    good = set(body) == members and is_whole(body["v"], version, version)
    if not good or not isinstance(body["roots"], dict):
        raise Malformed(f"genesis does not have exactly the members of version {version}")
    for jwk in (body["operator"], body["seal"], *body["roots"].values()):
        public_key(jwk)
    for number, most in (("strands", MAX_STRANDS), ("seal_by_seconds", 2**53)):
        if not is_whole(body[number], 1, most):
            raise Malformed(f"{number} of genesis is not a number from 1 to {most}")
    for name in ("deployment", "origin", "log"):
        if not isinstance(body[name], str):
            raise Malformed(f"{name} of genesis is not text")
    log = unb64u(body["log"], "the log key of genesis")
    if len(log) != 32:
        raise Malformed("the log key of genesis is not an Ed25519 key")
    moment(body["time"], "the time of genesis")
    return Genesis(
        body["deployment"],
        body["origin"],
        body["operator"],
        body["roots"],
        body["seal"],
        log,
        body["strands"],
        body["seal_by_seconds"],
        body["time"],
        None if version == 1 else _mldsa(body["mldsa"]),
    )


def _mldsa(text: Any) -> bytes:
    public = unb64u(text, "the ML-DSA key of genesis") if isinstance(text, str) else b""
    if len(public) != MLDSA44_PUBLIC:
        raise Malformed("the ML-DSA key of genesis is not an ML-DSA-44 key")
    return public


def strand_for(event: Event | None, genesis: Genesis) -> int:
    """The strand that deals with an event: 0 for what is none, and for one of an epoch nobody knows yet."""
    epoch = None if event is None else genesis.epoch_of(event.epoch)
    return 0 if event is None or epoch is None else strand_of(event.id, epoch.strands)
