"""Security labels: how confidential data are (ordered) and what they are sensitive about (a tree).

A clause that names R covers R and below when it permits, R and above when it denies (the high-water mark
of FHIR R4 Consent.provision.securityLabel). Sensitivity goes by subsumption in v3-ActCode. Unlabelled
data are not normal data: they are unknown, and this module never supplies a label that is missing.
"""

CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

RANK = {code: rank for rank, code in enumerate("ULMNRV")}
# What is sensitive about something is at least restricted.
SENSITIVE_AT_LEAST = "R"

# A code and all that it covers, itself included.
_CHILDREN = {
    "SPI": "BH MH PSY PSYTHPN SUD",
    "BH": "COGN DVD EMOTDIS",
    "SUD": "ETHUD OPIOIDUD",
    # Substance abuse in the older branch. v3-ActCode gives it no descendants, but whoever writes it means
    # all of these; a patient's "not my substance use" must not miss what a newer labeller called
    # OPIOIDUD.
    "ETH": "SUD ETHUD OPIOIDUD",
}
_LEAVES = "SDV HIV COGN DVD EMOTDIS MH PSY PSYTHPN ETHUD OPIOIDUD"


def _covered(code: str) -> frozenset[str]:
    below = (_covered(child) for child in _CHILDREN.get(code, "").split())
    return frozenset((code,)).union(*below)


COVERS: dict[str, frozenset[str]] = {code: _covered(code) for code in (*_CHILDREN, *_LEAVES.split())}


def covers(sensitivity: str) -> frozenset[str]:
    """The sensitivity codes that a clause naming `sensitivity` speaks about; an unknown code covers itself.

    >>> sorted(covers("ETH"))
    ['ETH', 'ETHUD', 'OPIOIDUD', 'SUD']
    """
    return COVERS.get(sensitivity) or frozenset((sensitivity,))


def is_known(code: str) -> bool:
    """Whether `code` is a confidentiality or sensitivity code of ours."""
    return code in RANK or code in COVERS


def effective(confidentiality: str | None, sensitivities: frozenset[str]) -> str | None:
    """The confidentiality to decide by: sensitive data labelled lower count as restricted.

    Without this an "N for everyone" permit would hand out psychiatric data that somebody labelled N. No label
    stays no label.
    """
    if confidentiality is None or COVERS.keys().isdisjoint(sensitivities):
        return confidentiality
    return max(confidentiality, SENSITIVE_AT_LEAST, key=RANK.__getitem__)


def token(system: str | None, code: str) -> str:
    """How a label is written inside the model: bare for the two HL7 systems, else `system|code`."""
    own = CONFIDENTIALITY if code in RANK else ACT_CODE
    return code if system == own else f"{system or ''}|{code}"
