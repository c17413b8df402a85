"""The honest log before tampering, and the files that people hold of it, all by the product's own code.

It is one deployment: a first epoch of one strand, a second of two, a super-log that two witnesses cosign, and
both signature lines on every checkpoint. It holds events of four producers, a person's revisions, a consent
with its device, a rejection, and blocks of two times, so that numbers fall due. Everything is deterministic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from carevouch.events.act import Revision, assemble
from carevouch.events.genesis import Genesis
from carevouch.events.opening import Opening, make_opening, render_opening
from carevouch.kernel.encoding import sha256
from carevouch.kernel.ids import Doc
from carevouch.kernel.jws import take_apart
from carevouch.kernel.times import later
from carevouch.ledger.checkpoint import LogName, log_origin, parse_checkpoint
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.note import parse_note
from carevouch.ledger.policy import Policy, parse_policy
from carevouch.ledger.proof import render
from carevouch.ledger.tiles import ENTRIES, WIDTH, split_bundle, tile_at
from carevouch.store.log.library import EntryWithProof
from tests.service.ledger.evidence import consent_opening
from tests.unit.cli.log.logs import SAW, Deployment, Witness, cosigned
from tests.unit.sealing.acts import ORIGIN, PATIENT, START, House, Producer, event_id

Files = dict[str, bytes]
WITNESSES = (Witness("witness.example/one"), Witness("witness.example/two"))
POLICY = (
    "".join(f"witness w{at} {one.vkey}\n" for at, one in enumerate(WITNESSES))
    + "group both all w0 w1\nquorum both\n"
).encode()
# Past what every promise of the first blocks allows: genesis gives an act 600 seconds.
LATE_SECONDS = 700
DOC = Doc("Observation", f"{PATIENT}.{event_id(90_000)}")


@dataclass
class Honest:
    """The log at its end and before its last batch, and the files that people hold of it.

    `held` are these files by name: one of each kind of evidence, as its owner keeps it.
    """

    deployment: Deployment
    files: Files = field(default_factory=dict)
    before: Files = field(default_factory=dict)
    held: Files = field(default_factory=dict)

    @property
    def house(self) -> House:
        return self.deployment.cloud.house

    @property
    def genesis(self) -> Genesis:
        return self.house.genesis

    @property
    def policy(self) -> Policy:
        return parse_policy(POLICY)

    @property
    def size(self) -> int:
        """How many entries all strands have together."""
        return sum(size_of(self.files, strand) for strand in (0, 1))


@cache
def large() -> Honest:
    """More than a thousand entries, and more than one full bundle in each strand."""
    return _built(first=120, batches=18, acts=50)


@cache
def medium() -> Honest:
    """A hundred entries: whole audits of it are cheap, and its blocks hold several events."""
    return _built(first=6, batches=3, acts=10)


@cache
def small() -> Honest:
    """A few dozen entries, of which every byte can be flipped."""
    return _built(first=1, batches=1, acts=2)


def size_of(files: Mapping[str, bytes], log: LogName) -> int:
    """The size in a log's checkpoint."""
    return parse_checkpoint(parse_note(files[f"{log}/checkpoint"]).text).size


def tile_path(files: Mapping[str, bytes], log: LogName, level: int, index: int) -> str:
    """The path of a tile (of entries, for `ENTRIES`) at the log's size."""
    return f"{log}/{tile_at(level, index, size_of(files, log)).path}"


def entries_of(files: Mapping[str, bytes], log: LogName) -> list[bytes]:
    """All entries of a log."""
    entries: list[bytes] = []
    for number in range(-(-size_of(files, log) // WIDTH)):
        entries += split_bundle(files[tile_path(files, log, ENTRIES, number)])
    return entries


def typ_of(entry: bytes) -> str:
    """The kind of an entry: event, cert or seal."""
    return take_apart(entry.decode("ascii")).typ.removeprefix("carevouch-").removesuffix("+jws")


def type_of(entry: bytes) -> str:
    """The type that a seal or an event names."""
    return str(take_apart(entry.decode("ascii")).payload.get("type", ""))


def blocks_of(entries: Sequence[bytes]) -> list[list[bytes]]:
    """The entries, cut behind each seal of a block."""
    blocks: list[list[bytes]] = [[]]
    for entry in entries:
        blocks[-1].append(entry)
        if type_of(entry) == "block.sealed":
            blocks.append([])
    return blocks[:-1]


def publish(deployment: Deployment) -> None:
    """Publish all of it, cosigned by both witnesses after every promise is due."""
    strands = range(deployment.cloud.epochs().known().strand_count)
    for strand in strands:
        deployment.cloud.sealer(strand).publish()
    above = deployment.cloud.above(lambda _, note: cosigned(note, WITNESSES, SAW + LATE_SECONDS))
    above.append(strands)
    above.publish()


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write the files into a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _built(first: int, batches: int, acts: int) -> Honest:
    deployment = Deployment(strands=1)
    deployment.acted = 1_000  # Other numbers than the evidence below has.
    cloud = deployment.cloud
    consent, operator = consent_opening(), Producer(cloud.house, "operator")
    assert consent.device is not None
    refused = Producer(cloud.house, name="refused")
    keys = [
        cloud.put(consent.device.event, consent.device.certificate),
        cloud.put(consent.event, consent.certificate),
        cloud.act(operator, 80_000),
        cloud.put(refused.event(80_001, type="claim.adjudicated"), refused.certificate),
    ]
    cloud.sealer(0).seal(keys)
    deployment.act(first)
    publish(deployment)
    deployment.open_epoch(2)
    for _ in range(batches):
        deployment.act(acts)
        publish(deployment)
    versions = _versions(deployment)
    publish(deployment)
    before = deployment.files()
    cloud.clock.advance(LATE_SECONDS)
    deployment.producer.made = later(START, LATE_SECONDS)
    deployment.act(acts)
    publish(deployment)
    honest = Honest(deployment, deployment.files(), before)
    honest.held = _held(honest, consent, versions)
    return honest


def _versions(deployment: Deployment) -> list[Opening]:
    """Seal two versions of one document, each an act of its own."""
    openings: list[Opening] = []
    prev: bytes | None = None
    for version in (1, 2):
        revisions = [
            Revision(DOC, version, prev, sha256(b"version %d" % version), b'{"version":%d}' % version),
            deployment.producer.revision(90_010 + version),
        ]
        act = assemble(revisions)
        text = deployment.producer.event(90_020 + version, revisions)
        certificate = deployment.producer.certificate
        openings.append(make_opening(revisions[0], text, certificate, 0, act.paths[0]))
        prev = leaf_hash(openings[-1].leaf)
        key = deployment.cloud.put(text, certificate)
        for strand in (0, 1):
            deployment.cloud.sealer(strand).seal([key])
    return openings


def _held(honest: Honest, consent: Opening, versions: Sequence[Opening]) -> Files:
    """The files that people keep: genesis, epochs, and of each opening the proofs and both receipts."""
    held = {"genesis": honest.files["genesis"], "epochs": honest.files["epochs"], "policy": POLICY}
    for name, opening in (("consent", consent), ("first", versions[0]), ("second", versions[1])):
        placed = place(honest, opening.event)
        assert placed.above is not None
        held[f"{name}.opening"] = render_opening(opening)
        held[f"{name}.tlog-proof"] = render(placed.proof)
        held[f"{name}.super"] = render(placed.above.proof)
        held[f"{name}.cose"] = honest.deployment.cloud.library().receipt(_id(opening.event))
        held[f"{name}.receipt"] = f"{opening.event} {opening.certificate}".encode()
        held[f"{name}.entry"] = opening.event.encode()
        held[f"{name}.certificate"] = str(opening.certificate).encode()
    return held


def place(honest: Honest, event: str) -> EntryWithProof:
    """The place of an event, as the ledger's door answers."""
    return honest.deployment.cloud.library().event(_id(event))


def _id(event: str) -> str:
    return str(take_apart(event).payload["id"])


def origin_of(log: LogName) -> str:
    """The origin of one of the logs."""
    return log_origin(ORIGIN, log)
