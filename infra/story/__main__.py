"""`python -m infra.story run|demo`: start the local cloud, play the story on it, and report.

`run` leaves the cloud running on `.carevouch/`. If the story was played there before, it checks that all
records are still there, and does not play it again. `demo` plays on a cloud of its own, in a folder of its
own, and leaves only the files of the proofs.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carevouch.ledger.note import Verifier
from infra import local
from infra.faults import SetUpFault, explained
from infra.package import ROOT
from infra.stack import Cloud
from infra.story import money
from infra.story import report as reports
from infra.story.bundles import Records, choose_folder, read_folder
from infra.story.client import Http, Party, Surprise
from infra.story.evidence import verify
from infra.story.parties import Keys, Operator
from infra.story.report import StoryReport
from infra.story.scenes import Stage, StoryAct, collected, load_directory, pages, play, reference_of

SHARED_DATA = ROOT.parent / "shared" / "data" / "synthea"
DEMO_FILES = ROOT / "build" / "demo"


def main() -> int:
    """Run the command line; 0 if every scene had its expected result."""
    parser = argparse.ArgumentParser(prog="python -m infra.story", description=__doc__)
    parser.add_argument("verb", choices=["run", "demo"])
    parser.add_argument("--data", default=os.environ.get("DATA") or None, help="folder of FHIR R4 Bundles")
    parser.add_argument("--files", type=Path, default=DEMO_FILES, help="where demo leaves genesis and proofs")
    chosen = parser.parse_args()
    try:
        if chosen.verb == "demo":
            _demo(read_folder(choose_folder(chosen.data, SHARED_DATA)), chosen.files)
        else:
            _run(chosen.data)
    except Surprise as surprise:
        print(f"carevouch: the story failed: {surprise}", file=sys.stderr)
        return 1
    return 0


def _demo(bundles: list[Records], files: Path) -> None:
    # The proofs stay, because the command at the end of the report verifies one of them.
    shutil.rmtree(files / "proofs", ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(prefix="carevouch-demo-") as folder,
        local.local_cloud(Path(folder)) as cloud,
    ):
        report = tell_story(cloud, Path(folder), bundles, files=files)
    reports.tell(report, print)
    print("\nThe demo's cloud is stopped and its state is gone; `make run` keeps both.")


def _run(data: str | None) -> None:
    kept = local.STATE / "story.json"
    before = reports.remembered(kept)
    refuse_other_data(data, before)
    folder = choose_folder(data, SHARED_DATA)
    bundles = [] if before else read_folder(folder)
    port, strands = os.environ.get("PORT"), os.environ.get("STRANDS")
    cloud = local.start(port=local.port_of(port), strands=local.strands_of(strands))
    with left_running(cloud):
        if before:
            check_again(cloud, before, local.STATE)
            return
        report = tell_story(cloud, local.STATE, bundles)
        reports.keep(report, kept, folder)
    reports.tell(report, print)
    print(f"\nStill running: {cloud.base_url}")
    print("`make stop` stops it and keeps its state, `make clean` removes it")


def refuse_other_data(data: str | None, before: dict[str, Any] | None) -> None:
    """Raise `SetUpFault` if DATA= names another folder than that of the story in this state."""
    if data and before and before.get("data") != str(Path(data).resolve()):
        data_before = before.get("data") or "other records"
        raise SetUpFault(
            f"DATA={data} was not played, because the state here holds the story of {data_before}. "
            "Run `make clean` first, or leave DATA out to go on with the story that is here."
        )


@contextmanager
def left_running(cloud: Cloud) -> Iterator[None]:
    """End every fault in the block with a hint that a cloud still runs, and how to stop it."""
    words = f"The cloud is still running at {cloud.base_url}: `make stop` stops it, `make clean` starts over."
    try:
        yield
    except Surprise as surprise:
        raise Surprise(f"{surprise}\n{words}") from surprise
    except BaseException:
        print(words, file=sys.stderr)
        raise


def tell_story(
    cloud: Cloud, folder: Path, bundles: list[Records], *, files: Path | None = None
) -> StoryReport:
    """Play the whole story. Keys go to `folder`; genesis and proofs go to `files`, by default `folder` too.

    Raises `Surprise` if a scene has another result than expected.
    """
    began = time.monotonic()
    files = files or folder
    files.mkdir(parents=True, exist_ok=True)
    http = Http(cloud.base_url)
    keys = Keys(folder / "keys")
    operator = Operator(cloud, http, folder)
    vkey = Verifier(operator.genesis.origin, operator.genesis.log).vkey
    genesis = files / "genesis"
    genesis.write_text(operator.genesis_file)
    hospital = operator.admit("hospital", ["provider"], keys)
    insurer = operator.admit("insurer", ["payer"], keys)
    print("the operator admitted a hospital and an insurer")
    stage = Stage(hospital, insurer, keys, files / "proofs", print)
    patients = [records for records in bundles if records.patient]
    for records in bundles:
        if not records.patient:
            load_directory(stage, records)
    acts = [StoryAct(f"{party.name} admitted", party, reference_of(party)) for party in (hospital, insurer)]
    acts.append(register_contract(stage, patients))
    stories = []
    for number, records in enumerate(patients, 1):
        print(f"[{number}/{len(patients)}] patient {number}: {sum(records.counts().values())} resources")
        stories.append(play(stage, records, number))
    organisations = collected(acts, stage.proofs / "organisations")
    evidence = [*organisations, *(item for each in stories for item in each.evidence)]
    print(f"verifying {len(evidence)} proofs offline")
    verify(evidence, vkey, genesis)
    seconds = time.monotonic() - began
    return StoryReport(
        cloud.base_url,
        vkey,
        genesis,
        tuple(stories),
        seconds,
        http.calls,
        tuple(http.refusals),
        tuple(organisations),
    )


def register_contract(stage: Stage, patients: list[Records]) -> StoryAct:
    """Register the insurer's signed contract, in force this year, before the first claim."""
    codes = dict.fromkeys(code for records in patients for code in money.visit_codes(records.bundle))
    network = [reference_of(stage.hospital)]
    body = money.contract(reference_of(stage.insurer), network, list(codes), stage.insurer.key)
    registered = stage.insurer.expect(201, "POST", "/claims/contracts", body).json()
    print("the insurer registered its benefit contract")
    return StoryAct("contract registered", stage.insurer, str(registered["document"]))


def check_again(cloud: Cloud, before: dict[str, object], state: Path) -> None:
    """Read all records again with the kept keys, and verify every kept proof again."""
    print("the story was played on this state before; checking that all of it is still there")
    http, keys = Http(cloud.base_url), Keys(state / "keys")
    patients = before["patients"]
    assert isinstance(patients, list)  # noqa: S101 - our own file
    for number, kept in enumerate(patients, 1):
        client_id, key = keys.load(f"device-{number}")
        device = Party(f"device-{number}", http, client_id, key, "patient/*.cruds")
        count = len(pages(device, f"/fhir/Patient/{kept['patient']}/$everything"))
        had = sum(kept["shown"].values())
        if count < had:
            raise Surprise(f"patient {number} had {had} resources and now has {count}")
        print(f"  patient {number}: {count} resources, {had} of them from the story")
    evidence = reports.evidence_of(before)
    verify(evidence, str(before["vkey"]), Path(str(before["genesis"])))
    print(f"  {len(evidence)} proofs verified again")
    print(f"running: {cloud.base_url} (`make clean` starts over)")


if __name__ == "__main__":
    sys.exit(explained(main))
