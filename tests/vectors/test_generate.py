"""The generator writes what stands in the folder, byte for byte, and nothing else stands there."""

import pytest

from tests.vectors.generate import FILES, FOLDER, written


@pytest.mark.parametrize("name", FILES)
def test_what_is_made_again_is_what_was_frozen(name: str) -> None:
    assert written(name) == (FOLDER / f"{name}.json").read_text("ascii")


def test_every_frozen_file_has_its_maker() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(FILES)
