"""`carevouch admit`: the door takes the body it prints, and no number is spent on a mistake."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from carevouch.cli.keys import verbs
from carevouch.events.act import Revision, assemble
from carevouch.events.certificate import verify_event
from carevouch.events.envelope import EVENT_TYP, parse_event
from carevouch.events.genesis import genesis_text
from carevouch.identity import caller
from carevouch.identity.admit import OrganizationState, read_request
from carevouch.identity.caller import parse_admission
from carevouch.kernel.encoding import unb64u
from carevouch.kernel.errors import DomainError, Invalid, Malformed
from carevouch.kernel.ids import parse_reference
from carevouch.kernel.jws import KeyInMemory, private_jwk, sign, take_apart
from tests.unit.cli.run_verb import run_bare
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
        words = ["--organization", str(self.folder / "org.json"), "--jwks", str(self.folder / "keys.json")]
        return self.run(*words, *(word for role in roles or ("payer",) for word in ("--role", role)))

    def change(self, before: str, *words: str) -> int:
        return self.run("--change", str(self.folder / before), *words)

    def run(self, *words: str) -> int:
        files = ["--key", str(self.folder / "operator.jwk.json"), "--genesis", str(self.folder / "genesis")]
        return run_bare("admit", *files, *words)


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


def _standing(desk: Desk, text: str) -> OrganizationState:
    return read_request(json.loads(text), desk.world.genesis)


def _admitted(desk: Desk, capsys: pytest.CaptureFixture[str], *roles: str) -> str:
    desk.admit(*roles)
    said = capsys.readouterr().out
    (desk.folder / "before.json").write_text(said)
    return said


def test_a_suspension_is_made_from_the_request_before_and_changes_the_status_alone(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _standing(desk, _admitted(desk, capsys, "payer", "sponsor"))
    assert desk.change("before.json", "--status", "suspended") == 0
    said = capsys.readouterr().out
    event, after = parse_event(json.loads(said)["event"]), _standing(desk, said)
    assert (event.type, event.n) == ("organization.changed", 2)
    assert after.terms == replace(before.terms, status="suspended")
    for old, new in ((before.organization, after.organization), (before.admission, after.admission)):
        assert (new.doc, new.version, new.prev) == (old.doc, 2, old.leaf_hash)
        assert new.nonce != old.nonce
    assert after.resource["name"] == ORGANIZATION["name"]


def test_changes_follow_each_other_and_end_in_an_active_organisation(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    _admitted(desk, capsys)
    for number, words in enumerate(
        (["--status", "suspended"], ["--role", "auditor"], ["--status", "active"])
    ):
        desk.change("before.json", *words)
        said = capsys.readouterr().out
        (desk.folder / "before.json").write_text(said)
        assert _standing(desk, said).admission.version == number + 2
    terms = _standing(desk, said).terms
    assert (terms.roles, terms.status) == (("auditor",), "active")


def test_keys_and_name_are_replaced_by_a_change(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    _admitted(desk, capsys)
    rotated = new_key()
    desk.write("keys.json", {"keys": [{**rotated.jwk, "kid": rotated.kid}]})
    desk.write("org.json", {**ORGANIZATION, "name": "Fairer Payer"})
    words = ["--jwks", str(desk.folder / "keys.json"), "--organization", str(desk.folder / "org.json")]
    assert desk.change("before.json", *words) == 0
    after = _standing(desk, capsys.readouterr().out)
    assert after.terms.key(rotated.kid) is not None
    assert after.terms.key(CLIENT.kid) is None
    assert after.resource["name"] == "Fairer Payer"
    assert after.resource["meta"]["versionId"] == "2"


@pytest.mark.parametrize("words", [(), ("--status", "active"), ("--role", "payer")])
def test_a_change_that_changes_nothing_spends_no_number(
    words: tuple[str, ...], desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    _admitted(desk, capsys)
    with pytest.raises(Invalid, match="changes nothing"):
        desk.change("before.json", *words)
    assert desk.counter.read_text() == "1"


def _other_key(posted: Any) -> None:
    posted["event"] = sign(take_apart(posted["event"]).payload, EVENT_TYP, new_key())


def _other_body(posted: Any) -> None:
    posted["documents"][1]["body"] = posted["documents"][0]["body"]


def _no_admission(posted: Any) -> None:
    del posted["documents"][1]


def _no_nonce(posted: Any) -> None:
    del posted["documents"][0]["nonce"]


def _short_nonce(posted: Any) -> None:
    posted["documents"][0]["nonce"] = "AAAA"


def _turned(posted: Any) -> None:
    posted["documents"].reverse()


def _more(posted: Any) -> None:
    posted["status"] = "active"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_other_key, "not of this operator"),
        (_other_body, "altered"),
        (_no_admission, "two documents"),
        (_no_nonce, "exactly doc"),
        (_short_nonce, "32 bytes"),
        (_turned, "does not hold an Organization and its Admission"),
        (_more, "exactly event and documents"),
    ],
)
def test_a_request_before_that_is_not_the_operators_changes_nothing(
    spoil: Callable[[Any], None], message: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    posted = json.loads(_admitted(desk, capsys))
    spoil(posted)
    desk.write("before.json", posted)
    with pytest.raises(DomainError, match=message):
        desk.change("before.json", "--status", "suspended")
    assert desk.counter.read_text() == "1"


def test_a_new_organisation_needs_a_name_roles_and_keys(desk: Desk) -> None:
    with pytest.raises(Invalid, match="--organization, --role and --jwks"):
        desk.run("--role", "payer")
    assert not desk.counter.exists()


def test_an_organisation_may_be_admitted_suspended(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--organization", str(desk.folder / "org.json"), "--jwks", str(desk.folder / "keys.json")]
    desk.run(*words, "--role", "payer", "--status", "suspended")
    assert _standing(desk, capsys.readouterr().out).terms.status == "suspended"


def test_the_help_knows_every_role_and_status() -> None:
    assert verbs.ROLES == caller.ROLES
    assert verbs.STATUSES == (caller.ACTIVE, caller.SUSPENDED)
