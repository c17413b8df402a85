"""The identifiers by which a person is found."""

from typing import Any

import pytest

from carevouch.identity.links import MAX_IDENTIFIERS, every_identifier_of, identifiers_of
from carevouch.kernel.errors import Unprocessable


def resource(count: int) -> dict[str, Any]:
    return {"identifier": [{"system": "s:x", "value": str(n)} for n in range(count)]}


def test_the_limit_is_accepted_and_one_more_is_refused() -> None:
    assert len(identifiers_of(resource(MAX_IDENTIFIERS))) == MAX_IDENTIFIERS
    with pytest.raises(Unprocessable, match=f"at most {MAX_IDENTIFIERS}"):
        identifiers_of(resource(MAX_IDENTIFIERS + 1))


def test_the_same_identifier_again_counts_once() -> None:
    assert identifiers_of({"identifier": resource(1)["identifier"] * 100}) == (("s:x", "0"),)


def test_every_identifier_of_a_stored_resource_counts() -> None:
    assert len(every_identifier_of(resource(500))) == 500


@pytest.mark.parametrize(
    "identifier", [None, "x", {}, [], [None, "x", 1, []], [{"value": "1"}, {"system": "s:x"}, {"value": 1}]]
)
def test_an_incomplete_identifier_is_ignored(identifier: Any) -> None:
    assert identifiers_of({"identifier": identifier}) == ()
