"""What an act must know of the store before it is decided, each asked once and together."""

from collections.abc import Iterable

from carevouch.door.http import ABSENT
from carevouch.identity.caller import Caller
from carevouch.identity.links import ENROLMENT, check_enrolment
from carevouch.kernel.errors import Erased, NotFound
from carevouch.kernel.ids import Doc, about, part
from carevouch.records.survey import Identifier
from carevouch.store.documents.model import ABORTED, home_of
from carevouch.store.rows import Row
from services.records.ports import Ports


def resolve(identifiers: Iterable[Identifier], ports: Ports) -> dict[Identifier, Doc]:
    """Those of the identifiers that are taken, each with its document.

    Raises `Superseded` for one that a corrected Patient no longer has.
    """
    listed = list(identifiers)
    if not listed:
        return {}
    key = ports.store.reader.keys.deployment()
    blinds = {key.blind(*identifier): identifier for identifier in listed}
    return {blinds[blind]: doc for blind, doc in ports.index.current(blinds).items()}


def existing(docs: Iterable[Doc], ports: Ports) -> frozenset[Doc]:
    """Those of the documents that are there, visible. Whose they are, their ids say."""
    wanted = {doc.key(1): doc for doc in docs}
    rows = ports.store.rows.get_many(sorted(wanted))
    homes = {
        **rows,
        **ports.store.rows.get_many(sorted({home_of(row) for row in rows.values()} - rows.keys())),
    }
    return frozenset(wanted[key] for key, row in rows.items() if _committed(homes.get(home_of(row))))


def is_enrolled(caller: Caller, patient: str, ports: Ports) -> bool:
    """Whether the caller has a link with the person; nobody has one with who is absent or erased."""
    try:
        stored = ports.store.reader.find(enrolment_doc(caller, patient, ports))
    except (NotFound, Erased):
        stored = None
    if stored is not None:
        check_enrolment(stored.body, patient, caller.id)
    return stored is not None


def require_enrolment(caller: Caller, patient: str, ports: Ports) -> None:
    """Raise `NotFound` unless the caller has a link with the person: absent and refused look alike."""
    if not is_enrolled(caller, patient, ports):
        raise NotFound(ABSENT)


def enrolment_doc(caller: Caller, patient: str, ports: Ports) -> Doc:
    """The one document that links the caller with a person."""
    derived = ports.store.reader.keys.deployment().derive("enrolment", patient, caller.id)
    return Doc(ENROLMENT, about(patient, part(derived)))


def _committed(home: Row | None) -> bool:
    return home is not None and home.text("event") is not None and home.text("state") != ABORTED
