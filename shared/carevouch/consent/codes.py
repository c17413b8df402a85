"""The codes of a consent: purposes of use (v3-ActReason), confidentiality and sensitivity labels.

Purposes form a tree, where a narrower purpose is also each wider one (is-a). A request states one purpose. A
clause covers it if the clause names this purpose or a wider one, but not a narrower one. A purpose of another
code system is related to no other purpose. Two codes are easily confused: CLINTRL (treatment within a trial)
is treatment, CLINTRCH (trial research) is research. A sponsor acts for research.
"""

from collections.abc import Iterator

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
BREAK_GLASS = "BTG"
DEFAULT_PURPOSE = "TREAT"
# Marks a resource as made for testing. It does not restrict the use of the data.
TEST_DATA = "HTEST"

# Each parent with its children: the codes under PurposeOfUse of v3-ActReason. The empty parent has the top
# ones.
_CHILDREN = {
    "": "HMARKT HOPERAT HPAYMT HRESCH PATRQT PUBHLTH TREAT",
    "HOPERAT": "CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP "
    "HSYSADMIN MEMADMIN MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV TRAIN",
    "HSYSADMIN": "LABELING METAMGT",
    "SYSDEV": "HTEST",
    "HPAYMT": "CLMATTCH COVAUTH COVERAGE REMITADV",
    "COVERAGE": "ELIGDTRM ELIGVER ENROLLM MILDCRG",
    "HRESCH": "BIORCH CLINTRCH DSRCH POARCH TRANSRCH",
    "CLINTRCH": "CLINTRCHNPC CLINTRCHPC PRECLINTRCH",
    "PATRQT": "FAMRQT PWATRNY SUPNWK",
    "PUBHLTH": "DISASTER THREAT",
    "TREAT": "CLINTRL COC ETREAT POPHLTH",
    "ETREAT": "BTG ERTREAT",
}


def _lineages(parent: str, above: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for code in _CHILDREN.get(parent, "").split():
        line = above | {code}
        yield code, line
        yield from _lineages(code, line)


LINEAGE: dict[str, frozenset[str]] = dict(_lineages("", frozenset()))


def lineage(purpose: str) -> frozenset[str]:
    """`purpose` and all wider purposes; a purpose outside the tree has only itself.

    >>> sorted(lineage("BTG"))
    ['BTG', 'ETREAT', 'TREAT']
    """
    return LINEAGE.get(purpose) or frozenset((purpose,))


def is_known_purpose(purpose: str) -> bool:
    """Whether v3-ActReason has `purpose` as a purpose of use."""
    return purpose in LINEAGE


def comparable(one: str, other: str) -> bool:
    """Whether one request could be covered by both purposes: they are equal, or one is wider."""
    return one in lineage(other) or other in lineage(one)


def purpose_token(system: str | None, code: str) -> str:
    """A purpose as the model writes it: the bare code of v3-ActReason, otherwise `system|code`."""
    return code if system == ACT_REASON else f"{system or ''}|{code}"


CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
# The confidentiality codes, from unrestricted to very restricted.
RANK = {code: rank for rank, code in enumerate("ULMNRV")}

# Sensitive data are at least restricted.
SENSITIVE_AT_LEAST = "R"
# Each sensitivity code with the narrower codes that it covers.
_LABEL_CHILDREN = {
    "SPI": "BH MH PSY PSYTHPN SUD",
    "BH": "COGN DVD EMOTDIS",
    "SUD": "ETHUD OPIOIDUD",
    # Substance abuse in the older branch. v3-ActCode gives it no descendants, but its users mean all of
    # these. A patient's "not my substance use" must not miss data that a newer labeller called OPIOIDUD.
    "ETH": "SUD ETHUD OPIOIDUD",
}
_LEAVES = "SDV HIV COGN DVD EMOTDIS MH PSY PSYTHPN ETHUD OPIOIDUD"


def _covered(code: str) -> frozenset[str]:
    narrower = (_covered(child) for child in _LABEL_CHILDREN.get(code, "").split())
    return frozenset((code,)).union(*narrower)


COVERS: dict[str, frozenset[str]] = {code: _covered(code) for code in (*_LABEL_CHILDREN, *_LEAVES.split())}


def covers(sensitivity: str) -> frozenset[str]:
    """The sensitivity codes that `sensitivity` in a clause stands for; an unknown code covers only itself.

    >>> sorted(covers("ETH"))
    ['ETH', 'ETHUD', 'OPIOIDUD', 'SUD']
    """
    return COVERS.get(sensitivity) or frozenset((sensitivity,))


def effective(confidentiality: str | None, sensitivities: frozenset[str]) -> str | None:
    """The confidentiality to decide by: sensitive data with a lower label count as restricted.

    Otherwise a permit for N would give out psychiatric data that somebody labelled N. Data without a
    confidentiality stay without one.
    """
    if confidentiality is None or COVERS.keys().isdisjoint(sensitivities):
        return confidentiality
    return max(confidentiality, SENSITIVE_AT_LEAST, key=RANK.__getitem__)


def label_token(system: str | None, code: str) -> str:
    """A label as the model writes it: the bare code of the two HL7 systems, otherwise `system|code`."""
    expected = CONFIDENTIALITY if code in RANK else ACT_CODE
    return code if system == expected else f"{system or ''}|{code}"
