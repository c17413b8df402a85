"""`carevouch scan`: every event that bears the person's tag is found, and no other one."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey

from carevouch.cli.app import main
from carevouch.events.act import Revision, assemble
from carevouch.events.envelope import parse_event, tag
from carevouch.events.opening import make_opening, render_opening
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.ids import Doc
from carevouch.kernel.jws import private_jwk, public_jwk
from carevouch.ledger.tiles import join_bundle, split_bundle
from carevouch.verifier.scan import scan
from tests.unit.cli.log.logs import VKEY, Deployment, write
from tests.unit.sealing.acts import ORIGIN, PATIENT, House, Producer, event_id, key

SECRET, OTHERS = sha256(b"a person's secret"), sha256(b"another person's secret")
DEVICE = key("device")
Capture = pytest.CaptureFixture[str]


class Person:
    """A mirror in which some events are about the person, who holds the openings of some of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.deployment = Deployment()
        self.deployment.grow(300)
        self.number = 1000
        write(folder, {"secret": SECRET})

    def event(self, *secrets: bytes, hold: bool = False, about: str = PATIENT) -> str:
        """An event tagged for the people with these secrets; whether the person gets its opening."""
        self.number += 1
        producer, cloud = self.deployment.producer, self.deployment.cloud
        doc = Doc("Observation", f"{about}.{event_id(self.number)}")
        revision = Revision(doc, 1, None, sha256(b"%d" % self.number), b"{}")
        name = event_id(self.number, self.number % 2, 2)
        tags = [b64u(tag(secret, name)) for secret in secrets] or [b64u(bytes(32))]
        text = producer.event(self.number, [revision], tags=tags)
        stored = cloud.put(text, producer.certificate)
        for strand in range(2):
            cloud.sealer(strand).seal([stored])
        if hold:
            path = assemble([revision]).paths[0]
            opening = make_opening(revision, text, producer.certificate, 0, path)
            write(self.folder, {f"openings/{name}.json": render_opening(opening)})
        return name

    def scan(self, *words: object, file: str = "secret") -> int:
        """Search the log as it is now with the secret in this file."""
        self.deployment.publish()
        log = self.deployment.write(self.folder / "log")
        return main(["scan", str(log), "--secret", str(self.folder / file), *map(str, words)])

    @property
    def openings(self) -> list[object]:
        return ["--openings", self.folder / "openings", "--key", VKEY]


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


def test_what_bears_ones_tag_is_found_and_nothing_else(person: Person, capsys: Capture) -> None:
    own = [person.event(SECRET), person.event(OTHERS, SECRET), person.event(SECRET)]
    person.event(OTHERS)
    assert person.scan("--json") == 0
    events = json.loads(capsys.readouterr().out)["events"]
    assert {event["id"] for event in events} == set(own)
    assert {event["type"] for event in events} == {"records.stored"}
    assert {event["strand"] for event in events} == {0, 1}
    assert person.scan("--key", VKEY) == 0
    assert "3 events about you" in capsys.readouterr().out


def test_events_nobody_told_one_of_are_told_from_those_one_holds(person: Person, capsys: Capture) -> None:
    held, untold = person.event(SECRET, hold=True), person.event(SECRET)
    assert person.scan(*person.openings) == 0
    said = capsys.readouterr().out
    assert f"{held}.json" in said
    assert said.count("no opening held") == 1
    assert "2 events about you, you hold openings of 1" in said
    assert untold not in said


def test_an_opening_whose_event_hides_from_its_person_is_a_fault(person: Person, capsys: Capture) -> None:
    name = person.event(OTHERS, hold=True)
    assert person.scan(*person.openings) == 1
    said = capsys.readouterr().out
    assert f"untagged: {person.folder}/openings/{name}.json: Observation/{PATIENT}." in said
    assert f"{name}.json: its event is not among them" in said


def test_a_document_about_nobody_needs_no_tag(person: Person) -> None:
    person.event(hold=True, about="d")
    # An observation about nobody is no document that the event may hold; it opens all the same.
    assert person.scan(*person.openings) == 0


def test_openings_that_do_not_verify_are_faults_and_need_the_key(person: Person, capsys: Capture) -> None:
    person.event(SECRET, hold=True)
    write(person.folder, {"openings/broken": b"{}"})
    assert person.scan(*person.openings) == 1
    assert "broken: the opening does not have exactly its members" in capsys.readouterr().out
    assert person.scan("--openings", person.folder / "openings") == 2
    assert "under which they are verified" in capsys.readouterr().err


def test_the_secret_is_read_in_every_form_in_which_it_is_kept(person: Person, capsys: Capture) -> None:
    person.event(SECRET)
    jwk: dict[str, str | list[str]] = {**public_jwk(DEVICE._key.public_key())}
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "typ": "carevouch-secret+jwe"}
    sealed = str(jwe.encrypt_compact(header, SECRET, ECKey.import_key(jwk)))
    write(
        person.folder,
        {
            "text": f"{b64u(SECRET)}\n".encode(),
            "jwe": sealed.encode(),
            "answer": json.dumps({"jwe": sealed}).encode(),
            "device": json.dumps(private_jwk(DEVICE._key)).encode(),
            "foreign": json.dumps(private_jwk(key("another")._key)).encode(),
        },
    )
    device = ["--device-key", person.folder / "device"]
    for name, words in (("secret", []), ("text", []), ("jwe", device), ("answer", device)):
        assert person.scan(*words, file=name) == 0
        assert "1 events about you" in capsys.readouterr().out
    assert person.scan(file="jwe") == 2
    assert "--device-key" in capsys.readouterr().err
    assert person.scan("--device-key", person.folder / "foreign", file="jwe") == 1
    assert "for another device" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33), b"{}", b"abc", b64u(bytes(31)).encode()])
def test_what_is_no_secret_is_bad_input_and_never_repeated(
    content: bytes, person: Person, capsys: Capture
) -> None:
    write(person.folder, {"secret": content})
    assert person.scan() == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert content == b"" or content.decode("latin-1") not in said.err


def test_a_mirror_with_a_broken_bundle_is_refused_under_the_key(person: Person, capsys: Capture) -> None:
    person.event(SECRET)
    assert person.scan("--key", VKEY) == 0
    bundle = max((person.folder / "log/0/tile/entries/000.p").iterdir(), key=lambda path: int(path.name))
    data = bundle.read_bytes()
    bundle.write_bytes(data.replace(b"eyJ", b"eyI", 1))
    words = ["scan", str(person.folder / "log"), "--secret", str(person.folder / "secret")]
    assert main([*words, "--key", VKEY]) == 1
    assert "does not match its leaf" in capsys.readouterr().err
    bundle.unlink()
    assert main(words) == 1
    assert "is missing in the mirror" in capsys.readouterr().err


@pytest.mark.parametrize("pinned", [(), ("--key", VKEY)], ids=["without the key", "with the key"])
def test_a_strand_without_its_checkpoint_is_no_strand_without_events(
    pinned: tuple[str, ...], person: Person, capsys: Capture
) -> None:
    person.event(SECRET)
    assert person.scan(*pinned) == 0
    (person.folder / "log/1/checkpoint").unlink()
    words = ["scan", str(person.folder / "log"), "--secret", str(person.folder / "secret")]
    assert main([*words, *pinned]) == 1
    assert f"no checkpoint of {ORIGIN}/strand/1" in capsys.readouterr().err


@pytest.mark.parametrize("pinned", [(), ("--key", VKEY)], ids=["without the key", "with the key"])
@pytest.mark.parametrize("kept", [0, 1, -1, None], ids=["none", "one", "all but one", "one more"])
def test_a_bundle_with_more_or_fewer_entries_than_its_tree_is_a_fault(
    kept: int | None, pinned: tuple[str, ...], person: Person, capsys: Capture
) -> None:
    person.event(SECRET)
    assert person.scan(*pinned) == 0
    bundle = max((person.folder / "log/0/tile/entries/000.p").iterdir(), key=lambda path: int(path.name))
    entries = split_bundle(bundle.read_bytes())
    bundle.write_bytes(join_bundle([*entries, b"more"] if kept is None else entries[:kept]))
    words = ["scan", str(person.folder / "log"), "--secret", str(person.folder / "secret")]
    capsys.readouterr()
    assert main([*words, *pinned]) == 1
    said = capsys.readouterr()
    assert "tile/entries/000.p/" in said.err
    assert said.out == ""


def test_a_folder_that_is_no_mirror_is_bad_input(tmp_path: Path, capsys: Capture) -> None:
    write(tmp_path, {"secret": SECRET})
    assert main(["scan", str(tmp_path), "--secret", str(tmp_path / "secret")]) == 2
    assert "give the folder of a mirror" in capsys.readouterr().err


@given(st.lists(st.booleans(), max_size=12))
def test_exactly_the_tagged_ones_are_found_wherever_they_stand(own: list[bool]) -> None:
    producer = Producer(House())
    entries = [b"not an event", *(tagged(producer, at, mine) for at, mine in enumerate(own))]
    found = list(scan(3, enumerate(entries), SECRET))
    assert [about.index - 1 for about in found] == [at for at, mine in enumerate(own) if mine]
    assert all(about.strand == 3 for about in found)


def tagged(producer: Producer, number: int, mine: bool) -> bytes:
    name = parse_event(producer.event(number)).id
    tags = [b64u(sha256(b"%d" % number)), b64u(tag(SECRET if mine else OTHERS, name))]
    return producer.event(number, tags=tags).encode()
