"""The command `carevouch`. Help and version import no library. A verb is imported only when it runs."""

import gc
import sys

from carevouch import __version__


def main(arguments: list[str] | None = None) -> int:
    """Run one verb, and return the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    if words == ["--version"]:
        print(f"carevouch {__version__}")
        return 0
    # Loading modules makes no garbage, and the collector's search for it takes a fifth of the start. The
    # frame enables the collector before the verb runs.
    is_own_process = arguments is None
    gc.disable()
    try:
        from carevouch.cli.parser import parse

        args = parse(words)
        if not args.module:
            args.parser.print_help(sys.stderr)
            return 2
        from carevouch.cli.frame import run_verb

        return run_verb(args, is_own_process=is_own_process)
    finally:
        gc.enable()


if __name__ == "__main__":
    sys.exit(main())
