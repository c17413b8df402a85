"""`python -m tests.structure [FOLDER ...]`: measure the house and report each broken rule.

With folders it measures only the files below them, and lists every place.
"""

import gc
import sys

from tests.structure.rules import broken, figures, places
from tests.structure.source import read


def main() -> int:
    """Print the figures of product and tests, then the broken rules; 1 if there are any."""
    # Every syntax tree lives to the end, and a third of the time went into the search for garbage.
    gc.disable()
    folders = tuple(sys.argv[1:])
    sources = [source for source in read() if not folders or str(source.path).startswith(folders)]
    for line in figures(sources):
        print(line)
    wrong = broken(sources, folders)
    print("\n".join(wrong) or "the house keeps its rules")
    if folders:
        print("\n".join(places(sources)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
