"""`carevouch verify` over a whole deployment: the chain of two proofs, witnesses, epochs, COSE receipts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from carevouch.cli.app import main
from carevouch.events.envelope import EVENT_TYP, strand_of
from carevouch.kernel.jws import take_apart
from carevouch.ledger import cose
from carevouch.ledger.checkpoint import parse_checkpoint
from carevouch.ledger.note import Ed25519InMemory, Note, Verifier, parse_note, render_note
from carevouch.ledger.proof import render
from carevouch.store.log.library import EntryWithProof
from tests.byte_flips import flipped, places
from tests.unit.cli.log.logs import VKEY, Deployment, Witness, write
from tests.unit.sealing.acts import ORIGIN

ONE, TWO = Witness("witness.example/one"), Witness("witness.example/two")
WITNESSES = f"witness one {ONE.vkey}\nwitness two {TWO.vkey}\n"
Capture = pytest.CaptureFixture[str]
# Of a COSE receipt; all its bytes in a soak.
MOST_FLIPS = 150


class Held:
    """The files of one event in a folder, and a command over them."""

    def __init__(self, folder: Path, deployment: Deployment, number: int = 0) -> None:
        self.folder, self.deployment = folder, deployment
        self.placed = self.place(number)
        key = take_apart(self.placed.entry.decode()).kid
        files = {
            "genesis": deployment.files()["genesis"],
            "entry": self.placed.entry,
            "certificate": deployment.cloud.events.certified[key].encode(),
            "event.tlog-proof": render(self.placed.proof),
        }
        if self.placed.above is not None:
            files["super.tlog-proof"] = render(self.placed.above.proof)
        write(folder, files)

    def place(self, number: int) -> EntryWithProof:
        """The place of the event that was acted then."""
        rows = list(self.deployment.cloud.events.rows.values())
        event_id = take_apart(rows[number].text).payload["id"]
        return self.deployment.cloud.library().event(str(event_id))

    def verify(
        self, *words: str, key: str | None = VKEY, proofs: tuple[str, ...] = ("event", "super")
    ) -> int:
        named = [str(self.folder / f"{name}.tlog-proof") for name in proofs]
        given = [str(self.folder / word) if (self.folder / word).is_file() else word for word in words]
        pinned = [] if key is None else ["--key", key]
        return main(["verify", *named, *self.options(), *given, *pinned])

    def options(self) -> list[str]:
        names = ("genesis", "entry", "certificate")
        return [word for name in names for word in (f"--{name}", str(self.folder / name))]

    def write(self, name: str, data: bytes | str) -> str:
        write(self.folder, {name: data.encode() if isinstance(data, str) else data})
        return name


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path, Deployment().grow(8).grow(8, ONE, TWO), 3)


def said_json(capsys: Capture) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def test_the_chain_of_two_proofs_is_told_in_words_and_json(held: Held, capsys: Capture) -> None:
    assert held.verify() == 0
    words = capsys.readouterr().out
    strand = held.placed.published.log
    above = held.placed.above
    assert above is not None
    size = held.placed.published.checkpoint.size
    assert (
        f"that checkpoint of strand {strand}, of {size} entries, is entry {above.proof.index} of the 4"
        in words
    )
    assert held.verify("--json") == 0
    (shown,) = said_json(capsys)["verified"]
    assert shown["kind"] == "tlog-proof"
    assert [(one["origin"], one["index"], one["size"]) for one in shown["super"]] == [
        (f"{ORIGIN}/super", above.proof.index, 4)
    ]


def test_the_super_logs_proof_alone_proves_nothing_of_an_event(held: Held, capsys: Capture) -> None:
    assert held.verify(proofs=("super",)) == 1
    assert "give the proof of the event in its strand too" in capsys.readouterr().err


def test_a_super_logs_proof_of_another_checkpoint_is_refused(held: Held, capsys: Capture) -> None:
    other = next(
        placed
        for number in range(16)
        if (placed := held.place(number)).published.log != held.placed.published.log
    )
    assert other.above is not None
    held.write("super.tlog-proof", render(other.above.proof))
    assert held.verify() == 1
    assert "about another checkpoint than those of the given proofs" in capsys.readouterr().err


def test_every_flipped_byte_of_the_super_logs_proof_is_refused(held: Held, capsys: Capture) -> None:
    data = (held.folder / "super.tlog-proof").read_bytes()
    ours = parse_note(data.partition(b"\n\n")[2]).text
    end = data.index(ours.encode()) + len(ours) + 1
    first_line = data.index(b"\n", end)
    second_line = data.index(b"\n", first_line + 1)
    # A witness's line that is broken so that it names nobody is no fault of the proof; the log's lines are.
    for at in [*range(0, first_line + 60, 5), *range(first_line + 60, second_line, 97)]:
        held.write("super.tlog-proof", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert held.verify() == 1, at
        assert "super.tlog-proof" in capsys.readouterr().err


def test_a_super_logs_proof_without_the_logs_second_line_is_refused(held: Held, capsys: Capture) -> None:
    assert held.placed.above is not None
    proof = held.placed.above.proof
    note = parse_note(proof.checkpoint)
    lines = (note.lines[0], *note.lines[2:])
    held.write("super.tlog-proof", render(replace(proof, checkpoint=render_note(Note(note.text, lines)))))
    assert held.verify() == 1
    assert f"no line by the ML-DSA-44 key of {ORIGIN}/super" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("quorum", "status", "words"),
    [
        ("group both all one two\nquorum both\n", 0, "the quorum both is met, as of 2026-11-22T10:10:00Z"),
        ("quorum one\n", 0, "not cosigned by three"),
        ("group most 2 one two three\nquorum most\n", 0, "cosigned by one at 2026-11-22T10:10:00Z, two at"),
        (
            "group all all one two three\nquorum all\n",
            1,
            "all has 2 of the 3 members it needs (missing: three)",
        ),
        ("quorum three\n", 1, "three did not cosign"),
        ("quorum none\n", 0, "the quorum none is met"),
    ],
)
def test_a_policy_says_who_saw_it_when_and_who_is_missing(
    quorum: str, status: int, words: str, held: Held, capsys: Capture
) -> None:
    three = Witness("witness.example/three")
    held.write("policy", f"{WITNESSES}witness three {three.vkey}\n{quorum}")
    assert held.verify("--policy", "policy") == status
    said = capsys.readouterr()
    assert words in said.out + said.err


def test_without_the_super_logs_proof_the_strand_must_be_cosigned_itself(held: Held, capsys: Capture) -> None:
    held.write("policy", f"{WITNESSES}quorum one\n")
    assert held.verify("--policy", "policy", proofs=("event",)) == 1
    assert "give its proof too" in capsys.readouterr().err


@pytest.mark.parametrize("name", [ORIGIN, f"{ORIGIN}/super", f"{ORIGIN}/strand/0"])
def test_the_log_line_of_a_policy_pins_the_key(name: str, held: Held, capsys: Capture) -> None:
    log = Verifier(name, held.deployment.cloud.house.log.public)
    held.write("policy", f"log {log.vkey} https://api.example/ledger/super\n{WITNESSES}quorum two\n")
    assert held.verify("--policy", "policy", key=None) == 0
    assert held.verify("--policy", "policy") == 0
    other = Verifier(name, Ed25519InMemory(bytes(32)).public)
    held.write("policy", f"log {other.vkey}\n{WITNESSES}quorum two\n")
    assert held.verify("--policy", "policy", key=None) == 1
    assert held.verify("--policy", "policy") == 1
    assert "about other logs" in capsys.readouterr().err


@pytest.mark.parametrize("logs", ["", "two"])
def test_a_policy_that_pins_no_one_key_needs_one_beside_it(logs: str, held: Held, capsys: Capture) -> None:
    lines = [Verifier(name, Ed25519InMemory(bytes([at]) * 32).public).vkey for at, name in enumerate("ab")]
    text = "".join(f"log {line}\n" for line in lines) if logs else ""
    held.write("policy", f"{text}{WITNESSES}quorum two\n")
    assert held.verify("--policy", "policy", key=None) == 2
    assert "give its --key" in capsys.readouterr().err
    assert held.verify(key=None) == 2


def test_an_event_of_a_later_epoch_needs_the_epochs(tmp_path: Path, capsys: Capture) -> None:
    deployment = Deployment(strands=1).grow(2)
    deployment.open_epoch(4)
    held = Held(tmp_path, deployment.grow(8), 5)
    held.write("epochs", deployment.files()["epochs"])
    assert held.verify() == 1
    assert "give the --epochs" in capsys.readouterr().err
    assert held.verify("--epochs", "epochs") == 0
    held.write("none yet", b"")
    assert held.verify("--epochs", "none yet") == 1, "no order opened the event's epoch"
    event_id = take_apart(held.placed.entry.decode()).payload["id"]
    strands = next(count for count in (3, 5, 7, 9) if strand_of(event_id, count) != held.placed.published.log)
    other = Deployment(strands=1)
    other.open_epoch(strands)
    held.write("epochs", other.files()["epochs"])
    assert held.verify("--epochs", "epochs") == 1
    held.write("epochs", "nonsense\n")
    assert held.verify("--epochs", "epochs") == 1
    assert "epochs: " in capsys.readouterr().err


def receipt(held: Held, signer: object = None, index: int | None = None) -> bytes:
    """The COSE receipt of the same entry, under the same checkpoint."""
    placed = held.placed
    checkpoint = parse_checkpoint(parse_note(placed.proof.checkpoint).text)
    seal = held.deployment.cloud.house.seal if signer is None else signer
    head = cose.sign_head(checkpoint, seal)  # type: ignore[arg-type]
    return cose.inclusion_receipt(head, placed.proof.index if index is None else index, placed.proof.path)


def test_a_cose_receipt_is_known_by_its_content_and_verified(held: Held, capsys: Capture) -> None:
    held.write("receipt.tlog-proof", receipt(held))
    assert held.verify("--json", proofs=("receipt",)) == 0
    (shown,) = said_json(capsys)["verified"]
    assert (shown["kind"], shown["place"]["index"]) == ("COSE receipt", held.placed.proof.index)
    assert held.verify(proofs=("receipt", "event", "super")) == 0
    assert "by the sealer's key" in capsys.readouterr().out


@pytest.mark.soak
def test_every_flipped_byte_of_a_cose_receipt_is_refused(held: Held) -> None:
    data = receipt(held)
    for at in places(data, MOST_FLIPS):
        held.write("receipt.tlog-proof", flipped(data, at))
        # Without its first byte it is no receipt, nor a text: bad input.
        assert held.verify(proofs=("receipt",)) in ((1, 2) if at == 0 else (1,)), at


def test_a_cose_receipt_by_another_key_or_of_another_event_is_refused(held: Held, capsys: Capture) -> None:
    held.write("receipt.tlog-proof", receipt(held, held.deployment.producer.signer))
    assert held.verify(proofs=("receipt",)) == 1
    assert "names another key" in capsys.readouterr().err
    held.write("receipt.tlog-proof", receipt(held, index=0))
    assert held.verify(proofs=("receipt",)) == 1
    held.write("policy", f"{WITNESSES}quorum one\n")
    held.write("receipt.tlog-proof", receipt(held))
    assert held.verify("--policy", "policy", proofs=("receipt",)) == 1
    assert "a COSE receipt has no cosignatures" in capsys.readouterr().err


def test_a_checkpoint_whose_second_line_is_broken_is_refused(held: Held, capsys: Capture) -> None:
    note = parse_note(held.placed.proof.checkpoint)
    assert take_apart(held.placed.entry.decode()).typ == EVENT_TYP
    full = held.deployment.files()[f"{held.placed.published.log}/checkpoint"]
    line = full.splitlines(keepends=True)[-1]
    broken = render(held.placed.proof) + line[:-9] + b"AAAAAAA=\n"
    assert note.text in full.decode()
    held.write("event.tlog-proof", broken)
    assert held.verify() == 1
    assert "event.tlog-proof" in capsys.readouterr().err


def test_words_that_lack_something_are_told_what(held: Held, capsys: Capture) -> None:
    assert main(["verify", "--key", VKEY]) == 2
    assert main(["verify", "x", "--key", VKEY]) == 2
    assert main(["verify", "--receipt", "x", "--key", VKEY]) == 2
    assert main(["verify", "--receipt", "x", "--log", "x", "--opening", "x", "--key", VKEY]) == 2
    said = capsys.readouterr().err
    words = ("give a PROOF", "give the --genesis", "give the --log", "give the PROOF of the event")
    assert all(word in said for word in words)


def test_the_file_of_epochs_is_empty_before_the_first_order(tmp_path: Path) -> None:
    held = Held(tmp_path, Deployment(strands=1).grow(4), 1)
    held.write("epochs", b"")
    assert held.verify("--epochs", "epochs") == 0
