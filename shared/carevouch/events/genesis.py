"""Genesis: the keys, the origin and the number of strands of a deployment. It is the root of all trust.

Genesis is a C2SP signed note. Its text is the line `carevouch.org/genesis/v2` and one line of canonical JSON.
The log's Ed25519 key signs it under the name `<origin>`. A verifier pins only that key (the vkey). With it,
the verifier checks genesis and every checkpoint. Genesis then proves every certificate, and certificates
prove the events. Version 1 is for logs without a second key, of ML-DSA-44.
"""

from dataclasses import dataclass, field

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
    """An epoch: from `start` on, events may name `number`, and they lie in `strands` strands.

    `order` is the hash of the operator's order that opened it; None for the epoch that genesis opens.
    """

    number: int
    strands: int
    start: str
    order: bytes | None = None


@dataclass(frozen=True, slots=True)
class Genesis:
    """The parsed genesis.

    `roots` are keys by service. `seal` is the ES256 key of seals, and `log` the Ed25519 key of all
    checkpoints. `mldsa` is their ML-DSA-44 key, or None. `epochs` is not part of the note: it has the epochs
    that orders have opened since (`carevouch.events.epoch`).
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
    # All epochs in order. Each event needs them, so they are put together once.
    known: tuple[Epoch, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", (Epoch(1, self.strands, self.time), *self.epochs))

    @property
    def version(self) -> int:
        """The version of the format in which this genesis is written."""
        return 1 if self.mldsa is None else 2

    @property
    def keys(self) -> LogKeys:
        """The public keys of every log of the deployment."""
        return LogKeys(self.log, self.mldsa)

    @property
    def newest(self) -> Epoch:
        """The epoch that was opened last. New keys are certified for it."""
        return self.known[-1]

    @property
    def epoch(self) -> int:
        """The number of the newest epoch."""
        return self.newest.number

    @property
    def strand_count(self) -> int:
        """The present number of strands, which are numbered from 0."""
        return self.newest.strands

    def epoch_of(self, number: int) -> Epoch | None:
        """The epoch with this number, if it is known."""
        return self.known[number - 1] if 1 <= number <= len(self.known) else None


def genesis_text(genesis: Genesis) -> str:
    """The text of the note: two lines, each with a line feed at its end."""
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
    """Genesis in the text of its note; raises `Malformed`. The caller has verified the note's signature."""
    lines = text.split("\n")
    version = next((number for number, line in FIRST_LINES.items() if line == lines[0]), None)
    if len(lines) != 3 or version is None or lines[2]:
        raise Malformed("genesis must be two lines, of which the first names the format")
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
    mldsa = None
    if version == 2:
        text = body["mldsa"]
        mldsa = unb64u(text, "the ML-DSA key of genesis") if isinstance(text, str) else b""
        if len(mldsa) != MLDSA44_PUBLIC:
            raise Malformed("the ML-DSA key of genesis is not an ML-DSA-44 key")
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
        mldsa,
    )


def strand_for(event: Event | None, genesis: Genesis) -> int:
    """The strand that handles an event. It is 0 for a text that is not an event, and for an unknown epoch."""
    epoch = None if event is None else genesis.epoch_of(event.epoch)
    return 0 if event is None or epoch is None else strand_of(event.id, epoch.strands)
