"""References as the model compares them: `Type/id` for our own server, the full URL for others.

Two spellings of one thing must compare equal, or a refusal of Practitioner/x misses
http://our.base/Practitioner/x. What names nothing definite (a search, a contained resource, only a
display) is no reference: None, which the rules treat as unknown.
"""

from typing import Any

_HISTORY = "/_history/"


def reference_of(value: Any, base: str) -> str | None:
    """The comparable text of a FHIR Reference, or None where it names nothing definite.

    >>> reference_of({"reference": "https://x.test/fhir/Practitioner/1/_history/2"}, "https://x.test/fhir")
    'Practitioner/1'
    """
    text = value.get("reference") if isinstance(value, dict) else None
    return normal(text, base) if isinstance(text, str) else None


def normal(text: str, base: str) -> str | None:
    """`text` without our base and without a version; None for `#contained`, searches and empty text."""
    prefix = base.rstrip("/") + "/"
    if base and text.startswith(prefix):
        text = text[len(prefix) :]
    text = text.partition(_HISTORY)[0]
    definite = text.startswith("urn:") or "/" in text
    return text if definite and "?" not in text and "#" not in text else None


def type_of(reference: str) -> str:
    """The resource type in a comparable reference; empty where it has none (`urn:`)."""
    return "" if reference.startswith("urn:") else reference.rsplit("/", 2)[-2]


def is_patient(reference: str) -> bool:
    """Whether it names a Patient, here or elsewhere."""
    return type_of(reference) == "Patient"
