"""Frozen bytes: writes the JSON files of this folder. Run `python -m tests.vectors.generate`; then
`git diff --exit-code tests/vectors` says whether any byte that is hashed, signed or handed out has changed.

The rooms beside this file make the rows, one function a file, out of the seed in `seed.py`.
"""

import json
from pathlib import Path

from tests.vectors import acts, deployments, notes, trees

FOLDER = Path(__file__).parent
FILES = {**acts.FILES, **trees.FILES, **notes.FILES, **deployments.FILES}


def main() -> None:
    """Write all files."""
    for name in FILES:
        (FOLDER / f"{name}.json").write_text(written(name), encoding="ascii")


def written(name: str) -> str:
    """The text of a file."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=True, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()
