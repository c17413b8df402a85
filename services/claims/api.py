"""The words about the claims use cases."""

from carevouch.door.api import OPEN, RECEIPT, TEXT, Operation, Schema, list_of, object_of
from services.claims import contracts, coverage, eligibility, submit

_SUMMARY = {
    "hash": TEXT,
    "document": TEXT,
    "payer": TEXT,
    "plan": TEXT,
    "effective": object_of({"start": TEXT, "end": TEXT}),
    "receipt": RECEIPT,
}
SCHEMAS: dict[str, Schema] = {
    "SignedContract": object_of({"contract": {"anyOf": [OPEN, TEXT]}, "signature": TEXT}),
    "ContractRegistered": object_of({**_SUMMARY, "warnings": list_of(OPEN)}),
    "RegisteredContract": object_of({**_SUMMARY, "contract": OPEN, "signature": TEXT}),
}
OPERATIONS = {
    submit.submit: Operation(
        "Submit a claim and get its final answer",
        {200: "ClaimResponse"},
        who="the provider that the claim names, linked with the person",
        body="Claim | Parameters | Bundle",
    ),
    eligibility.answer: Operation(
        "Ask whether a person is covered, for which services, and how much of the limits is used",
        {200: "CoverageEligibilityResponse"},
        who="a provider linked with the person; the payer about its member; the person's own device",
        body="CoverageEligibilityRequest | Parameters | Bundle",
    ),
    coverage.register: Operation(
        "Register a coverage", {201: "Coverage"}, who="the payer that it names", body="Coverage"
    ),
    contracts.register: Operation(
        "Register a benefit contract",
        {200: "ContractRegistered", 201: "ContractRegistered"},
        who="the payer that it names",
        body="SignedContract",
    ),
    contracts.show: Operation(
        "Read a benefit contract, by its hash or its document's id",
        {200: "RegisteredContract"},
        who="every caller with the scope",
    ),
}
