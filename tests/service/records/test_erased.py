"""After an erasure: nothing decrypts, every proof from before still verifies, and no guess can be checked.

The attacker of these tests is stronger than any real one: they hold the public log, every table, every key
that is left (also KMS's, the deployment's and all other people's), and the full list of subjects with every
document that was ever written about them, and want to know which entries and commitments were whose.
Each attack is first tried on somebody who is not erased, where it must succeed: else it would prove nothing.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from carevouch.events.act import NONCE_BYTES, commit
from carevouch.events.envelope import event_of, parse_event, tag
from carevouch.events.opening import parse_opening, verify_opening
from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import IntegrityFault
from carevouch.ledger.checkpoint import strand_origin
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.proof import TlogProof, verify
from carevouch.ledger.tiles import ENTRIES, all_tiles, split_bundle
from carevouch.store.documents import StoredRevision
from carevouch.store.documents.erasure import Eraser
from carevouch.store.documents.reader import Index
from carevouch.store.keys import associated_data, decrypt
from carevouch.store.log.library import Library
from tests.fakes import MemoryKeyRows, MemoryRows
from tests.sealed_log import WorldLog
from tests.service.records.conftest import Scene, patient_of, whole_patient
from tests.world import DEPLOYMENT, ORIGIN, World


@dataclass(frozen=True)
class Before:
    """Copies from the time before the erasure: the holders' files, and the rows that an attacker wants."""

    patient: str
    stored: list[StoredRevision]
    openings: list[bytes]
    proofs: dict[str, TlogProof]
    secret: bytes


@pytest.fixture
def scene() -> Scene:
    """Three people with whole records; everything is sealed."""
    scene = Scene()
    for number in range(1, 4):
        patient_of(scene.call(scene.hospital, "POST", "/fhir", whole_patient(number)))
    scene.log.seal()
    return scene


def people_of(scene: Scene) -> list[str]:
    assert isinstance(scene.world.key_rows, MemoryKeyRows)
    return [pk[2:] for pk in scene.world.key_rows.rows if pk.startswith("P#")]


def remember(scene: Scene, patient: str) -> Before:
    stored = scene.stored(patient)
    paths = [f"/ledger/documents/{one.doc}/{one.version}/opening" for one in stored]
    openings = [scene.get(scene.hospital, path).body for path in paths]
    events = {one.event.text for one in stored}
    return Before(
        patient,
        stored,
        openings,
        {text: proof_of(scene.log, text) for text in events},
        scene.world.reader.keys.person(patient).secret,
    )


def erase(scene: Scene, patient: str) -> None:
    store = scene.world.store("identity")
    index = Index(store.reader)
    Eraser(store.reader, store.writer, store.key_rows, index.blinds_of_body).erase(patient, "BoundDevice/x")
    scene.log.seal()


def entries(log: WorldLog) -> list[bytes]:
    size = int(log.objects.files["0/checkpoint"].split(b"\n")[1])
    bundles = [tile for tile in all_tiles(size) if tile.level == ENTRIES]
    return [entry for tile in bundles for entry in split_bundle(log.objects.files[f"0/{tile.path}"])]


def proof_of(log: WorldLog, text: str) -> TlogProof:
    library = Library(log.objects, log.marks, lambda: log.world.genesis)
    return library.event(parse_event(text).id).proof


def keys_left(world: World) -> Iterator[bytes]:
    """Every 32 bytes that unwrap out of the table of keys, or that anybody might try as one."""
    assert isinstance(world.key_rows, MemoryKeyRows)
    for pk, row in world.key_rows.rows.items():
        if row.wrapped is not None:
            material = world.wrapper.unwrap(row.wrapped, pk)
            yield from (material[at : at + 32] for at in range(0, len(material), 32))
    yield bytes(32)


def opens(world: World, patient: str) -> int:
    """How many ciphertexts in the person's partitions somebody with all these keys can read."""
    assert isinstance(world.rows, MemoryRows)
    found = 0
    keys = list(keys_left(world))
    for key, row in world.rows.rows.items():
        ciphertext = row.binary("ct")
        # The erasure itself is under the deployment's key, to say that it happened; it holds ids alone.
        if ciphertext is None or patient not in key.pk or key.sk.startswith("Erasure#"):
            continue
        for candidate in keys:
            try:
                decrypt(candidate, ciphertext, associated_data(DEPLOYMENT, key))
            except IntegrityFault:
                continue
            found += 1
    return found


def test_nothing_of_the_person_decrypts_with_any_key_that_is_left(scene: Scene) -> None:
    gone, other = people_of(scene)[:2]
    assert opens(scene.world, gone) > 5
    erase(scene, gone)
    assert opens(scene.world, gone) == 0
    assert opens(scene.world, other) > 5


def test_every_earlier_opening_and_proof_still_verifies(scene: Scene) -> None:
    gone = remember(scene, people_of(scene)[0])
    erase(scene, gone.patient)
    verifier = scene.world.genesis.keys.verifier(strand_origin(ORIGIN, 0))
    for opening, stored in zip(gone.openings, gone.stored, strict=True):
        proved = verify_opening(parse_opening(opening), scene.world.genesis)
        assert (proved.doc, proved.body) == (stored.doc, stored.body)
        old = gone.proofs[proved.event.text]
        verify(old, leaf_hash(proved.event.text.encode()), verifier)
        verify(proof_of(scene.log, proved.event.text), leaf_hash(proved.event.text.encode()), verifier)


def test_the_door_shows_nothing_of_the_person_any_more(scene: Scene) -> None:
    gone = remember(scene, people_of(scene)[0])
    erase(scene, gone.patient)
    for stored in gone.stored:
        for tail in ("", "/opening"):
            path = f"/ledger/documents/{stored.doc}/{stored.version}{tail}"
            assert scene.get(scene.hospital, path).status == 404
    assert scene.get(scene.hospital, f"/ledger/documents/Patient/{gone.patient}/feed").status == 404


def guesses(scene: Scene, known: list[Before]) -> list[bytes]:
    """Everything of 32 bytes that an attacker could try as a nonce or a secret."""
    words = [one.patient.encode() for one in known]
    words += [str(stored.doc).encode() for one in known for stored in one.stored]
    words += [stored.event.id.encode() for one in known for stored in one.stored]
    others = [stored.revision.nonce for one in known[1:] for stored in one.stored]
    secrets = [one.secret for one in known[1:]]
    return [*keys_left(scene.world), *others, *secrets, *(sha256(word) for word in words)]


def test_a_dictionary_of_all_documents_finds_no_commitment(scene: Scene) -> None:
    known = [remember(scene, patient) for patient in people_of(scene)]
    gone = known[0]
    commitments = {commit(stored.revision.nonce, stored.body): stored.doc for stored in gone.stored}
    roots = {parse_event(entry.decode()).root for entry in entries(scene.log) if is_event(entry)}
    assert {stored.event.root for stored in gone.stored} <= roots, "the log commits to all of it"
    with_nonces = [commit(one.revision.nonce, one.body) for one in gone.stored]
    assert set(with_nonces) <= set(commitments), "whoever has an opening can check it"
    erase(scene, gone.patient)
    bodies = {stored.body for one in known for stored in one.stored}
    tried = 0
    for nonce in guesses(scene, known):
        assert len(nonce) == NONCE_BYTES
        for body in bodies:
            tried += 1
            assert commit(nonce, body) not in commitments
    assert tried > 1_000


def test_a_dictionary_of_all_subjects_finds_no_tag(scene: Scene) -> None:
    known = [remember(scene, patient) for patient in people_of(scene)]
    gone = known[0]
    mine = {stored.event.id for stored in gone.stored}
    assert mine <= found_by(scene, gone.secret), "the person finds their own events"
    erase(scene, gone.patient)
    assert mine <= found_by(scene, gone.secret), "the log itself did not change"
    for guess in guesses(scene, known):
        assert not found_by(scene, guess) & mine
        for patient in (one.patient for one in known):
            assert not found_by(scene, hmac.digest(guess, patient.encode(), "sha256")) & mine


def test_two_events_about_one_person_have_nothing_in_common(scene: Scene) -> None:
    tags = [
        tag_ for entry in entries(scene.log) if is_event(entry) for tag_ in parse_event(entry.decode()).tags
    ]
    assert len(tags) == len(set(tags)) > 3


def is_event(entry: bytes) -> bool:
    return event_of(entry.decode()) is not None


def found_by(scene: Scene, secret: bytes) -> set[str]:
    """The events of the public log that carry a tag made with this secret."""
    events = [parse_event(entry.decode()) for entry in entries(scene.log) if is_event(entry)]
    return {event.id for event in events if tag(secret, event.id) in event.tags}


def test_what_is_exported_holds_no_ciphertext_at_all(scene: Scene) -> None:
    assert isinstance(scene.world.rows, MemoryRows)
    secrets = [row.binary("ct") for row in scene.world.rows.rows.values() if row.binary("ct")]
    for name, data in scene.log.objects.files.items():
        assert not any(ct[12:44] in data for ct in secrets if ct), name
