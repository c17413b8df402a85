"""Progress is for people at a terminal: it says how far, and is silent for everybody else."""

import io

import pytest

from carevouch.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_sees_how_far_it_is_and_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    show = progress("strand 0", "entries")
    for done in range(256, 10_241, 256):
        show(done, 10_240)
    said = terminal.getvalue()
    assert said.startswith("\rstrand 0: 256 of 10240 entries")
    assert said.endswith("\rstrand 0: 10240 of 10240 entries\n")
    assert said.count("\n") == 1


def test_a_program_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress("strand 0", "entries")(1, 1)
    assert capsys.readouterr().err == ""
