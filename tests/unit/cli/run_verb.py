"""A verb without its frame: what it raises is seen as it is."""

from importlib import import_module

from carevouch.cli.parser import parse


def run_bare(*words: str) -> int:
    """Run the verb; raises the error that the frame would make a sentence of."""
    args = parse(list(words))
    status: int = import_module(args.module).run(args)
    return status
