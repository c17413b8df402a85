"""What `infra/server.py` mends of MiniStack is mended, changes nothing else, and agrees with the template."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.server import WINDOW_SECONDS, matching, shared, single, windowed
from services.ledger.handlers import FULL_INBOX, FULL_STREAM
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


def test_a_zip_is_unpacked_once_for_all_that_start_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "server"))
    unpack = shared(zipfile)
    for number, text in enumerate(("first", "first", "second")):
        folder = tmp_path / f"function-{number}"
        (folder / "code").mkdir(parents=True)
        with zipfile.ZipFile(folder / "code.zip", "w") as archive:
            archive.writestr(zipfile.ZipInfo("handler.py"), text)
        with unpack.ZipFile(folder / "code.zip") as archive:
            archive.extractall(folder / "code")
        assert (folder / "code" / "handler.py").read_text() == text
    homes = [(tmp_path / f"function-{number}" / "code").resolve() for number in range(3)]
    assert homes[0] == homes[1] != homes[2]
    # A process that ends takes its own folder with it, and leaves the code to the others.
    shutil.rmtree(tmp_path / "function-0")
    assert (homes[0] / "handler.py").exists()
    assert unpack.BadZipFile is zipfile.BadZipFile


def test_the_window_and_the_full_batches_are_the_template_s() -> None:
    """The sealer tells by a batch's length whether more comes behind it."""
    mappings = dict(resources("AWS::Lambda::EventSourceMapping"))
    stream, inbox = (mappings[f"SealerFunction{name}"] for name in ("Written", "Forwarded"))
    assert stream["MaximumBatchingWindowInSeconds"] == WINDOW_SECONDS
    assert (stream["BatchSize"], inbox["BatchSize"]) == (FULL_STREAM, FULL_INBOX)
