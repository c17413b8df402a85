"""Admissions through the identity door: the operator's signature is the only authority."""

import os
from dataclasses import dataclass, replace
from typing import Any

import pytest

from carevouch.events.act import NONCE_BYTES, EventFacts, Revision, assemble
from carevouch.events.envelope import EVENT_TYP, TAG_BYTES, event_payload, parse_event
from carevouch.identity.admit import ActEntropy, admission_request, change_request, read_request
from carevouch.identity.caller import ACTIVE, SUSPENDED, Admission, admission_body, parse_admission
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u
from carevouch.kernel.ids import Doc, directory, part
from carevouch.kernel.jsontext import render
from carevouch.kernel.jws import sign
from carevouch.kernel.times import later
from tests.api import Answer, Api, Who
from tests.fakes import MemoryRows
from tests.people import synthetic_patient
from tests.world import World, new_key

CLIENT = new_key()
KEYS: tuple[dict[str, Any], ...] = ({**CLIENT.jwk, "kid": CLIENT.kid},)
NAMED = {"resourceType": "Organization", "name": "Thistle Clinic"}
TAKEN = {**NAMED, "identifier": [{"system": "urn:oid:2.16.840.1.113883.4.6", "value": "1234567893"}]}


@pytest.fixture
def operator(world: World) -> "Operator":
    return Operator(world)


@dataclass
class Operator:
    """The operator's software in a world, with its count of events."""

    world: World
    n: int = 0

    def _facts(self) -> dict[str, Any]:
        self.n += 1
        entropy = ActEntropy(os.urandom(16), os.urandom(16), (os.urandom(32), os.urandom(32)), os.urandom(32))
        world = self.world
        return {
            "operator": world.operator,
            "genesis": world.genesis,
            "n": self.n,
            "time": world.clock(),
            "entropy": entropy,
        }

    def admission(self, resource: dict[str, Any] = NAMED, **changed: Any) -> JsonObject:
        """The body that admits an organisation."""
        return admission_request(resource, ("provider",), KEYS, **{**self._facts(), **changed})

    def change(self, posted: JsonObject, *, status: str) -> JsonObject:
        """The body that gives the organisation of `posted` another status."""
        before = read_request(posted, self.world.genesis)
        terms = replace(before.terms, status=status)
        return change_request(before, before.resource, terms, **self._facts())


def post(api: Api, body: Any) -> Answer:
    return api.call("POST", "/fhir/Organization", body)


def id_of(posted: JsonObject) -> str:
    return str(posted["documents"][0]["doc"]).removeprefix("Organization/")


def revisions(*, own: str = "", version: int = 1, admission: bytes | None = None) -> list[Revision]:
    """An Organization and its Admission, with the values that a test breaks."""
    own = own or directory(part(os.urandom(16)))
    bodies = {
        "Organization": render({"resourceType": "Organization", "id": own, "name": "Thistle Clinic"}),
        "Admission": admission or admission_body(Admission(own, ("provider",), KEYS, ACTIVE)),
    }
    return [
        Revision(Doc(type_, own), version, None, os.urandom(NONCE_BYTES), body)
        for type_, body in bodies.items()
    ]


def signed_request(world: World, act_revisions: list[Revision], **changes: Any) -> JsonObject:
    """A body whose event has the values of the test, and right ones elsewhere."""
    act, time = assemble(act_revisions), changes.get("time", world.clock())
    facts = {
        "id": part(os.urandom(16)),
        "type": "organization.admitted",
        "producer": "operator",
        "n": 1,
        "epoch": 1,
        "time": time,
        "seal_by": later(time, world.genesis.seal_by_seconds),
        "count": len(act_revisions),
        "root": act.root,
        "tags": (os.urandom(TAG_BYTES),),
    }
    signer = changes.pop("signer", world.operator)
    documents = [
        {
            "doc": str(item.doc),
            "version": item.version,
            "prev": None if item.prev is None else b64u(item.prev),
            "nonce": b64u(item.nonce),
            "body": b64u(item.body),
        }
        for item in act_revisions
    ]
    event = sign(event_payload(**{**facts, **changes}), EVENT_TYP, signer)
    return {"event": event, "documents": documents}


def test_an_admitted_organisation_acts_and_its_receipt_is_the_operators(
    world: World, api: Api, operator: Operator
) -> None:
    posted = operator.admission()
    answer = post(api, posted)
    assert answer.status == 201, answer.body
    assert answer.json()["id"] == id_of(posted)
    assert answer.headers["location"].endswith(f"/fhir/Organization/{id_of(posted)}/_history/1")
    assert answer.headers["carevouch-receipt"] == posted["event"]
    assert answer.headers["carevouch-event"] == parse_event(posted["event"]).id
    assert api.call("POST", "/fhir/Patient", synthetic_patient(1), Who(id_of(posted))).status == 201


def test_a_suspended_organisation_may_do_nothing_until_it_is_active_again(
    world: World, api: Api, operator: Operator
) -> None:
    posted = operator.admission()
    post(api, posted)
    who = Who(id_of(posted))
    suspended = operator.change(posted, status=SUSPENDED)
    assert post(api, suspended).status == 201
    refused = api.call("POST", "/fhir/Patient", synthetic_patient(1), who)
    assert refused.status == 403
    assert b"suspended" in refused.body
    again = post(api, operator.change(suspended, status=ACTIVE))
    assert again.headers["location"].endswith("/_history/3")
    assert api.call("POST", "/fhir/Patient", synthetic_patient(1), who).status == 201


def test_a_change_follows_the_version_and_leaf_hash_before_it(
    world: World, api: Api, operator: Operator
) -> None:
    posted = operator.admission()
    post(api, posted)
    first = world.reader.find(Doc("Admission", id_of(posted)))
    post(api, operator.change(posted, status=SUSPENDED))
    second = world.reader.find(Doc("Admission", id_of(posted)))
    assert first is not None
    assert second is not None
    assert (second.version, second.revision.prev) == (2, first.revision.leaf_hash)
    assert parse_admission(second.body) == replace(parse_admission(first.body), status=SUSPENDED)


def test_two_changes_from_one_request_are_one_change_and_one_conflict(api: Api, operator: Operator) -> None:
    posted = operator.admission()
    post(api, posted)
    answers = [post(api, operator.change(posted, status=status)) for status in (SUSPENDED, ACTIVE)]
    assert [answer.status for answer in answers] == [201, 409]
    assert b"the current version is 2" in answers[1].body


def test_the_same_body_posted_again_admits_nobody_twice(api: Api, operator: Operator) -> None:
    posted = operator.admission()
    assert [post(api, posted).status for _ in range(2)] == [201, 409]


def test_an_identifier_belongs_to_one_organisation(api: Api, operator: Operator) -> None:
    assert post(api, operator.admission(TAKEN)).status == 201
    assert post(api, operator.admission(TAKEN)).status == 409


def test_a_change_of_an_organisation_that_was_never_admitted_here_is_a_conflict(
    api: Api, operator: Operator
) -> None:
    change = operator.change(operator.admission(), status=SUSPENDED)
    answer = post(api, change)
    assert answer.status == 409
    assert b"the current version is 0" in answer.body


@pytest.mark.parametrize("seconds", [-600, 600])
def test_an_admission_may_be_ten_minutes_old(seconds: int, world: World, api: Api) -> None:
    assert post(api, signed_request(world, revisions(), time=later(world.clock(), seconds))).status == 201


def test_an_admission_that_the_operator_did_not_sign_is_refused(world: World, api: Api) -> None:
    now, own = world.clock(), directory(part(bytes(16)))
    private = {**KEYS[0], "d": "AAAA"}
    bad_keys = admission_body(Admission(own, ("provider",), (private,), ACTIVE))
    no_role = admission_body(Admission(own, (), KEYS, ACTIVE))
    other = admission_body(Admission(directory(part(bytes(15) + b"1")), ("provider",), KEYS, ACTIVE))
    person = part(bytes(16))
    third = revisions()[:1]
    other_event = signed_request(world, revisions())["event"]
    # The posted body, the status of the answer, and a part of its message.
    table: list[tuple[JsonObject, int, str]] = [
        (signed_request(world, revisions(), signer=new_key()), 403, "only the operator"),
        (signed_request(world, revisions(), signer=world.roots["identity"]), 403, "only the operator"),
        (signed_request(world, revisions(), producer="identity"), 403, "only the operator"),
        (signed_request(world, revisions(), type="patient.registered"), 403, "only the operator"),
        (signed_request(world, revisions(), time=later(now, -600.001)), 400, "too long ago"),
        (signed_request(world, revisions(), time=later(now, 600.001)), 400, "in the future"),
        (signed_request(world, revisions(), seal_by=later(now, 601)), 400, "seal_by"),
        (signed_request(world, revisions(), epoch=2), 400, "epoch"),
        (signed_request(world, revisions(), root=bytes(32)), 400, "does not commit"),
        (signed_request(world, revisions(), count=3), 400, "does not commit"),
        (
            {"event": other_event, "documents": signed_request(world, revisions())["documents"]},
            400,
            "commit",
        ),
        (signed_request(world, revisions(version=2)), 409, "current version is 0"),
        (signed_request(world, [replace(item, prev=bytes(32)) for item in revisions()]), 409, "version is 0"),
        (signed_request(world, revisions()[:1]), 400, "and then its Admission"),
        (signed_request(world, revisions()[::-1]), 400, "and then its Admission"),
        (signed_request(world, [*revisions(), *third]), 400, "and then its Admission"),
        (signed_request(world, [*revisions(), *third, *third]), 400, "does not commit"),
        (signed_request(world, revisions(own=person)), 400, "does not name a document"),
        (signed_request(world, revisions(own=own, admission=bad_keys)), 400, "public JWKs"),
        (signed_request(world, revisions(own=own, admission=no_role)), 400, "roles"),
        (signed_request(world, revisions(own=own, admission=other)), 400, "directory id"),
        (signed_request(world, revisions(own=own, admission=b"{}")), 400, "exactly v"),
        ({**signed_request(world, revisions()), "note": "x"}, 400, "exactly event and documents"),
        ({"documents": []}, 400, "exactly event and documents"),
        ({"event": signed_request(world, revisions())["event"], "documents": {}}, 400, "exactly event"),
        ({"event": "", "documents": []}, 400, ""),
        (NAMED, 400, "exactly event and documents"),
    ]
    for posted, status, word in table:
        answer = post(api, posted)
        assert (answer.status, word in answer.body.decode()) == (status, True), (word, answer.body)
    assert isinstance(world.rows, MemoryRows)
    assert world.rows.rows == {}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("doc", "Organization"),
        ("version", 0),
        ("version", "1"),
        ("nonce", b64u(bytes(31))),
        ("nonce", "="),
        ("body", "\u00e4"),
        ("prev", "?"),
        ("extra", "x"),
    ],
)
def test_a_document_of_another_form_is_refused(
    member: str, value: Any, world: World, api: Api, operator: Operator
) -> None:
    posted = operator.admission()
    posted["documents"][0][member] = value
    assert post(api, posted).status == 400
    assert world.reader.find(Doc("Admission", id_of(posted))) is None


def test_a_request_has_the_given_ids_nonces_and_status(world: World, operator: Operator) -> None:
    entropy = ActEntropy(bytes(16), bytes(15) + b"2", (bytes(32), bytes(31) + b"3"), bytes(31) + b"4")
    posted = operator.admission(entropy=entropy, status=SUSPENDED)
    event = parse_event(posted["event"])
    facts = EventFacts(
        part(entropy.event),
        "organization.admitted",
        "operator",
        1,
        1,
        world.clock(),
        later(world.clock(), world.genesis.seal_by_seconds),
        (entropy.tag,),
    )
    assert (event.id, event.type, event.n, event.time) == (facts.id, facts.type, facts.n, facts.time)
    assert (event.seal_by, event.tags) == (facts.seal_by, facts.tags)
    before = read_request(posted, world.genesis)
    assert (before.organization.nonce, before.admission.nonce) == entropy.nonces
    assert before.terms.status == SUSPENDED
