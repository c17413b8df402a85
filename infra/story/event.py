"""`python -m infra.story.event OPENING`: the id of the event that an opening is of."""

import sys
from pathlib import Path

from carevouch.events.envelope import parse_event
from carevouch.kernel.canonical import parse_jcs

if __name__ == "__main__":
    opening = parse_jcs(Path(sys.argv[1]).read_bytes(), "the opening")
    print(parse_event(str(opening["event"])).id)
