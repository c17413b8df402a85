"""The report of a played story: printed at the end, and written to a file for the next run."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.story.client import Answer
from infra.story.evidence import Evidence, verify_command
from infra.story.scenes import PatientStory

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StoryReport:
    """The result of a story in which every scene had its expected result."""

    base_url: str
    vkey: str
    genesis: Path
    patients: tuple[PatientStory, ...]
    seconds: float
    calls: int
    refusals: tuple[Answer, ...] = ()
    organisations: tuple[Evidence, ...] = ()

    @property
    def evidence(self) -> list[Evidence]:
        """The evidence of all acts."""
        return [*self.organisations, *(item for story in self.patients for item in story.evidence)]


def tell(report: StoryReport, say: Say) -> None:
    """Print the report, line by line, with `say`."""
    say("")
    say("What happened")
    for story in report.patients:
        sent, shown = sum(story.sent.values()), sum(story.shown.values())
        say(f"  {story.name}: {sent} resources in; {shown} out: these and {shown - sent} of the story itself")
        amounts = ", ".join(f"{code} {amount}" for code, amount in story.claim.items()) or "none"
        say(f"    the insurer read {story.granted} that were granted; claim: {amounts}")
    say("What was refused")
    for refusal in dict.fromkeys(line for story in report.patients for line in story.refusals):
        say(f"  {refusal}")
    proved = report.evidence
    say(f"What can be proved: {len(proved)} acts, each verified offline from its files")
    say(f"  {report.calls} calls in {report.seconds:.0f} s against {report.base_url}")
    say("")
    say("Verify one yourself; it needs no network and no trust in the server:")
    say(f"  {proved[0].proof}")
    say(f"  {shlex.join(verify_command(proved[:1], report.vkey, report.genesis))}")


def keep(report: StoryReport, path: Path, data: Path | None = None) -> None:
    """Write the report and the folder `data` to a file, so that a later run can check the story again."""
    value = {
        "data": str(data.resolve()) if data else None,
        "base_url": report.base_url,
        "vkey": report.vkey,
        "genesis": str(report.genesis),
        "patients": [
            {"name": story.name, "patient": story.patient, "shown": story.shown} for story in report.patients
        ],
        "evidence": [
            {"act": item.act, "holder": item.holder, "opening": str(item.opening), "proof": str(item.proof)}
            for item in report.evidence
        ],
    }
    path.write_text(json.dumps(value, indent=2))


def remembered(path: Path) -> Any:
    """The report that `keep` wrote, or None."""
    return json.loads(path.read_text()) if path.exists() else None


def evidence_of(kept: dict[str, Any]) -> list[Evidence]:
    """The evidence that a kept report names."""
    return [
        Evidence(item["act"], item["holder"], Path(item["opening"]), Path(item["proof"]))
        for item in kept["evidence"]
    ]
