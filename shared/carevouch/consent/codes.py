"""Purposes of use: the HL7 v3-ActReason tree, where a narrower purpose is also each wider one (is-a).

A request states one purpose; a clause that names the same purpose or a wider one covers it, never a
narrower one. A purpose of another code system is known only to itself. Nothing here may guess: CLINTRL
(treatment within a trial) is treatment, CLINTRCH (trial research) is research, and a sponsor comes in as
the latter.
"""

from collections.abc import Iterator

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
BREAK_GLASS = "BTG"
DEFAULT = "TREAT"
# Marks a resource as made for testing; it says nothing about what the data may be used for.
TEST_DATA = "HTEST"

# Parent: children. The codes under PurposeOfUse of v3-ActReason; those without a parent stand at the top.
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
    """`purpose` and everything it is a kind of; a purpose outside the tree is only itself.

    >>> sorted(lineage("BTG"))
    ['BTG', 'ETREAT', 'TREAT']
    """
    return LINEAGE.get(purpose) or frozenset((purpose,))


def is_known_purpose(purpose: str) -> bool:
    """Whether the tree has `purpose`."""
    return purpose in LINEAGE


def comparable(one: str, other: str) -> bool:
    """Whether a request could be covered by both: one is the other, or a kind of it."""
    return one in lineage(other) or other in lineage(one)


def purpose_token(system: str | None, code: str) -> str:
    """How a purpose is written inside the model: the bare code of v3-ActReason, else `system|code`."""
    return code if system == ACT_REASON else f"{system or ''}|{code}"


CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


RANK = {code: rank for rank, code in enumerate("ULMNRV")}


# What is sensitive about something is at least restricted.
SENSITIVE_AT_LEAST = "R"


# A code and all that it covers, itself included.
_LABEL_CHILDREN = {
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
    below = (_covered(child) for child in _LABEL_CHILDREN.get(code, "").split())
    return frozenset((code,)).union(*below)


COVERS: dict[str, frozenset[str]] = {code: _covered(code) for code in (*_LABEL_CHILDREN, *_LEAVES.split())}


def covers(sensitivity: str) -> frozenset[str]:
    """The sensitivity codes that a clause naming `sensitivity` speaks about; an unknown code covers itself.

    >>> sorted(covers("ETH"))
    ['ETH', 'ETHUD', 'OPIOIDUD', 'SUD']
    """
    return COVERS.get(sensitivity) or frozenset((sensitivity,))


def is_known_label(code: str) -> bool:
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


def label_token(system: str | None, code: str) -> str:
    """How a label is written inside the model: bare for the two HL7 systems, else `system|code`."""
    own = CONFIDENTIALITY if code in RANK else ACT_CODE
    return code if system == own else f"{system or ''}|{code}"
