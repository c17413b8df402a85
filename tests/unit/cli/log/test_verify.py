"""`carevouch verify`: what it says of true files, and that any flipped byte of any of them is refused."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from carevouch.cli.app import main
from carevouch.consent.signature import body_of, grant_payload, sign_grant
from carevouch.events.act import Revision, assemble
from carevouch.events.genesis import genesis_text
from carevouch.events.opening import Opening, make_opening, render_opening
from carevouch.identity.links import answer_offer, device_body, make_offer, one_time_key
from carevouch.kernel.encoding import sha256
from carevouch.kernel.ids import Doc
from carevouch.kernel.times import later
from carevouch.ledger import proof as proofs
from carevouch.ledger.checkpoint import Checkpoint, sign_checkpoint
from carevouch.ledger.merkle import inclusion_proof
from carevouch.ledger.note import Verifier, sign_note
from carevouch.ledger.proof import TlogProof
from tests.byte_flips import flipped, places
from tests.unit.ledger.logs import MemoryLog
from tests.unit.sealing.acts import ORIGIN, PATIENT, START, House, Producer, event_id, key

HOUSE = House()
VKEY = Verifier(ORIGIN, HOUSE.log.public).vkey
PROVIDER, DEVICE = key("provider"), key("device")
SEED = sha256(b"seed")[:16]
# Of each file, beside one byte of each word in it; all in a soak.
MOST_FLIPS = 250


def opened(producer: Producer, number: int, *revisions: Revision) -> Opening:
    """The opening of the first of these revisions, in one event."""
    certificate = None if producer.service == "operator" else producer.certificate
    text = producer.event(number, revisions)
    return make_opening(revisions[0], text, certificate, 0, assemble(revisions).paths[0])


def device_opening(*, patient: str = PATIENT, made: str = START, status: str = "active") -> Opening:
    offer = make_offer(patient, verify_one_time(), later(START, 3600), "d." + event_id(5), PROVIDER)
    body = device_body(answer_offer(offer, SEED, DEVICE), status=status)
    revision = Revision(Doc("BoundDevice", f"{PATIENT}.{event_id(6)}"), 1, None, sha256(b"n"), body)
    return opened(Producer(HOUSE, "identity", made=made), 20, revision)


def verify_one_time() -> dict[str, str]:
    return one_time_key(SEED).jwk


def consent_opening(*, device: Opening | None = None, version: int = 1, signed: bool = True) -> Opening:
    doc, content = Doc("Consent", f"{PATIENT}.{event_id(7)}"), b'{"resourceType":"Consent"}'
    signature = (
        sign_grant(grant_payload(content, str(doc), version, None, "request"), DEVICE) if signed else None
    )
    consent = Revision(doc, 1, None, sha256(b"m"), body_of(content, signature))
    asked = Revision(Doc("ConsentRequest", f"{PATIENT}.{event_id(8)}"), 2, sha256(b"p"), sha256(b"q"), b"{}")
    opening = opened(Producer(HOUSE, "consent"), 30, consent, asked)
    return replace(opening, device=device or device_opening(), provider=PROVIDER.jwk)


def observation_opening() -> Opening:
    return Producer(HOUSE).opening(7)


class Folder:
    """Files as the doors would hand them out: a log with these openings' events in it."""

    def __init__(self, path: Path, *openings: Opening) -> None:
        self.path = path
        self.log = MemoryLog()
        self.log.append(
            [opening.event.encode() for opening in openings] + [b"other %d" % n for n in range(4)]
        )
        self.write("genesis", sign_note(genesis_text(HOUSE.genesis), ORIGIN, HOUSE.log))
        for number, opening in enumerate(openings):
            self.write(f"{number}.opening.json", render_opening(opening))
            self.write(f"{number}.tlog-proof", self.proof(number))

    def proof(self, index: int) -> bytes:
        edge = self.log.edge
        head = Checkpoint(f"{ORIGIN}/strand/0", edge.size, edge.root())
        path = inclusion_proof(self.log.reader(), index, edge.size)
        return proofs.render(TlogProof(index, tuple(path), sign_checkpoint(head, HOUSE.log)))

    def write(self, name: str, data: bytes) -> None:
        (self.path / name).write_bytes(data)

    def verify(self, *arguments: str, key: str = VKEY) -> int:
        named = [str(self.path / word) if (self.path / word).exists() else word for word in arguments]
        return main(["verify", *named, "--key", key, "--genesis", str(self.path / "genesis")])


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, observation_opening(), consent_opening())


Capture = pytest.CaptureFixture[str]


def test_a_proof_with_its_opening_is_explained_in_plain_words(folder: Folder, capsys: Capture) -> None:
    assert folder.verify("0.tlog-proof", "--opening", "0.opening.json") == 0
    said = capsys.readouterr().out
    for words in (
        "entry 0 of the 6 in log.example/strand/0",
        f"{event_id(7)}, records.stored, at {START}",
        f"Observation/{PATIENT}.",
        "version 1 (the first)",
        "signed by the records service",
    ):
        assert words in said


def test_a_consent_is_shown_to_be_given_by_the_patients_device(folder: Folder, capsys: Capture) -> None:
    assert folder.verify("1.tlog-proof", "--opening", "1.opening.json") == 0
    assert "given by the patient's own device BoundDevice/" in capsys.readouterr().out


def test_proofs_and_openings_find_each_other_in_any_order(folder: Folder, capsys: Capture) -> None:
    files = ["1.tlog-proof", "0.tlog-proof", "--opening", "0.opening.json", "--opening", "1.opening.json"]
    assert folder.verify(*files, "--json") == 0
    said = json.loads(capsys.readouterr().out)["verified"]
    assert [item["place"]["index"] for item in said] == [1, 0]
    assert [item["revisions"][0]["signed_by"] for item in said] == ["consent", "records"]


def test_a_bare_entry_shows_the_place_and_says_that_its_content_is_not_shown(
    folder: Folder, capsys: Capture
) -> None:
    opening = observation_opening()
    folder.write("entry", opening.event.encode())
    folder.write("certificate", (opening.certificate or "").encode())
    assert folder.verify("0.tlog-proof", "--entry", "entry", "--certificate", "certificate") == 0
    assert "content   not shown" in capsys.readouterr().out


def test_who_signed_a_bare_event_is_not_taken_from_what_it_says(folder: Folder, capsys: Capture) -> None:
    folder.write("entry", observation_opening().event.encode())
    assert folder.verify("0.tlog-proof", "--entry", "entry") == 1
    assert "give the --certificate" in capsys.readouterr().err


def small(folder: Folder) -> Iterator[tuple[str, list[str]]]:
    yield "genesis", ["1.tlog-proof", "--opening", "1.opening.json"]
    yield "1.tlog-proof", ["1.tlog-proof", "--opening", "1.opening.json"]
    yield "1.opening.json", ["1.tlog-proof", "--opening", "1.opening.json"]
    yield "0.opening.json", ["0.tlog-proof", "--opening", "0.opening.json"]


@pytest.mark.soak
def test_every_flipped_byte_of_every_file_is_refused_with_a_sentence(folder: Folder, capsys: Capture) -> None:
    for name, arguments in small(folder):
        data = (folder.path / name).read_bytes()
        assert folder.verify(*arguments) == 0
        capsys.readouterr()
        for at in places(data, MOST_FLIPS):
            folder.write(name, flipped(data, at))
            assert folder.verify(*arguments) == 1, f"{name} byte {at}"
            said = capsys.readouterr().err
            assert said.startswith("carevouch verify: refused: "), said
            assert name in said or "proof" in said, said
        folder.write(name, data)


def test_another_key_refuses_genesis(folder: Folder, capsys: Capture) -> None:
    other = Verifier(ORIGIN, PROVIDER_LOG).vkey
    assert folder.verify("0.tlog-proof", "--opening", "0.opening.json", key=other) == 1
    assert "genesis: the note carries no signature by the key of log.example" in capsys.readouterr().err


PROVIDER_LOG = House(log=HOUSE.log.__class__(bytes(32))).log.public


def test_a_proof_alone_asks_for_its_event(folder: Folder, capsys: Capture) -> None:
    assert folder.verify("0.tlog-proof") == 1
    assert "give the event's --opening" in capsys.readouterr().err


def test_an_opening_whose_event_no_proof_shows_is_refused(folder: Folder, capsys: Capture) -> None:
    files = ["0.tlog-proof", "--opening", "0.opening.json", "--opening", "1.opening.json"]
    assert folder.verify(*files) == 1
    assert "1.opening.json: none of the proofs given shows its event" in capsys.readouterr().err


def test_a_proof_of_another_event_is_refused(folder: Folder, capsys: Capture) -> None:
    assert folder.verify("1.tlog-proof", "--opening", "0.opening.json") == 1
    assert "not leaf 1 of the tree of 6" in capsys.readouterr().err


def test_a_missing_file_and_a_key_with_a_slip_are_bad_input(folder: Folder, capsys: Capture) -> None:
    assert folder.verify("absent.tlog-proof") == 2
    assert folder.verify("0.tlog-proof", key=VKEY[:-2] + "A=") == 2
    assert "vkey" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", bytes(range(256))])
@pytest.mark.parametrize("name", ["1.tlog-proof", "1.opening.json", "genesis", "entry", "certificate"])
def test_a_file_that_holds_no_text_is_bad_input_and_not_refused(
    name: str, content: bytes, folder: Folder, capsys: Capture
) -> None:
    opening = observation_opening()
    folder.write("entry", opening.event.encode())
    folder.write("certificate", (opening.certificate or "").encode())
    folder.write(name, content)
    words = ["0.tlog-proof", "1.tlog-proof", "--opening", "1.opening.json"]
    assert folder.verify(*words, "--entry", "entry", "--certificate", "certificate") == 2
    said = capsys.readouterr().err
    assert said.startswith("carevouch verify: ")
    assert f"{name} is " in said


@pytest.mark.parametrize("content", [b"{}", b"[1]", b'{"a":[1]}', b"no proof\n\nat all\n"])
@pytest.mark.parametrize("name", ["0.tlog-proof", "0.opening.json", "genesis"])
def test_a_text_that_is_another_thing_does_not_verify(
    name: str, content: bytes, folder: Folder, capsys: Capture
) -> None:
    folder.write(name, content)
    assert folder.verify("0.tlog-proof", "--opening", "0.opening.json") == 1
    assert name in capsys.readouterr().err


def test_the_key_may_lie_in_a_file(folder: Folder) -> None:
    folder.write("key.txt", f"{VKEY}\n".encode())
    found = str(folder.path / "key.txt")
    assert folder.verify("0.tlog-proof", "--opening", "0.opening.json", key=found) == 0


@pytest.mark.parametrize(
    ("opening", "said"),
    [
        (lambda: consent_opening(signed=False), "no signature of a device"),
        (lambda: consent_opening(version=2), "differs in version"),
        (lambda: consent_opening(device=device_opening(patient="b" * 26)), "another person"),
        (lambda: consent_opening(device=device_opening(made=later(START, 60))), "only after the consent"),
        (lambda: consent_opening(device=device_opening(made=later(START, 3601))), "offer had expired"),
        (lambda: consent_opening(device=device_opening(status="lost")), "active binding"),
        (lambda: replace(consent_opening(), provider=DEVICE.jwk), "the offer does not hold"),
        (lambda: replace(consent_opening(), provider={**PROVIDER.jwk, "use": "sig"}), "exactly kty"),
        (lambda: replace(consent_opening(), provider=None), "or neither"),
    ],
)
def test_a_consent_that_no_bound_device_gave_is_refused(
    opening: "object", said: str, tmp_path: Path, capsys: Capture
) -> None:
    assert callable(opening)
    folder = Folder(tmp_path, opening())
    assert folder.verify("0.tlog-proof", "--opening", "0.opening.json") == 1
    assert said in capsys.readouterr().err
