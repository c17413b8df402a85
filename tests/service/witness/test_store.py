"""The promises of a witness's store, kept alike by the fake, by moto, by the local cloud, and by a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from carevouch.cli.witness.files import WitnessFiles
from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import Conflict, Malformed
from carevouch.store.log.rows import DynamoLedger
from carevouch.store.log.signers import software_key
from carevouch.witness.request import State, origin_hash
from carevouch.witness.witness import Progress, StateMoved, WitnessStore
from services.witness.store import DynamoWitness
from tests.aws import client
from tests.fakes import MemoryWrapper
from tests.service.store.test_log_rows import LEDGER, LOCAL_CLOUD, aws, opened
from tests.service.witness.memory_witness import MemoryWitness

__all__ = ["aws"]
ORIGIN, OTHER = "log.example/super", "other.example/log"
FIRST, SECOND = State(3, sha256(b"three")), State(9, sha256(b"nine"))


@pytest.fixture(params=["memory", "folder", "moto", LOCAL_CLOUD])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WitnessStore]:
    if request.param == "memory":
        yield MemoryWitness()
    elif request.param == "folder":
        with WitnessFiles(tmp_path / "state") as files:
            yield files
    else:
        suffix = opened(request)
        yield DynamoWitness(client("dynamodb"), LEDGER + suffix)


def test_a_log_never_cosigned_has_the_empty_state(store: WitnessStore) -> None:
    assert store.read(ORIGIN) == State()
    assert store.audited(ORIGIN) == Progress()
    assert store.kept(origin_hash(ORIGIN)) is None


def test_a_state_reads_back_as_it_was_swapped_and_logs_are_apart(store: WitnessStore) -> None:
    store.swap(ORIGIN, State(), FIRST)
    store.swap(ORIGIN, FIRST, SECOND)
    assert (store.read(ORIGIN), store.read(OTHER)) == (SECOND, State())


@pytest.mark.parametrize(
    "before", [State(), SECOND, State(3, sha256(b"another")), State(2, FIRST.root), State(4, FIRST.root)]
)
def test_a_swap_from_anything_but_the_state_writes_nothing(store: WitnessStore, before: State) -> None:
    store.swap(ORIGIN, State(), FIRST)
    with pytest.raises(StateMoved):
        store.swap(ORIGIN, before, SECOND)
    assert store.read(ORIGIN) == FIRST


def test_a_first_swap_needs_the_empty_state(store: WitnessStore) -> None:
    with pytest.raises(StateMoved):
        store.swap(ORIGIN, FIRST, SECOND)
    store.swap(ORIGIN, State(), State())
    store.swap(ORIGIN, State(), FIRST)
    assert store.read(ORIGIN) == FIRST


def test_the_same_state_may_be_swapped_for_itself(store: WitnessStore) -> None:
    store.swap(ORIGIN, State(), FIRST)
    store.swap(ORIGIN, FIRST, FIRST)
    assert store.read(ORIGIN) == FIRST


def test_a_kept_checkpoint_gives_way_to_a_larger_one_and_to_no_smaller(store: WitnessStore) -> None:
    for size, shown in ((3, 3), (9, 9), (4, 9), (9, 9)):
        store.keep(ORIGIN, size, b"%s\n%d\nroot\n" % (ORIGIN.encode(), size))
        assert (store.kept(origin_hash(ORIGIN)) or b"").split(b"\n")[1] == b"%d" % shown
    store.keep(ORIGIN, 9, b"origin\n9\nroot, with more signatures\n")
    assert b"more signatures" in (store.kept(origin_hash(ORIGIN)) or b"")


def test_progress_is_replaced_exactly(store: WitnessStore) -> None:
    store.advance(ORIGIN, Progress(), b'{"first":1}')
    first = store.audited(ORIGIN)
    assert first == Progress(b'{"first":1}', 1)
    store.advance(ORIGIN, first, b"second\nline")
    for stale in (Progress(), first):
        with pytest.raises(StateMoved):
            store.advance(ORIGIN, stale, b"third")
    assert store.audited(ORIGIN) == Progress(b"second\nline", 2)
    assert store.read(ORIGIN) == State()


def test_wrapped_keys_lie_in_the_same_table(aws: None) -> None:
    table = DynamoLedger(client("dynamodb"), LEDGER)
    keys = [
        software_key(table, MemoryWrapper(), lambda n: sha256(b"seed")[:n], "witness-key") for _ in range(2)
    ]
    assert keys[0].public == keys[1].public
    store = DynamoWitness(client("dynamodb"), LEDGER)
    store.swap(ORIGIN, State(), FIRST)
    assert store.read(ORIGIN) == FIRST


# --- the folder


def test_a_folder_is_held_by_one_witness_at_a_time(tmp_path: Path) -> None:
    with WitnessFiles(tmp_path), pytest.raises(Conflict, match="in use"):
        WitnessFiles(tmp_path)
    with WitnessFiles(tmp_path) as again:
        assert again.read(ORIGIN) == State()


def test_a_folder_remembers_what_an_earlier_process_cosigned(tmp_path: Path) -> None:
    with WitnessFiles(tmp_path) as files:
        files.swap(ORIGIN, State(), FIRST)
    with WitnessFiles(tmp_path) as files:
        assert files.read(ORIGIN) == FIRST


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"size":-1,"root":""}', b'{"size":true,"root":"AA"}']
)
def test_a_spoilt_state_is_never_taken_for_an_empty_one(content: bytes, tmp_path: Path) -> None:
    with WitnessFiles(tmp_path) as files:
        files.swap(ORIGIN, State(), FIRST)
        (tmp_path / f"{origin_hash(ORIGIN)}.state").write_bytes(content)
        with pytest.raises(Malformed):
            files.read(ORIGIN)


def test_a_crash_between_write_and_rename_leaves_the_old_state(tmp_path: Path) -> None:
    with WitnessFiles(tmp_path) as files:
        files.swap(ORIGIN, State(), FIRST)
        (tmp_path / f"{origin_hash(ORIGIN)}.state.new").write_bytes(b"half a st")
    with WitnessFiles(tmp_path) as files:
        assert files.read(ORIGIN) == FIRST
        files.swap(ORIGIN, FIRST, SECOND)
        assert files.read(ORIGIN) == SECOND
