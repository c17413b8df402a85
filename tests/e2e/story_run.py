"""The story, played once per test run on a cloud of its own, which is left running for the tests.

All workers of pytest-xdist share it: the first plays, the others read what it wrote, the last one stops the
cloud. Tests may refuse things and read, but change nobody's records.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from infra import local, ministack
from infra.stack import Cloud
from infra.story import __main__ as story
from infra.story.bundles import SAMPLE, Records, read_folder
from infra.story.client import Http, Party
from infra.story.parties import Keys
from infra.story.report import StoryReport
from infra.story.scenes import search
from tests.local_cloud import alone, count_users
from tests.oracles import SHARED

REAL = SHARED / "data" / "synthea"
PEOPLE = 2


@dataclass(frozen=True)
class Played:
    """A story that came true: what it told, where it lies, and what its cloud had logged by then."""

    folder: Path
    report: StoryReport
    bundles: list[Records]
    log_lines: list[str]

    @cached_property
    def cloud(self) -> Cloud:
        """The cloud, running."""
        return local.open_cloud(self.folder)

    @cached_property
    def observation(self) -> str:
        """The id of an Observation about the first patient, which the hospital wrote."""
        found = search(self.party("device-1"), "Observation", self.report.patients[0].patient, limit=1)
        return str(found[0]["id"])

    @cached_property
    def _parties(self) -> dict[str, Party]:
        return {}

    def party(self, name: str) -> Party:
        """One of the story's parties with its kept key, a client of its own, and a token while it lasts."""
        if name not in self._parties:
            client_id, key = Keys(self.folder / "keys").load(name)
            scope = "patient/*.cruds" if name.startswith("device") else "system/*.cruds"
            self._parties[name] = Party(name, Http(self.cloud.base_url), client_id, key, scope)
        return self._parties[name]


@contextmanager
def playing(base: Path) -> Iterator[Played]:
    """The fixture's story. `base` is the same folder for all workers."""
    folder = base / "story-cloud"
    folder.mkdir(exist_ok=True)
    with alone(folder) as users:
        if not (folder / "played.pickle").exists():
            (folder / "played.pickle").write_bytes(_play(folder))
        count_users(users, +1)
    yield pickle.loads((folder / "played.pickle").read_bytes())  # noqa: S301 - written just above
    with alone(folder) as users:
        if count_users(users, -1) == 0:
            ministack.stop(folder)


def _play(folder: Path) -> bytes:
    """Play, and put what was told into bytes for the other workers; the cloud is left running."""
    bundles = _some(read_folder(REAL if REAL.is_dir() else SAMPLE))
    cloud = local.start(folder, say=lambda line: None)
    try:
        report = story.tell_story(cloud, folder, bundles)
        lines = list(cloud.log_lines())
        for told in report.patients:
            # They hold the parties with their keys, which stay in this process.
            told.acts.clear()
        return pickle.dumps(Played(folder, report, bundles, lines))
    except BaseException:
        ministack.stop(folder)
        raise


def _some(bundles: list[Records]) -> list[Records]:
    """The directories and the first people: tests ask about two, who must not see each other's records."""
    people = [records for records in bundles if records.patient]
    return [records for records in bundles if not records.patient] + people[:PEOPLE]
