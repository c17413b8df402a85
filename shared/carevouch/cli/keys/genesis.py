"""The genesis that the operator's verbs read. They leave its signature to `carevouch verify`."""

from pathlib import Path

from carevouch.events.genesis import Genesis, parse_genesis


def read_genesis(file: str) -> Genesis:
    """The genesis in a signed note; raises `OSError`, or `Malformed` for text that is none."""
    return parse_genesis(Path(file).read_bytes().decode("utf-8", "replace").split("\n\n", 1)[0] + "\n")
