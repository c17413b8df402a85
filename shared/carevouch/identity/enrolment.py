"""The link of an organisation with a person it treats: what lets it write about them, and nothing else.

The body of an `Enrolment` document. Its id is derived from both, so there is one per pair, found without
searching.
"""

from carevouch.kernel.canonical import jcs, parse_jcs
from carevouch.kernel.errors import IntegrityFault

ENROLMENT = "Enrolment"


def enrolment_body(patient: str, organization: str) -> bytes:
    """The bytes of the document's body."""
    return jcs({"v": 1, "patient": patient, "organization": organization})


def check_enrolment(body: bytes, patient: str, organization: str) -> None:
    """Raise `IntegrityFault` unless the body links exactly these two."""
    if parse_jcs(body, "the enrolment") != {"v": 1, "patient": patient, "organization": organization}:
        raise IntegrityFault("the enrolment links another pair")
