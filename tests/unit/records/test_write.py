"""Types that are stored, created and changed here, against the write matrix and FHIR's list."""

import pytest

from carevouch.events.catalogue import OWN_TYPES, OWNED, may_write
from carevouch.fhir.definitions import resource_types
from carevouch.records.resource import (
    DOORS,
    STORED,
    UPDATED,
    is_served,
    why_not_created,
    why_not_stored,
    why_not_updated,
)


@pytest.mark.parametrize("type_", sorted(resource_types() | OWN_TYPES))
def test_no_type_is_stored_that_the_matrix_forbids(type_: str) -> None:
    if why_not_stored(type_) is None:
        assert may_write(STORED, type_, 1)
        assert is_served(type_)
    if why_not_updated(type_) is None:
        assert may_write(UPDATED, type_, 2)
    if why_not_created(type_) is None:
        assert why_not_stored(type_) is None


def test_our_own_types_have_no_fhir_door() -> None:
    assert not any(is_served(type_) for type_ in OWN_TYPES)


def test_our_own_types_bear_no_name_of_fhirs() -> None:
    assert resource_types() & OWN_TYPES == set()


def test_every_type_of_another_service_names_its_door() -> None:
    assert set(DOORS) == set(OWNED)
    for type_ in OWNED:
        assert DOORS[type_] in str(why_not_created(type_))
