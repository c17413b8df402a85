"""The auditing cosigner behind a witness: bounded, stored by compare-and-swap, and silent about no fault."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from carevouch.kernel.encoding import sha256
from carevouch.kernel.errors import Unreachable
from carevouch.ledger.checkpoint import Checkpoint, strand_origin
from carevouch.ledger.merkle import consistency_proof
from carevouch.ledger.note import open_note
from carevouch.witness.auditor import Cosigner
from carevouch.witness.request import CheckpointRequest, Refusal, State, render_request
from carevouch.witness.watch import Read, parse_watch
from carevouch.witness.witness import Progress, WatchedLog, Witness, WitnessAnswer
from tests.fakes import Crash, Faults
from tests.service.sealer.fakes import Cloud
from tests.service.witness.memory_witness import MemoryWitness, Stand, signer, watched
from tests.unit.ledger.logs import MemoryLog, numbered
from tests.unit.ledger.witnesses import TIME
from tests.unit.sealing.acts import House, Producer
from tests.unit.verifier.deployments import ORIGIN, SUPER_ORIGIN, Deployed, deployed


def steps(count: int) -> Callable[[], Callable[[], bool]]:
    def spell() -> Callable[[], bool]:
        left: Iterator[int] = iter(range(count))
        return lambda: next(left, None) is None

    return spell


def audited(stand: Stand, count: int = 10_000, open_: Callable[[str], Read] | None = None) -> Witness:
    cosigner = Cosigner(stand.store, stand.told, steps(count), open_ or (lambda _: stand.made.read))
    return stand.witness(cosigner)


def ask(stand: Stand, witness: Witness) -> WitnessAnswer:
    return witness.add_checkpoint(stand.request(stand.state.size))


def catch_up(stand: Stand) -> None:
    while ask(stand, audited(stand, 2)).status == 503:
        pass


def test_honest_growth_is_followed_and_then_cosigned() -> None:
    stand = Stand(deployed())
    witness = audited(stand)
    assert ask(stand, witness).status == 200
    stand.made.grow(1, 40)
    answer = ask(stand, witness)
    assert len(open_note(stand.made.note + answer.body.encode(), signer().keys).lines) == 2
    watch = parse_watch(stand.store.audited(SUPER_ORIGIN).data or b"")
    assert watch.strand(1) == stand.made.strands[1].edge
    assert stand.told.errors == []


def test_an_audit_that_is_behind_says_so_until_it_caught_up() -> None:
    stand = Stand(deployed(rounds=5))
    witness = audited(stand, 2)
    answers = [ask(stand, witness)]
    while answers[-1].status == 503:
        assert stand.state == State(), "nothing is cosigned half-way"
        answers.append(ask(stand, witness))
    assert [answer.status for answer in answers[-2:]] == [503, 200]
    assert answers[0].headers["Retry-After"] == "2"
    assert len(answers) > 5


def shrink(made: Deployed) -> None:
    log = MemoryLog()
    log.append(numbered(0, 2))
    made.name(0, log.edge)


def fork(made: Deployed) -> None:
    made.state(Checkpoint(strand_origin(ORIGIN, 1), made.strands[1].edge.size, sha256(b"fork")))


def rewrite(made: Deployed) -> None:
    log = MemoryLog()
    log.append([b"another history", *numbered(1, made.strands[2].edge.size)])
    made.strands[2] = log
    made.name(2, log.edge)


def hide(made: Deployed) -> None:
    made.grow(0, 300)
    made.hidden.update(path for path in made.files if path.startswith("0/tile/entries/"))


@pytest.mark.parametrize(
    ("spoil", "code"), [(shrink, "shrunk"), (fork, "fork"), (rewrite, "root"), (hide, "missing")]
)
def test_a_fault_is_not_cosigned_but_named_and_counted(spoil: Callable[[Deployed], None], code: str) -> None:
    stand = Stand(deployed())
    witness = audited(stand)
    assert ask(stand, witness).status == 200
    known = stand.state
    spoil(stand.made)
    for times in (1, 2):
        answer = ask(stand, witness)
        assert answer.status == 422
        assert answer.body.startswith(f"{code}: ")
        assert stand.told.counts["AuditFaults"] == times
    assert stand.told.errors[0][1]["finding"] == code
    assert stand.state == known
    assert ask(stand, stand.witness()).status == 200, "a witness that does not look would have signed"


def test_files_that_come_back_are_forgiven_and_a_fault_that_was_signed_is_not() -> None:
    stand = Stand(deployed())
    witness = audited(stand)
    hide(stand.made)
    assert ask(stand, witness).status == 422
    stand.made.hidden.clear()
    assert ask(stand, witness).status == 200
    shrink(stand.made)
    assert ask(stand, witness).status == 422
    stand.made.grow(0, 5)
    assert ask(stand, witness).status == 422


def test_a_log_that_cannot_be_reached_is_no_fault() -> None:
    stand = Stand(deployed())

    def down(_: Sequence[str]) -> list[bytes | None]:
        raise Unreachable("the log does not answer")

    answer = ask(stand, audited(stand, open_=lambda _: down))
    assert (answer.status, stand.told.counts.get("AuditFaults")) == (503, None)
    assert stand.state == State()


def test_a_log_that_is_not_to_be_audited_is_not_read() -> None:
    stand = Stand(deployed())
    cosigner = Cosigner(stand.store, stand.told, steps(1), lambda _: stand.made.read)
    assert cosigner(watched(), stand.made.checkpoint) is None
    assert stand.made.asked == []


@pytest.mark.parametrize("what", ["lost", "dropped"])
def test_progress_that_may_not_be_stored_costs_a_second_look_and_no_more(what: str) -> None:
    stand = Stand(deployed(), MemoryWitness(Faults({1: what})))
    assert ask(stand, audited(stand)).status == 200
    assert stand.told.counts["AuditsRepeated"] == 1
    stand.made.grow(0, 7)
    assert ask(stand, audited(stand)).status == 200


def test_two_audits_that_meet_end_with_one_progress() -> None:
    stand = Stand(deployed())
    inner = Cosigner(stand.store, stand.told, steps(3), lambda _: stand.made.read)
    log = watched(audit=True)
    met: list[Refusal | None] = []

    def read(paths: Sequence[str]) -> list[bytes | None]:
        if not met:
            met.append(inner(log, stand.made.checkpoint))
        return stand.made.read(paths)

    outer = Cosigner(stand.store, stand.told, steps(10_000), lambda _: read)
    assert outer(log, stand.made.checkpoint) is None
    assert (met[0] or Refusal(0, "")).status == 503
    assert stand.store.audited(SUPER_ORIGIN).version == 1
    assert stand.told.counts["AuditsRepeated"] == 1
    assert outer(log, stand.made.checkpoint) is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_audit_that_dies_goes_on_from_what_was_stored(when: str) -> None:
    stand = Stand(deployed(), MemoryWitness(Faults({2: when})))
    with pytest.raises(Crash):
        catch_up(stand)
    catch_up(stand)
    assert stand.state.size == stand.made.checkpoint.size


def test_a_spoilt_progress_stops_the_audit_and_forgives_nothing() -> None:
    stand = Stand(deployed())
    stand.store.audits[SUPER_ORIGIN] = Progress(b"{}", 1)
    with pytest.raises(Exception, match="state of the audit"):
        ask(stand, audited(stand))
    assert stand.state == State()


def test_what_the_sealers_publish_is_followed_as_it_is() -> None:
    """The product's own strands and super-log, several seals and publications, under the same watch."""
    cloud = Cloud(House(strands=3))
    producer = Producer(cloud.house, spread=True)
    store, told = MemoryWitness(), Stand().told
    keys, origin = cloud.house.logs.keys, cloud.house.genesis.origin
    log = WatchedLog(
        f"{origin}/super", (keys.verifier(f"{origin}/super"),), "https://log.example", audit=True
    )
    files = cloud.objects.files
    cosigner = Cosigner(
        store, told, steps(10_000), lambda _: lambda paths: [files.get(path) for path in paths]
    )
    witness = Witness([log], store, signer(), lambda: TIME, told, cosigner)
    old = 0
    for batch in range(4):
        made = [cloud.act(producer, batch * 12 + at) for at in range(12)]
        for strand in range(3):
            cloud.sealer(strand).seal(made)
            cloud.sealer(strand).publish()
        cloud.above().append(range(3))
        cloud.above().publish()
        note = files["super/checkpoint"]
        reader = cloud.above()._log.reader
        size = keys.open(note, log.origin).size
        proof = tuple(consistency_proof(reader(size), old, size))
        assert witness.add_checkpoint(render_request(CheckpointRequest(old, proof, note))).status == 200
        old = size
    watch = parse_watch(store.audited(log.origin).data or b"")
    assert {number: edge.root() for number, edge in watch.strands.items()} == {
        number: cloud.library().published(number).checkpoint.root for number in range(3)
    }
