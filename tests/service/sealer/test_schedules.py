"""Any schedule of deliveries, crashes, lost answers, lagging indexes and restores ends in one whole log."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from carevouch.kernel.errors import IntegrityFault, OutcomeUnknown
from carevouch.kernel.ids import Key
from carevouch.verifier.strand import audit_strand, find_gaps
from tests.fakes import Crash
from tests.service.sealer.fakes import Cloud
from tests.unit.sealing.acts import Producer

FAULTS = ("before", "after", "lost", "dropped")
Step = tuple[str, int, int, str]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["act", "act", "deliver", "deliver", "sweep", "publish", "hide", "restore"]),
        st.integers(0, 20),
        st.integers(0, 14),
        st.sampled_from(FAULTS),
    ),
    min_size=3,
    max_size=14,
)


@dataclass
class Run:
    """One deployment under a schedule; remembers each checkpoint that the public ever saw."""

    cloud: Cloud = field(default_factory=Cloud)
    keys: list[Key] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.producers = [Producer(self.cloud.house, name=name) for name in ("one", "two")]
        self.backup = (dict(self.cloud.heads.rows), dict(self.cloud.marks.rows))

    def step(self, what: str, which: int, write: int, fault: str) -> None:
        # A fault at some write from here on; 0 means a calm step.
        self.cloud.faults.plan = {self.cloud.faults.writes + write: fault} if write else {}
        try:
            self._do(what, which)
        except (Crash, OutcomeUnknown):
            pass
        finally:
            self.cloud.faults.plan = {}
            published = self.cloud.objects.files.get("0/checkpoint")
            if published is not None and published not in self.seen:
                self.seen.append(published)

    def _do(self, what: str, which: int) -> None:
        cloud = self.cloud
        if what == "act":
            self.keys.append(cloud.act(self.producers[which % 2], len(self.keys)))
        elif what == "deliver":
            # Duplicated, reordered and interleaved: any stretch of what was written, backwards.
            cloud.sealer().seal(self.keys[which % 7 :][::-1])
        elif what == "sweep":
            cloud.sweep().run()
        elif what == "publish":
            cloud.sealer().publish()
        elif what == "hide":
            cloud.events.hidden = set(self.keys[which % 5 :]) if not cloud.events.hidden else set()
        elif which % 2:
            self.backup = (dict(cloud.heads.rows), dict(cloud.marks.rows))
        else:
            cloud.heads.rows, cloud.marks.rows = dict(self.backup[0]), dict(self.backup[1])


@settings(max_examples=250, deadline=None)
@given(STEPS)
def test_any_schedule_ends_in_a_log_with_every_event_once_that_continues_all_it_ever_showed(
    steps: list[Step],
) -> None:
    run = Run()
    for step in steps:
        run.step(*step)
    run.cloud.events.hidden = set()
    run.cloud.sweep().run()
    run.cloud.sealer().publish()
    for seen in run.seen:
        report = audit_strand(run.cloud.house.genesis, 0, run.cloud.read(), against=seen)
        assert report.findings == []
    report = audit_strand(run.cloud.house.genesis, 0, run.cloud.read())
    assert report.events == len(run.keys)
    assert find_gaps([report]) == []
    for (_, name), mark in run.cloud.marks.rows.items():
        assert mark.index < report.size, name


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_no_schedule_lets_a_log_be_sealed_from_a_head_whose_records_are_gone(steps: list[Step]) -> None:
    run = Run()
    for step in steps:
        run.step(*step)
    run.cloud.sealer().publish()
    shown = run.cloud.objects.files["0/checkpoint"]
    run.cloud.heads.rows.clear()
    for name in [name for name in run.cloud.objects.files if "/commits/" in name]:
        del run.cloud.objects.files[name]
    size = int(shown.split(b"\n")[1])
    run.keys.append(run.cloud.act(run.producers[0], 99))
    try:
        run.cloud.sealer().seal(run.keys)
    except IntegrityFault:
        assert size > 0
    else:
        assert size == 0
    assert run.cloud.objects.files["0/checkpoint"] == shown
