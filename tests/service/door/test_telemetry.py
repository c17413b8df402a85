"""Metrics of one door or worker never show in the lines of another in the same process."""

import json

import pytest

from carevouch.door.telemetry import EmfTell


def test_two_workers_in_one_process_write_only_their_own_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    sealer, witness = EmfTell("sealer"), EmfTell("witness")
    sealer.count("Sealed", 3)
    witness.count("Cosigned", 5)
    sealer.flush()
    (line,) = capsys.readouterr().out.splitlines()
    written = json.loads(line)
    assert (written["service"], written["Sealed"], "Cosigned" in written) == ("sealer", [3.0], False)
    witness.flush()
    witness.flush()
    (line,) = capsys.readouterr().out.splitlines()
    written = json.loads(line)
    assert (written["service"], written["Cosigned"], "Sealed" in written) == ("witness", [5.0], False)
