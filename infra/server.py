"""MiniStack 1.5.33, started with one difference to its gateway mended: which requests `*/*` is about.

API Gateway decodes a binary answer whenever the API's binary types hold `*/*`, whatever the request says that
it takes; MiniStack does so only for a request that has an Accept header, and hands base64 to all others. A
mirror of the log that sends no Accept must see the same bytes here as on AWS. Its folder stands on the
command line, so that a stop ends the process of that folder and no other.
"""

import sys
from collections.abc import Sequence
from typing import Any

ANY = "*/*"
# Its function (media type, binary types) -> bool, private and pinned with the release.
MATCHES = "_media_type_matches"


def main() -> None:
    """Serve until told to stop; the settings come from the environment."""
    from ministack import app  # type: ignore[import-untyped]
    from ministack.services import apigateway_v1  # type: ignore[import-untyped]

    gateway = vars(apigateway_v1)
    if MATCHES not in gateway:
        raise SystemExit("MiniStack decides on binary answers elsewhere by now: see infra/server.py.")
    gateway[MATCHES] = matching(gateway[MATCHES])
    sys.argv[1:] = []
    app.main()


def matching(theirs: Any) -> Any:
    """MiniStack's test of a media type, in which `*/*` among the binary types matches a missing one too."""

    def matches(media_type: str | None, binary_types: Sequence[str]) -> bool:
        return ANY in binary_types or bool(theirs(media_type, binary_types))

    return matches


if __name__ == "__main__":
    main()
