"""Bad requests to the real API get the right status and an outcome that says what to mend, and store
nothing."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest

from carevouch.identity.caller import TOKEN_TYP, TokenFacts, token_payload
from carevouch.kernel.encoding import b64u
from carevouch.kernel.jws import Signer, sign
from carevouch.store.kms import KmsSigner
from infra.story.client import ASSERTION_TYPE, Answer, Http, Party
from infra.story.money import coverage
from tests.e2e.story_run import Played
from tests.world import new_key

pytestmark = pytest.mark.local_cloud
NAME = "Zzyzxwick"
FHIR = "application/fhir+json"
UNKNOWN = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
PATIENT: dict[str, Any] = {"resourceType": "Patient", "name": [{"family": NAME}]}
CLAIM, OBSERVATION = "/fhir/Claim/$submit", "/fhir/Observation/~"


@dataclass(frozen=True)
class Bad:
    """A request that must be refused: by whom, with which status, and a word that its mend must hold."""

    status: int
    method: str
    path: str
    body: Any = None
    says: str = ""
    who: str = "hospital"
    headers: dict[str, str] = field(default_factory=dict)


def observation(**more: Any) -> dict[str, Any]:
    """An Observation about the first patient of the story, whose id `sent` puts where it says `@`."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": NAME},
        "subject": {"reference": "Patient/@"},
        **more,
    }


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    """A transaction that creates these."""
    entry = [
        {"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
        for resource in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entry}


BAD = {
    "malformed JSON": Bad(400, "POST", "/fhir/Patient", b'{"resourceType": "Patient",', "JSON"),
    "no body": Bad(400, "POST", "/fhir/Patient", b"", "JSON"),
    "not UTF-8": Bad(400, "POST", "/fhir/Observation", b'{"a": "\xff"}', "UTF-8"),
    "a member twice": Bad(400, "POST", "/fhir/Patient", b'{"resourceType": "Patient", "id": "1", "id": "2"}'),
    "NaN": Bad(400, "POST", "/fhir/Observation", b'{"resourceType": "Observation", "valueInteger": NaN}'),
    "a list": Bad(400, "POST", "/fhir/Patient", [PATIENT], "object"),
    "ten thousand brackets": Bad(400, "POST", "/fhir/Observation", b"[" * 10_000),
    "another type than the path": Bad(400, "POST", "/fhir/Observation", PATIENT, "Observation"),
    "a type that is none": Bad(404, "POST", "/fhir/Bananas", {"resourceType": "Bananas"}),
    "a type of the server": Bad(404, "POST", "/fhir/Admission", {"resourceType": "Admission"}),
    "an unknown element": Bad(400, "POST", "/fhir/Patient", {**PATIENT, "nickname": NAME}, "nickname"),
    "an impossible date": Bad(
        400, "POST", "/fhir/Patient", {**PATIENT, "birthDate": "1987-02-30"}, "birthDate"
    ),
    "a number for a text": Bad(400, "POST", "/fhir/Patient", {**PATIENT, "birthDate": 1987}, "birthDate"),
    "a 3 MB string": Bad(
        400, "POST", "/fhir/Patient", {**PATIENT, "birthDate": "1" * 3_000_000}, "birthDate"
    ),
    "a 3 MB text": Bad(
        400, "POST", "/fhir/Observation", observation(note=[{"text": "x" * 3_000_000}]), "1048576"
    ),
    "more in one document than fits a row": Bad(
        413, "POST", "/fhir/Observation", observation(note=[{"text": "x" * 500_000}]), "KB"
    ),
    "a body over 4 MB": Bad(413, "POST", "/fhir", b" " * 4_000_001, "split"),
    "an Observation without a person": Bad(
        400, "POST", "/fhir/Observation", observation(subject={}), "subject"
    ),
    "somebody unknown": Bad(
        404, "POST", "/fhir/Observation", observation(subject={"reference": f"Patient/{UNKNOWN}"})
    ),
    "an impossible date in a Bundle": Bad(
        400, "POST", "/fhir", bundle(observation(), observation(issued="yesterday")), "entry[1]"
    ),
    "a Bundle of no known kind": Bad(400, "POST", "/fhir", {**bundle(), "type": "message"}),
    "an unknown id": Bad(404, "GET", f"/fhir/Observation/{UNKNOWN}.{UNKNOWN}"),
    "an id that is none": Bad(404, "GET", "/fhir/Observation/..%2F..%2Fetc"),
    "a version that is none": Bad(404, "GET", "/fhir/Patient/@/_history/99"),
    "a version that is no number": Bad(404, "GET", "/fhir/Patient/@/_history/x"),
    "a search for everybody": Bad(400, "GET", "/fhir/Observation", None, "patient"),
    "an unknown parameter": Bad(400, "GET", "/fhir/Observation?patient=@&colour=red", None, "colour"),
    "an impossible date in a search": Bad(400, "GET", "/fhir/Observation?patient=@&date=2026-13-01"),
    "a page of minus one": Bad(400, "GET", "/fhir/Observation?patient=@&_count=-1"),
    "a cursor of nobody's": Bad(400, "GET", "/fhir/Patient/@/$everything?_cursor=nonsense"),
    "a stale version": Bad(
        412, "PUT", OBSERVATION, observation(id="~"), "version", headers={"If-Match": 'W/"99"'}
    ),
    "no version": Bad(400, "PUT", OBSERVATION, observation(id="~"), "If-Match"),
    "an If-Match that is none": Bad(
        400, "PUT", OBSERVATION, observation(id="~"), "If-Match", headers={"If-Match": "abc"}
    ),
    "another id than the path": Bad(
        400, "PUT", OBSERVATION, observation(id=UNKNOWN), "id", headers={"If-Match": 'W/"1"'}
    ),
    "a Patient that nobody could find again": Bad(
        422, "PUT", "/fhir/Patient/@", {**PATIENT, "id": "@"}, "identifier", headers={"If-Match": 'W/"1"'}
    ),
    "a claim that is none": Bad(400, "POST", CLAIM, {"resourceType": "Claim"}, "Claim"),
    "an operation that is none": Bad(404, "POST", "/fhir/Claim/$pay", {"resourceType": "Claim"}),
    "a consent decision about nothing": Bad(400, "POST", "/consent/decision", {"colour": "red"}),
    "a grant that is not signed": Bad(
        404, "POST", f"/consent/requests/@.{UNKNOWN}/grant", {"signature": "a.b.c"}, who="device-1"
    ),
    "a hospital's decision over the patient": Bad(403, "POST", f"/consent/requests/@.{UNKNOWN}/refuse", None),
    "an insurer that registers people": Bad(403, "POST", "/fhir/Patient", PATIENT, who="insurer"),
    "an insurer that writes records": Bad(403, "POST", "/fhir/Observation", observation(), who="insurer"),
    "a hospital's Coverage": Bad(403, "POST", "/fhir/Coverage", coverage("@", "Organization/d.x")),
    "an insurer whose consent was revoked": Bad(404, "GET", OBSERVATION, who="insurer"),
    "an insurer that looks for the proof": Bad(
        404, "GET", "/ledger/documents/Observation/~/1/opening", who="insurer"
    ),
    "an admission that nobody signed": Bad(
        400, "POST", "/fhir/Organization", {"resourceType": "Organization"}
    ),
    "a device that nobody offered": Bad(400, "POST", "/identity/devices", {"offer": "a", "binding": "b"}),
    "an erasure by a stranger": Bad(404, "DELETE", "/identity/subjects/@", who="insurer"),
    "an event that is none": Bad(400, "GET", "/ledger/events/nonsense"),
    "an event that is unknown": Bad(404, "GET", f"/ledger/events/{UNKNOWN}"),
    "a tile that is none": Bad(400, "GET", "/ledger/0/tile/../genesis"),
    "a strand that is none": Bad(404, "GET", "/ledger/7/checkpoint"),
}


@pytest.fixture(scope="module", autouse=True)
def nothing_is_stored(played: Played) -> Iterator[None]:
    """Of all that this module sends, not one row stays."""
    before = rows(played)
    yield
    assert rows(played) == before


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_what_to_mend(case: str, played: Played) -> None:
    bad = BAD[case]
    answer = sent(played, bad)
    assert answer.status == bad.status, answer.body[:500]
    said = mend(answer, fhir=bad.path.startswith("/fhir"))
    assert bad.says in said, said
    assert NAME not in answer.body.decode()


def test_a_token_that_is_missing_expired_foreign_or_another_deployments_is_401(played: Played) -> None:
    client = played.party("hospital").client_id
    signer, stranger = token_key(played), new_key()
    base, now = played.cloud.base_url, int(time.time())
    good = bearer(client, base, now, signer)
    headers = {
        "missing": {},
        "another scheme": {"Authorization": "Basic eDp5"},
        "no token": {"Authorization": "Bearer not.a.token"},
        "expired": bearer(client, base, now - 3600, signer),
        "foreign": bearer(client, base, now, stranger),
        "of another deployment": bearer(client, "https://elsewhere.example", now, signer),
        "altered": {"Authorization": good["Authorization"][:-8] + "AAAAAAAA"},
    }
    http = Http(base)
    path = f"/fhir/Patient/{played.report.patients[0].patient}"
    assert http.call("GET", path, headers=good).status == 200
    for name, sent_headers in headers.items():
        answer = http.call("GET", path, headers=sent_headers)
        assert answer.status == 401, name
        assert mend(answer, fhir=True), name


def test_an_assertion_buys_one_token_and_no_second(played: Played) -> None:
    hospital = played.party("hospital")
    form = assertion(hospital)
    assert [buy(hospital, form).status for _ in range(2)] == [200, 401]
    assert "used before" in buy(hospital, form).json()["error_description"]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"aud": "https://elsewhere.example/auth/token"}, 401),
        ({"exp": 1_000_000_000}, 401),
        ({"exp": 9_000_000_000}, 401),
        ({"sub": "d." + UNKNOWN}, 401),
        ({"jti": None}, 401),
        ({"exp": "soon"}, 401),
    ],
)
def test_an_assertion_with_a_wrong_claim_buys_nothing(
    changed: dict[str, Any], status: int, played: Played
) -> None:
    hospital = played.party("hospital")
    answer = buy(hospital, assertion(hospital, **changed))
    assert answer.status == status
    assert answer.json()["error"] == "invalid_client"


def test_a_body_that_is_no_form_buys_nothing(played: Played) -> None:
    hospital = played.party("hospital")
    for form in (b"", b"\xff\xfe", b"grant_type=password", urlencode({"grant_type": "x"}).encode()):
        answer = buy(hospital, form)
        assert answer.status == 400
        assert answer.json()["error"] in ("invalid_request", "unsupported_grant_type")


def sent(played: Played, bad: Bad) -> Answer:
    """Send it, with the first patient's id where it says `@`, and an Observation's where it says `~`."""
    patient, about = played.report.patients[0].patient, played.observation
    party = played.party(bad.who)
    body = bad.body if isinstance(bad.body, bytes | None) else json.dumps(bad.body)
    if isinstance(body, str):
        body = body.replace('"@"', f'"{patient}"').replace("Patient/@", f"Patient/{patient}")
        body = body.replace('"~"', f'"{about}"').encode()
    return party.call(bad.method, bad.path.replace("@", patient).replace("~", about), body, **bad.headers)


def mend(answer: Answer, *, fhir: bool) -> str:
    """The text of the answer, from an OperationOutcome, or from a problem if the route is not FHIR."""
    body = answer.json()
    if not fhir and body.get("resourceType") != "OperationOutcome":
        assert answer.headers["content-type"].startswith("application/problem+json")
        return str(body["detail"])
    assert answer.headers["content-type"].startswith(FHIR)
    assert body["resourceType"] == "OperationOutcome"
    said = [f"{issue.get('expression', [''])[0]} {issue['diagnostics']}" for issue in body["issue"]]
    assert said
    assert all(len(line.split()) >= 3 for line in said)
    return "; ".join(said)


def rows(played: Played) -> int:
    """How many rows there are, but for audits and certificates of new environments: refusals are audited.

    The last patient is left out: with them another worker may act the README's story at the same time.
    """
    others = ("A#", "K#", f"P#{played.report.patients[-1].patient}")
    assert played.report.patients[0].patient not in others[-1], "what is sent here is about the first one"
    pages = (
        played.cloud.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=played.cloud.documents_table, ProjectionExpression="pk", ConsistentRead=True)
    )
    return sum(not item["pk"]["S"].startswith(others) for page in pages for item in page["Items"])


def bearer(client: str, base_url: str, issued: int, signer: Signer) -> dict[str, str]:
    """A token as the identity service makes them, at another time or by another hand."""
    facts = TokenFacts("organization", client, "system/*.rs", UNKNOWN, None)
    return {"Authorization": "Bearer " + sign(token_payload(facts, base_url, issued), TOKEN_TYP, signer)}


def token_key(played: Played) -> Signer:
    """The key of the tokens, found by its public half, with the account's own rights."""
    jwks = Http(played.cloud.base_url).call("GET", "/.well-known/jwks.json").json()
    kms = played.cloud.client("kms")
    signers = [
        KmsSigner(kms, key["KeyId"])
        for key in kms.list_keys(Limit=100)["Keys"]
        if kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeySpec"] == "ECC_NIST_P256"
    ]
    return next(signer for signer in signers if signer.kid == jwks["keys"][0]["kid"])


def assertion(party: Party, **changed: Any) -> bytes:
    """The form that buys a token, with some claims changed."""
    now = int(time.time())
    claims = {
        "iss": party.client_id,
        "sub": party.client_id,
        "aud": f"{party.http.base_url}/auth/token",
        "exp": now + 200,
        "jti": b64u(new_key().kid.encode()),
        **changed,
    }
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": sign(claims, "JWT", party.key),
        "scope": "system/*.rs",
    }
    return urlencode(form).encode()


def buy(party: Party, form: bytes) -> Answer:
    """Exchange it."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return party.http.call("POST", "/auth/token", form, headers)
