"""The genesis file of the operator's verbs. They do not verify its signature; `carevouch verify` does."""

from pathlib import Path

from carevouch.events.genesis import Genesis, parse_genesis


def read_genesis(file: str) -> Genesis:
    """The genesis in a signed note; raises `OSError`, or `Malformed` for any other text."""
    return parse_genesis(Path(file).read_bytes().decode("utf-8", "replace").split("\n\n", 1)[0] + "\n")
