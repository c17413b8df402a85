"""Each mend of MiniStack in `infra/server.py` works, changes no other behaviour, and agrees with the
template."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.server import KEPT, WINDOW_SECONDS, matching, shared, single, windowed
from services.sealer.invocation import FULL_INBOX, FULL_STREAM
from tests.contract.template import resources


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("sqs:SendMessageBatch", "sqs:SendMessage"),
        ("sqs:ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"),
        ("sqs:SendMessage", "sqs:SendMessage"),
        ("dynamodb:BatchGetItem", "dynamodb:BatchGetItem"),
        ("ecr:BatchGetImageBatch", "ecr:BatchGetImageBatch"),
        (None, None),
    ],
)
def test_a_batch_of_messages_needs_what_one_message_needs(theirs: str | None, ours: str | None) -> None:
    assert single(lambda service: theirs)("sqs") == ours


@pytest.mark.parametrize(
    ("said", "types", "binary"),
    [
        (None, ["*/*"], True),
        ("text/html", ["*/*"], True),
        (None, [], False),
        ("image/png", ["image/png"], True),
    ],
)
def test_any_type_is_also_a_missing_one(said: str | None, types: list[str], binary: bool) -> None:
    assert matching(lambda media, binary_types: media in binary_types)(said, types) is binary


def test_a_stream_is_looked_at_once_a_window_while_it_brings_something() -> None:
    times: Iterator[float] = iter([0.0, 0.5, 0.999, 1.0, 1.5, 2.5])
    looks: list[bool] = []

    def theirs() -> bool:
        looks.append(len(looks) < 2)
        return looks[-1]

    poll = windowed(theirs, lambda: next(times))
    # The third look finds nothing, so that the next one need not wait.
    assert [poll() for _ in range(6)] == [True, False, False, True, False, False]
    assert looks == [True, True, False]


def test_an_idle_stream_does_not_wait_for_its_window() -> None:
    times, found = iter([0.0, 0.1, 0.2]), iter([False, False, True])
    poll = windowed(lambda: next(found), lambda: next(times))
    assert [poll() for _ in range(3)] == [False, False, True]


def test_a_zip_is_unpacked_once_for_all_that_start_with_it(tmp_path: Path) -> None:
    home = tmp_path / "unpacked"
    # Of two clouds, one after the other.
    unpack, again = shared(home, zipfile), shared(home, zipfile)
    codes = [_started(tmp_path, text, by) for text, by in (("1", unpack), ("1", again), ("2", again))]
    assert [(code / "handler.py").read_text() for code in codes] == ["1", "1", "2"]
    assert codes[0].resolve() == codes[1].resolve() != codes[2].resolve()
    # A process that ends takes its own folder with it, and leaves the code to the others.
    shutil.rmtree(codes[0].parent)
    assert (codes[1] / "handler.py").exists()
    assert unpack.BadZipFile is zipfile.BadZipFile


def test_code_of_before_is_forgotten_and_code_that_is_started_stays(tmp_path: Path) -> None:
    home = tmp_path / "unpacked"
    unpack = shared(home, zipfile)
    code = _started(tmp_path, "kept", unpack).resolve()
    for number in range(KEPT + 3):
        _started(tmp_path, f"changed {number}", unpack)
        assert _started(tmp_path, "kept", unpack).resolve() == code
    assert len(list(home.iterdir())) == KEPT


def test_an_unpacking_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    home = tmp_path / "unpacked"
    whole = _started(tmp_path, "1", shared(home, zipfile)).resolve()
    half = whole.rename(whole.with_suffix(".part"))
    (half / "handler.py").write_text("ha")
    code = _started(tmp_path, "1", shared(home, zipfile))
    assert (code / "handler.py").read_text() == "1"
    assert list(home.iterdir()) == [whole]


def _started(base: Path, text: str, unpack: Any) -> Path:
    """Where MiniStack has the code of a process that it starts."""
    folder = Path(tempfile.mkdtemp(dir=base))
    (folder / "code").mkdir()
    with zipfile.ZipFile(folder / "code.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("handler.py"), text)
    with unpack.ZipFile(folder / "code.zip") as archive:
        archive.extractall(folder / "code")
    return folder / "code"


def test_the_window_and_the_full_batches_are_the_template_s() -> None:
    """The sealer tells by a batch's length whether more comes behind it."""
    mappings = dict(resources("AWS::Lambda::EventSourceMapping"))
    stream, inbox = (mappings[f"SealerFunction{name}"] for name in ("Written", "Forwarded"))
    assert stream["MaximumBatchingWindowInSeconds"] == WINDOW_SECONDS
    assert (stream["BatchSize"], inbox["BatchSize"]) == (FULL_STREAM, FULL_INBOX)
