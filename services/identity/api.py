"""The operations of the identity door and their schemas, for its OpenAPI description."""

from carevouch.door.api import (
    OPEN,
    RECEIPT,
    TEXT,
    TEXT_OR_NULL,
    TRUTH,
    WHOLE,
    Operation,
    Schema,
    list_of,
    object_of,
)
from services.identity import devices, discovery, organizations, people, tokens

SCHEMAS: dict[str, Schema] = {
    "TokenRequest": object_of(
        {
            "grant_type": {"const": "client_credentials", "type": "string"},
            "client_assertion_type": TEXT,
            "client_assertion": TEXT,
        },
        {"scope": TEXT},
    ),
    "Token": object_of({"access_token": TEXT, "token_type": TEXT, "expires_in": WHOLE, "scope": TEXT}),
    "OAuthError": object_of({"error": TEXT, "error_description": TEXT}),
    "JsonWebKeySet": object_of({"keys": list_of(OPEN)}),
    "SmartConfiguration": object_of(
        {
            "issuer": TEXT,
            "jwks_uri": TEXT,
            "token_endpoint": TEXT,
            "grant_types_supported": list_of(TEXT),
            "token_endpoint_auth_methods_supported": list_of(TEXT),
            "token_endpoint_auth_signing_alg_values_supported": list_of(TEXT),
            "scopes_supported": list_of(TEXT),
            "response_types_supported": list_of(TEXT),
            "capabilities": list_of(TEXT),
            "code_challenge_methods_supported": list_of(TEXT),
            "access_token_lifetime_seconds": WHOLE,
        }
    ),
    "SignedAdmission": object_of(
        {
            "event": TEXT,
            "documents": list_of(
                object_of(
                    {
                        "doc": TEXT,
                        "version": WHOLE,
                        "prev": TEXT_OR_NULL,
                        "nonce": TEXT,
                        "body": TEXT,
                    }
                )
            ),
        }
    ),
    "DeviceBinding": object_of({"offer": TEXT, "binding": TEXT}),
    "DeviceBound": object_of({"client_id": TEXT, "device": TEXT, "kid": TEXT, "receipt": RECEIPT}),
    "Subject": object_of(
        {
            "patient": TEXT,
            "devices": list_of(object_of({"device": TEXT, "bound": TEXT, "active": TRUTH})),
        }
    ),
    "SubjectSecret": object_of({"jwe": TEXT}),
}
OPERATIONS = {
    tokens.token: Operation(
        "Exchange a signed assertion for an access token",
        {200: "Token"},
        anyone="a client gets its token here",
        body="TokenRequest",
        refusals=(401,),
    ),
    discovery.jwks: Operation("The keys that sign tokens", {200: "JsonWebKeySet"}, anyone="public keys"),
    discovery.smart_configuration: Operation(
        "The SMART configuration: how a client gets a token",
        {200: "SmartConfiguration"},
        anyone="discovery",
    ),
    people.register: Operation(
        "Register a person; for a known person, link them and answer with the id alone",
        {200: "Patient", 201: "Patient"},
        who="a provider",
        body="Patient",
    ),
    organizations.admit: Operation(
        "Admit or change an organisation, with the act that the operator signed",
        {201: "Organization"},
        anyone="the body is an act that the operator signed",
        body="SignedAdmission",
        refusals=(403,),
    ),
    devices.bind: Operation(
        "Bind a device under both signatures",
        {201: "DeviceBound"},
        anyone="the body has the signatures of the provider, the one-time key and the device",
        body="DeviceBinding",
        refusals=(403,),
    ),
    devices.remove: Operation("Remove a device", {204: ""}, who="a device of the same person"),
    devices.describe: Operation("A person's own devices", {200: "Subject"}, who="the person's own device"),
    devices.erase: Operation("Erase a person for good", {204: ""}, who="the person's own device"),
    devices.secret: Operation(
        "The subject secret, encrypted to the calling device",
        {200: "SubjectSecret"},
        who="the person's own device",
    ),
}
