"""Whole logs as folders, by the product's own sealer: strands, a super-log, epochs, and witnesses' lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carevouch.cli.app import main
from carevouch.events.epoch import EPOCH_TYP, order_payload
from carevouch.events.genesis import Epoch, genesis_text
from carevouch.kernel.encoding import sha256
from carevouch.kernel.jws import sign
from carevouch.ledger.cosignature import Ed25519CosignatureSigner, Ed25519Cosigner, Mldsa44InMemory
from carevouch.ledger.note import Ed25519InMemory, Verifier, parse_note, sign_note
from tests.service.sealer.fakes import Cloud
from tests.unit.sealing.acts import ORIGIN, START, House, Producer

MLDSA = Mldsa44InMemory(sha256(b"log"))
VKEY = Verifier(ORIGIN, House().log.public).vkey
SAW = 1_795_342_200  # 22 November 2026, 10:10:00 UTC, ten minutes after the deployment began


@dataclass
class Deployment:
    """A log that grows by `act` and is published by `publish`."""

    strands: int = 2
    cloud: Cloud = field(init=False)
    producer: Producer = field(init=False)
    acted: int = 0

    def __post_init__(self) -> None:
        self.cloud = Cloud(House(strands=self.strands, mldsa=MLDSA))
        self.producer = Producer(self.cloud.house, spread=True)
        genesis = sign_note(genesis_text(self.cloud.house.genesis), ORIGIN, self.cloud.house.log)
        self.cloud.objects.files["genesis"] = genesis

    def act(self, count: int, producer: Producer | None = None) -> None:
        """So many events, sealed but not published."""
        numbers = range(self.acted, self.acted + count)
        self.acted += count
        keys = [self.cloud.act(producer or self.producer, number) for number in numbers]
        for strand in range(self.cloud.epochs().known().strand_count):
            self.cloud.sealer(strand).seal(keys)

    def publish(self, *witnesses: "Witness") -> None:
        """Publish each strand, and above them the super-log, cosigned."""
        strands = range(self.cloud.epochs().known().strand_count)
        for strand in strands:
            self.cloud.sealer(strand).publish()
        above = self.cloud.above(lambda _, note: cosigned(note, witnesses))
        above.append(strands)
        above.publish()

    def grow(self, count: int, *witnesses: "Witness") -> "Deployment":
        """Events, sealed and published."""
        self.act(count)
        self.publish(*witnesses)
        return self

    def open_epoch(self, strands: int) -> None:
        """Go on in more strands; later events are by a key certified for the new epoch."""
        known = self.cloud.epochs().known()
        epoch = Epoch(known.epoch + 1, strands, START)
        order = sign(order_payload(ORIGIN, epoch, known.newest.order), EPOCH_TYP, self.cloud.house.operator)
        self.cloud.epochs().open(order)
        self.producer = Producer(House(strands=strands), name="later", spread=True, epoch=epoch.number)

    def files(self) -> dict[str, bytes]:
        """The public files, by path below /ledger."""
        files = self.cloud.objects.files
        return {name: data for name, data in files.items() if public(name)}

    def write(self, folder: Path) -> Path:
        """The public files as they are now, in a folder."""
        write(folder, self.files())
        return folder


@dataclass(frozen=True, slots=True)
class Witness:
    """Another organisation, which cosigns what it is shown."""

    name: str

    @property
    def key(self) -> Ed25519InMemory:
        return Ed25519InMemory(sha256(self.name.encode()))

    @property
    def vkey(self) -> str:
        return Ed25519Cosigner(self.name, self.key.public).vkey


def cosigned(note: bytes, witnesses: Sequence[Witness], time: int = SAW) -> bytes:
    """The note with a line by each witness, dated `time`."""
    text = parse_note(note).text
    signers = [Ed25519CosignatureSigner(one.name, one.key, lambda: time) for one in witnesses]
    return note + "".join(signer.line(text).text for signer in signers).encode()


def public(name: str) -> bool:
    return name in ("genesis", "epochs") or name.endswith("/checkpoint") or "/tile/" in name


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def read(folder: Path) -> dict[str, bytes]:
    """All files of a folder by path, but for a copier's lock."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def carevouch(*words: object, key: str = VKEY) -> int:
    """Run the command as a person would; the exit status."""
    return main([*map(str, words), "--key", key])
