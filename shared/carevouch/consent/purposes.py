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


def is_known(purpose: str) -> bool:
    """Whether the tree has `purpose`."""
    return purpose in LINEAGE


def comparable(one: str, other: str) -> bool:
    """Whether a request could be covered by both: one is the other, or a kind of it."""
    return one in lineage(other) or other in lineage(one)


def token(system: str | None, code: str) -> str:
    """How a purpose is written inside the model: the bare code of v3-ActReason, else `system|code`."""
    return code if system == ACT_REASON else f"{system or ''}|{code}"
