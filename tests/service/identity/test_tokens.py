"""Tokens, and every refusal of one. joserfc and PyJWT sign the assertions, as clients would."""

import json
import uuid
from typing import Any
from urllib.parse import urlencode

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from carevouch.kernel.encoding import b64u
from carevouch.kernel.ids import directory, part
from carevouch.kernel.jws import KeyInMemory, thumbprint
from services.identity.authorizer import authorize
from services.identity.ports import AuthorizerPorts, Ports
from services.identity.tokens import ASSERTION_TYPE
from tests.api import Answer, Api
from tests.people import Organization, admit, bind_device, enrol, readmit
from tests.service.identity.conftest import seconds_of
from tests.world import BASE_URL, World

AUD = f"{BASE_URL}/auth/token"
ARN = "arn:aws:execute-api:eu-central-1:000000000000:api/live/GET/fhir/Patient"


def claims(world: World, client: str, **changed: Any) -> dict[str, Any]:
    now = seconds_of(world)()
    plain = {"iss": client, "sub": client, "aud": AUD, "exp": now + 240, "iat": now, "jti": uuid.uuid4().hex}
    return {name: value for name, value in {**plain, **changed}.items() if value is not None}


def assertion(key: KeyInMemory, body: dict[str, Any], alg: str = "ES256") -> str:
    private = ECKey.import_key(key._key)
    return jwt.encode({"alg": alg, "kid": key.kid, "typ": "JWT"}, body, private)


def ask(api: Api, signed: str, scope: str = "system/*.rs", **form: str) -> Answer:
    fields = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
        "scope": scope,
        **form,
    }
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return api.call("POST", "/auth/token", urlencode(fields), headers=headers)


def test_an_admitted_organisation_gets_a_token_that_the_authorizer_accepts(
    world: World, ports: Ports, api: Api, hospital: Organization
) -> None:
    answer = ask(api, assertion(hospital.key, claims(world, hospital.id)))
    assert answer.status == 200
    told = answer.json()
    assert (told["token_type"], told["expires_in"], told["scope"]) == ("bearer", 300, "system/*.rs")
    gate = AuthorizerPorts(lambda: ports.token_key.jwk, BASE_URL, seconds_of(world))
    policy = authorize({"authorizationToken": f"Bearer {told['access_token']}", "methodArn": ARN}, gate)
    assert policy["context"]["client"] == hospital.id
    statement = policy["policyDocument"]["Statement"][0]
    assert statement == {
        "Action": "execute-api:Invoke",
        "Effect": "Allow",
        "Resource": "arn:aws:execute-api:eu-central-1:000000000000:api/live/*",
    }


def test_a_second_jose_implementation_verifies_the_token_by_the_published_jwks(
    world: World, api: Api, hospital: Organization
) -> None:
    token = ask(api, assertion(hospital.key, claims(world, hospital.id))).json()["access_token"]
    jwks = api.call("GET", "/.well-known/jwks.json").json()
    key = pyjwt.PyJWK(jwks["keys"][0])
    read = pyjwt.decode(
        token, key, ["ES256"], audience=f"{BASE_URL}/fhir", options={"verify_exp": False, "verify_iat": False}
    )
    assert read["sub"] == hospital.id
    assert pyjwt.get_unverified_header(token)["kid"] == jwks["keys"][0]["kid"]


def test_a_patients_device_gets_a_token_for_its_person_only(
    world: World, api: Api, hospital: Organization
) -> None:
    patient = enrol(world, hospital)
    device = bind_device(world, hospital, patient)
    answer = ask(api, assertion(device.key, claims(world, patient)), "patient/*.rs system/*.cruds")
    assert answer.status == 200
    assert answer.json()["scope"] == "patient/*.rs"


@pytest.mark.parametrize("alg", ["ES384", "RS384"])
def test_the_other_algorithms_of_smart_are_accepted(world: World, api: Api, alg: str) -> None:
    key: Any
    if alg == "ES384":
        key = ECKey.import_key(ec.generate_private_key(ec.SECP384R1()))
    else:
        key = RSAKey.import_key(rsa.generate_private_key(65537, 2048))
    public = {**key.as_dict(private=False), "kid": "k1"}
    payer = admit(world, "payer", ["payer"], keys=[public])
    signed = jwt.encode({"alg": alg, "kid": "k1"}, claims(world, payer.id), key, algorithms=[alg])
    assert ask(api, signed).status == 200


def test_an_assertion_counts_once(world: World, api: Api, hospital: Organization) -> None:
    signed = assertion(hospital.key, claims(world, hospital.id))
    assert ask(api, signed).status == 200
    again = ask(api, signed)
    assert (again.status, again.json()["error"]) == (401, "invalid_client")
    assert "used before" in again.json()["error_description"]


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": f"{BASE_URL}/other"},
        {"iss": "somebody"},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1},
        {"exp": 99_999_999_999},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 256},
        {"jti": ["x"]},
        {"nbf": 99_999_999_999},
        {"nbf": "now"},
        {"nbf": None, "exp": 1e300},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_an_assertion_with_a_wrong_claim_is_refused(
    world: World, api: Api, hospital: Organization, changed: dict[str, Any]
) -> None:
    answer = ask(api, assertion(hospital.key, claims(world, hospital.id, **changed)))
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")


def test_an_assertion_is_valid_from_its_nbf_within_the_clock_leeway(
    world: World, api: Api, hospital: Organization
) -> None:
    now = seconds_of(world)()
    for ahead, status in ((-60, 200), (0, 200), (30, 200), (31, 401)):
        signed = assertion(hospital.key, claims(world, hospital.id, nbf=now + ahead))
        assert ask(api, signed).status == status, ahead


def raw(key: KeyInMemory, payload: bytes, header: bytes | None = None) -> str:
    """A validly signed JWS of exactly these bytes, which no library would write."""
    head = header or json.dumps({"alg": "ES256", "kid": key.kid}).encode()
    message = f"{b64u(head)}.{b64u(payload)}"
    return f"{message}.{b64u(key.sign(message.encode()))}"


def test_claims_that_parsers_read_differently_are_refused(
    world: World, api: Api, hospital: Organization
) -> None:
    good = json.dumps(claims(world, hospital.id)).encode()
    open_end = good.removesuffix(b"}")
    assert ask(api, raw(hospital.key, good)).status == 200
    payloads = {
        "deep": b"[" * 5_900,
        "deep within": open_end + b',"x":' + b"[" * 70 + b"]" * 70 + b"}",
        "jti twice": open_end + b',"jti":"another"}',
        "sub twice": b'{"sub":"d.x",' + good.removeprefix(b"{"),
        "half a character": open_end.replace(b'"jti": "', b'"jti": "\\ud800') + b"}",
        "not a number": open_end + b',"x":NaN}',
        "not UTF-8": open_end + b',"x":"\xff"}',
        "a list": b"[" + good + b"]",
        "nothing": b"",
    }
    answers = {name: ask(api, raw(hospital.key, payload)) for name, payload in payloads.items()}
    told = {name: (answer.status, answer.json()["error"]) for name, answer in answers.items()}
    assert told == dict.fromkeys(payloads, (401, "invalid_client"))


def test_malformed_headers_are_refused(world: World, api: Api, hospital: Organization) -> None:
    good, kid = json.dumps(claims(world, hospital.id)).encode(), hospital.key.kid.encode()
    plain = b'{"alg":"ES256","kid":"' + kid + b'"'
    headers = {
        "deep": b"[" * 4_000,
        "alg twice": plain + b',"alg":"none"}',
        "critical": plain + b',"crit":["exp"],"exp":1}',
        "critical nothing": plain + b',"crit":5}',
        "another key": plain + b',"jwk":5}',
        "typ of another shape": plain + b',"typ":5}',
        "certificates of another shape": plain + b',"x5c":{"a":1}}',
        "unencoded": plain + b',"b64":false,"crit":["b64"]}',
        "kid of another shape": b'{"alg":"ES256","kid":{"a":1}}',
        "alg of another shape": b'{"alg":["ES256"],"kid":"' + kid + b'"}',
        "a list": b"[]",
    }
    answers = {name: ask(api, raw(hospital.key, good, header)) for name, header in headers.items()}
    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(headers, 401)


def test_strangers_suspended_clients_and_forgers_get_the_same_answer(
    world: World, api: Api, hospital: Organization
) -> None:
    forger = KeyInMemory(ec.generate_private_key(ec.SECP256R1()))
    stranger = directory(part(bytes(16)))
    suspended = admit(world, "gone", ["payer"])
    readmit(world, suspended, status="suspended")
    forged = jwt.encode(
        {"alg": "ES256", "kid": hospital.key.kid}, claims(world, hospital.id), ECKey.import_key(forger._key)
    )
    answers = [
        ask(api, assertion(forger, claims(world, stranger))),
        ask(api, assertion(forger, claims(world, part(bytes(16))))),
        ask(api, assertion(suspended.key, claims(world, suspended.id))),
        ask(api, forged),
        ask(api, "no.jwt.atall"),
        ask(api, "x" * 9_000),
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1


def test_an_unsigned_assertion_is_refused(world: World, api: Api, hospital: Organization) -> None:
    unsigned = pyjwt.encode(claims(world, hospital.id), "", "none", headers={"kid": hospital.key.kid})
    assert ask(api, unsigned).status == 401


def test_an_hmac_with_the_public_key_is_refused(world: World, api: Api, hospital: Organization) -> None:
    secret = thumbprint(hospital.key.jwk).encode()
    confused = pyjwt.encode(claims(world, hospital.id), secret, "HS256", headers={"kid": hospital.key.kid})
    assert ask(api, confused).status == 401


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_assertion_type": "x"}, "invalid_request"),
        ({"scope": "patient/*.rs"}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
    ],
)
def test_a_wrong_form_gets_an_error_that_names_the_fault(
    world: World, api: Api, hospital: Organization, form: dict[str, str], error: str
) -> None:
    signed = assertion(hospital.key, claims(world, hospital.id))
    fields = {"scope": "system/*.rs", **form}
    answer = ask(api, signed, **fields)
    assert (answer.status, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{}", b"a=1&a=2"])
def test_a_body_that_is_no_form_is_refused(api: Api, body: bytes) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert api.call("POST", "/auth/token", body, headers=headers).status == 400


class TestTheAuthorizer:
    def gate(self, world: World, ports: Ports) -> AuthorizerPorts:
        return AuthorizerPorts(lambda: ports.token_key.jwk, BASE_URL, seconds_of(world))

    def test_refuses_missing_and_foreign_tokens(self, world: World, ports: Ports) -> None:
        foreign = assertion(KeyInMemory(ec.generate_private_key(ec.SECP256R1())), claims(world, "d.x"))
        for header in ("", "Bearer", "Bearer ", "Basic abc", "Bearer x.y.z", f"Bearer {foreign}"):
            with pytest.raises(Exception, match=r"^Unauthorized$"):
                authorize({"authorizationToken": header, "methodArn": ARN}, self.gate(world, ports))

    def test_refuses_an_expired_token(
        self, world: World, ports: Ports, api: Api, hospital: Organization
    ) -> None:
        token = ask(api, assertion(hospital.key, claims(world, hospital.id))).json()["access_token"]
        event = {"authorizationToken": f"Bearer {token}", "methodArn": ARN}
        world.clock.advance(309)
        assert authorize(event, self.gate(world, ports))
        world.clock.advance(3)
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            authorize(event, self.gate(world, ports))

    def test_refuses_a_token_of_another_deployment(
        self, world: World, ports: Ports, api: Api, hospital: Organization
    ) -> None:
        token = ask(api, assertion(hospital.key, claims(world, hospital.id))).json()["access_token"]
        other = AuthorizerPorts(lambda: ports.token_key.jwk, "https://other.test", seconds_of(world))
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            authorize({"authorizationToken": f"Bearer {token}", "methodArn": ARN}, other)


def test_smart_configuration_names_the_token_endpoint(api: Api) -> None:
    told = api.call("GET", "/fhir/.well-known/smart-configuration").json()
    assert told["token_endpoint"] == AUD
    assert told["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
