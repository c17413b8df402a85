"""The operations of the consent door and their schemas, for its OpenAPI description."""

from carevouch.door.api import OPEN, RECEIPT, TEXT, TRUTH, WHOLE, Operation, Schema, list_of, object_of
from services.consent import ask, decision, grant, record, requests, revoke

_MEMBERS = {
    "id": TEXT,
    "status": TEXT,
    "asker": TEXT,
    "expires": TEXT,
    "document": TEXT,
    "consent": {"$ref": "Consent"},
}
_FOR_A_DEVICE = {"open": TRUTH, "content": TEXT, "typ": TEXT, "to_sign": OPEN}
SCHEMAS: dict[str, Schema] = {
    "ConsentAsked": object_of(
        {"patient": {"anyOf": [TEXT, {"$ref": "Reference"}]}, "consent": {"$ref": "Consent"}},
        {"replaces": TEXT},
    ),
    "ConsentRequest": object_of(_MEMBERS, {**_FOR_A_DEVICE, "warnings": list_of(OPEN), "receipt": RECEIPT}),
    "ConsentRequests": object_of({"requests": list_of({"$ref": "ConsentRequest"}), "total": WHOLE}),
    "Grant": object_of({"signature": TEXT}),
    "Refusal": object_of({}),
    "Question": object_of(
        {
            "patient": {"anyOf": [TEXT, {"$ref": "Reference"}]},
            "resource": object_of({"type": TEXT, "id": TEXT}),
        },
        {"purpose": TEXT, "action": TEXT, "actor": {"anyOf": [TEXT, list_of(TEXT)]}},
    ),
    "Decision": {
        "type": "object",
        "properties": {
            "decision": {"type": "string", "enum": ["permit", "deny"]},
            "reasons": list_of(OPEN),
            "at": TEXT,
        },
        "required": ["decision", "reasons", "at"],
        "additionalProperties": True,
    },
}
OPERATIONS = {
    record.post: Operation(
        "Propose a consent, as an organisation, or record one that permits nothing, as the person's device",
        {201: "Consent"},
        who="an app, payer, provider or sponsor; the person's own device",
        body="Consent",
    ),
    record.update: Operation(
        "Record a new version of a consent, which permits nothing without a grant",
        {200: "Consent"},
        who="the person's own device",
        body="Consent",
    ),
    revoke.revoke: Operation(
        "End a consent", {200: "Consent"}, who="the person's own device", body="Parameters"
    ),
    ask.ask: Operation(
        "Ask a person for consent",
        {201: "ConsentRequest"},
        who="an app, payer, provider or sponsor; the person's own device",
        body="ConsentAsked",
    ),
    requests.listed: Operation(
        "The requests that await an answer",
        {200: "ConsentRequests"},
        who="the organisation that asked; the person's own device",
        query={"patient": "the person, if an organisation asks; it gets only its own requests"},
    ),
    requests.read: Operation(
        "One request, with the content that the device signs",
        {200: "ConsentRequest"},
        who="the organisation that asked; the person's own device",
    ),
    grant.grant: Operation(
        "Grant a request, under the device's signature",
        {200: "ConsentRequest"},
        who="the person's own device",
        body="Grant",
    ),
    grant.refuse: Operation(
        "Refuse a request", {200: "ConsentRequest"}, who="the person's own device", body="Refusal?"
    ),
    decision.decision: Operation(
        "Decide on a request, with reasons",
        {200: "Decision"},
        who="an organisation about itself; the person's own device about anybody",
        body="Question",
    ),
}
