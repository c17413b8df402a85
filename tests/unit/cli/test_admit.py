"""`carevouch admit`: the door takes the body it prints, and no number is spent on a mistake."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from services.cli import admit
from shared.events.act import Revision, assemble
from shared.events.certificate import verify_event
from shared.events.envelope import parse_event
from shared.events.genesis import genesis_text
from shared.identity.admission import parse_admission
from shared.kernel.encoding import unb64u
from shared.kernel.errors import Invalid, Malformed
from shared.kernel.ids import parse_reference
from shared.kernel.jws import KeyInMemory, private_jwk
from tests.world import World, memory_world, new_key

CLIENT = new_key()
ORGANIZATION: dict[str, Any] = {"resourceType": "Organization", "active": True, "name": "Fair Payer"}
JWKS: dict[str, Any] = {"keys": [{**CLIENT.jwk, "kid": CLIENT.kid}]}


class Desk:
    """The operator's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.world: World = memory_world()
        self.world.operator = KeyInMemory(self.key)
        self.write("operator.jwk.json", private_jwk(self.key))
        self.write("org.json", ORGANIZATION)
        self.write("keys.json", JWKS)
        note = genesis_text(self.world.genesis) + "\n\N{EM DASH} carevouch.test c2lnbmF0dXJl\n"
        (folder / "genesis").write_text(note)

    @property
    def counter(self) -> Path:
        return self.folder / "operator.jwk.json.n"

    def write(self, name: str, value: Any) -> None:
        (self.folder / name).write_text(json.dumps(value))

    def admit(self, *roles: str) -> int:
        parser = argparse.ArgumentParser()
        admit.add_parser(parser.add_subparsers())
        files = {"key": "operator.jwk.json", "genesis": "genesis", "organization": "org.json"}
        words = [word for name, file in files.items() for word in (f"--{name}", str(self.folder / file))]
        words += ["--jwks", str(self.folder / "keys.json")]
        words += [word for role in roles or ("payer",) for word in ("--role", role)]
        chosen = parser.parse_args(["admit", *words])
        status: int = chosen.run(chosen)
        return status


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def _revision(item: dict[str, Any]) -> Revision:
    doc = parse_reference(item["doc"])
    return Revision(doc, item["version"], item["prev"], unb64u(item["nonce"], "n"), unb64u(item["body"], "b"))


def test_the_printed_event_is_the_operators_and_commits_to_the_documents(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.admit("payer", "sponsor") == 0
    body = json.loads(capsys.readouterr().out)
    event = parse_event(body["event"])
    verify_event(event, None, desk.world.genesis)
    act = assemble([_revision(item) for item in body["documents"]])
    assert (event.root, event.count, event.type) == (act.root, 2, "organization.admitted")
    admission = parse_admission(act.revisions[1].body)
    assert admission.roles == ("payer", "sponsor")
    assert admission.key(CLIENT.kid) == JWKS["keys"][0]
    assert act.revisions[0].doc.id == admission.organization


def test_events_are_numbered_without_a_gap(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    for expected in (1, 2, 3):
        desk.admit()
        assert parse_event(json.loads(capsys.readouterr().out)["event"]).n == expected
    assert desk.counter.read_text() == "3"


@pytest.mark.parametrize(
    ("file", "value", "message"),
    [
        ("org.json", {"resourceType": "Patient"}, "Organization"),
        ("org.json", {**ORGANIZATION, "nam": "x"}, "nam"),
        ("org.json", [], "Organization|JSON object"),
        ("keys.json", {"keys": []}, "public JWKs"),
        ("keys.json", {"keys": [CLIENT.jwk]}, "kid"),
        ("keys.json", {"keys": [{**CLIENT.jwk, "kid": "k", "d": "AAAA"}]}, "public JWKs"),
        ("keys.json", CLIENT.jwk, "list named keys"),
    ],
)
def test_what_the_server_would_refuse_spends_no_number(
    desk: Desk, file: str, value: Any, message: str
) -> None:
    desk.write(file, value)
    with pytest.raises(Invalid, match=message):
        desk.admit()
    assert not desk.counter.exists()


def test_a_key_that_genesis_does_not_name_signs_nothing(desk: Desk) -> None:
    desk.write("operator.jwk.json", private_jwk(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(Invalid, match="not the operator's"):
        desk.admit()
    assert not desk.counter.exists()


def test_a_genesis_of_other_bytes_is_malformed(desk: Desk) -> None:
    (desk.folder / "genesis").write_bytes(b"\xff\xfe nothing of the kind")
    with pytest.raises(Malformed, match="genesis"):
        desk.admit()


def test_a_lost_count_is_named_and_not_begun_anew(desk: Desk) -> None:
    desk.counter.write_text("")
    with pytest.raises(Invalid, match=r"operator\.jwk\.json\.n"):
        desk.admit()
