"""An opening shows exactly one revision to be in an event; every flipped byte is refused."""

from dataclasses import replace

import pytest

from carevouch.events import opening as openings
from carevouch.events.genesis import genesis_text
from carevouch.events.opening import Opening, open_genesis
from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.ledger.note import Verifier, sign_note
from tests.unit.sealing.acts import ORIGIN, House, Producer

HOUSE = House()


def made() -> Opening:
    return Producer(HOUSE).opening(7)


def test_an_opening_proves_document_version_body_and_signer() -> None:
    proved = openings.verify_opening(openings.parse_opening(openings.render_opening(made())), HOUSE.genesis)
    assert proved.doc.type == "Observation"
    assert (proved.version, proved.body, proved.service) == (1, b'{"n":1}', "records")


def test_an_operators_opening_has_no_certificate() -> None:
    producer = Producer(HOUSE, "operator")
    text = producer.event(3)
    revision = producer._default(3)
    opened = openings.make_opening(revision, text, None, 0, ())
    assert openings.verify_opening(opened, HOUSE.genesis).service == "operator"


def test_every_flipped_byte_of_an_opening_is_refused() -> None:
    data = openings.render_opening(made())
    for at in range(len(data)):
        broken = bytearray(data)
        broken[at] ^= 1
        with pytest.raises((IntegrityFault, Malformed)):
            openings.verify_opening(openings.parse_opening(bytes(broken)), HOUSE.genesis)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"body": b"{}"}, "commitment"),
        ({"nonce": sha256(b"other")}, "commitment"),
        ({"index": 0}, "root in the event"),
        ({"index": 3}, "place in the event"),
        ({"path": ()}, "place in the event"),
        ({"certificate": None}, "certificate"),
        ({"certificate": Producer(HOUSE, name="other").certificate}, "certificate of the key"),
        ({"event": Producer(HOUSE).event(8)}, "place in the event"),
    ],
)
def test_each_part_that_does_not_match_is_named(change: dict[str, object], said: str) -> None:
    broken = replace(made(), **change)  # type: ignore[arg-type]
    with pytest.raises(IntegrityFault, match=said):
        openings.verify_opening(broken, HOUSE.genesis)


def test_another_deployments_opening_is_refused() -> None:
    foreign = replace(HOUSE.genesis, roots={**HOUSE.genesis.roots, "records": HOUSE.genesis.operator})
    with pytest.raises(IntegrityFault, match="records root"):
        openings.verify_opening(made(), foreign)


def test_a_device_beside_anything_but_a_consent_is_refused() -> None:
    with pytest.raises(IntegrityFault, match="only a consent"):
        openings.verify_opening(replace(made(), device=made()), HOUSE.genesis)


def test_genesis_opens_under_its_own_key_only() -> None:
    note = sign_note(genesis_text(HOUSE.genesis), ORIGIN, HOUSE.log)
    assert open_genesis(note, Verifier(ORIGIN, HOUSE.log.public)) == HOUSE.genesis
    with pytest.raises(IntegrityFault, match="no signature"):
        open_genesis(note, Verifier("other.example", HOUSE.log.public))


def test_genesis_that_names_another_log_key_is_refused() -> None:
    other = replace(HOUSE.genesis, log=bytes(32))
    note = sign_note(genesis_text(other), ORIGIN, HOUSE.log)
    with pytest.raises(IntegrityFault, match="another origin or log key"):
        open_genesis(note, Verifier(ORIGIN, HOUSE.log.public))


def test_every_flipped_byte_of_genesis_is_refused() -> None:
    note = sign_note(genesis_text(HOUSE.genesis), ORIGIN, HOUSE.log)
    for at in range(len(note)):
        broken = bytearray(note)
        broken[at] ^= 1
        with pytest.raises((IntegrityFault, Malformed)):
            open_genesis(bytes(broken), Verifier(ORIGIN, HOUSE.log.public))
