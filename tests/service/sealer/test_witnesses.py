"""The log asks its witnesses over real HTTP: real witnesses, and all kinds of bad ones."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest
from botocore.exceptions import ClientError

from carevouch.cli.witness.serve import WitnessServer
from carevouch.kernel.encoding import b64, sha256
from carevouch.kernel.errors import Malformed, Unreachable
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.note import MAX_SIGNATURES, NoteFault, SignatureLine, parse_note
from carevouch.ledger.policy import Policy, evaluate, parse_policy
from carevouch.ledger.tiles import TileFault, TileReader
from carevouch.remote.http import PostAnswer
from carevouch.witness.request import SIZE, Refusal
from carevouch.witness.witness import WatchedLog, Witness
from services.sealer import witnesses as clients
from services.sealer.quarantine import WORLD
from services.sealer.witnesses import QuorumMissing, Witnesses
from tests.service.sealer.fakes import Cloud
from tests.service.sealer.memory_sealer import TellRecorder
from tests.service.witness.memory_witness import MemoryWitness, signer, watched
from tests.unit.ledger.witnesses import TIME, key_name, line, mldsa_vkey, vkey
from tests.unit.sealing.acts import House, Producer
from tests.unit.verifier.deployments import SIGNER, SUPER_KEY, SUPER_ORIGIN, Deployed

NAMES = ("w1", "w2", "w3")
EVERYWHERE = {name: f"https://{name}.example" for name in NAMES}


@dataclass
class Town:
    """Some witnesses behind HTTP and a log that grows."""

    made: Deployed = field(default_factory=Deployed)
    tell: TellRecorder = field(default_factory=TellRecorder)
    stores: dict[str, MemoryWitness] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)

    def policy(self, needs: str = "2", urls: dict[str, str] | None = None) -> Policy:
        """Both keys of each witness; a group of the groups."""
        at, lines = urls or self.urls, [f"log {SUPER_KEY.vkey}"]
        for name in NAMES:
            lines.append(f"witness {name} {vkey(name)} {at.get(name, '')}")
            lines.append(f"witness {name}/mldsa {mldsa_vkey(name)} {at.get(name, '')}")
            lines.append(f"group {name}/any any {name} {name}/mldsa")
        lines += [f"group all {needs} {' '.join(f'{name}/any' for name in NAMES)}", "quorum all"]
        return parse_policy("\n".join(lines).encode())

    def client(self, needs: str = "2", **more: object) -> Witnesses:
        return Witnesses(self.policy(needs, **more), [SUPER_KEY], self.reader, self.tell)  # type: ignore[arg-type]

    def reader(self, size: int) -> TileReader:
        return self.made.above.reader(size)


@contextmanager
def served(witness: Witness) -> Iterator[str]:
    """A witness at a free port of this machine."""
    with WitnessServer(witness) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def town() -> Iterator[Town]:
    made = Town()
    with ExitStack() as stack:
        for name in NAMES:
            store = made.stores[name] = MemoryWitness()
            witness = Witness([watched()], store, signer(name), lambda: TIME, made.tell)
            made.urls[name] = stack.enter_context(served(witness))
        yield made


def names_of(note: bytes) -> list[str]:
    return [one.name for one in parse_note(note).lines]


def test_witnesses_cosign_one_checkpoint_after_the_other_in_the_order_of_the_policy(town: Town) -> None:
    client = town.client("all")
    for _ in range(3):
        town.made.grow(0, 2)
        note = client(town.made.checkpoint, town.made.note)
        assert names_of(note) == [SUPER_ORIGIN, *(key_name(name) for name in NAMES for _ in range(2))]
        assert evaluate(town.policy("all"), note).met
    assert town.tell.errors == []


def test_a_client_that_knows_nothing_asks_once_more_from_the_size_it_is_told(town: Town) -> None:
    town.made.grow(0, 2)
    town.client()(town.made.checkpoint, town.made.note)
    town.made.grow(0, 2)
    note = town.client("all")(town.made.checkpoint, town.made.note)
    assert len(names_of(note)) == 7
    assert town.client("all")(town.made.checkpoint, town.made.note), "the same again is cosigned again"


def test_a_dead_witness_costs_its_lines_and_not_the_quorum(town: Town) -> None:
    town.made.grow(0, 2)
    with served(Witness([], MemoryWitness(), signer(), lambda: TIME, town.tell)) as gone:
        pass
    note = town.client(urls={**town.urls, "w2": gone})(town.made.checkpoint, town.made.note)
    assert key_name("w2") not in names_of(note)
    assert town.tell.counts["WitnessLinesMissing"] == 2
    assert town.tell.errors[0][1]["witness"] == gone


def test_below_the_quorum_nothing_may_be_published(town: Town) -> None:
    town.made.grow(0, 2)
    stranger = Witness([], MemoryWitness(), signer(), lambda: TIME, town.tell)
    with served(stranger) as url, pytest.raises(QuorumMissing, match="all has 1 of the 2") as caught:
        town.client(urls={**town.urls, "w2": url, "w3": url})(town.made.checkpoint, town.made.note)
    assert isinstance(caught.value, WORLD)
    assert [one.witness for one in caught.value.witnessed.by] == ["w1", "w1/mldsa"]
    assert town.tell.counts["QuorumMissing"] == 1


def test_a_fork_gets_no_cosignature_and_the_log_is_told_that_its_quorum_is_missing(town: Town) -> None:
    town.made.grow(0, 2)
    client = town.client("1")
    client(town.made.checkpoint, town.made.note)
    fork = Checkpoint(SUPER_ORIGIN, 1, sha256(b"another history"))
    with pytest.raises(QuorumMissing):
        client(fork, SIGNER.sign(fork))


def test_an_audit_that_is_behind_is_a_quorum_that_is_missing_for_now() -> None:
    made = Town()
    made.made.grow(0, 2)
    answers = iter([Refusal(503, "come again\n"), None])
    witness = Witness(
        [watched(audit=True)], MemoryWitness(), signer(), lambda: TIME, made.tell, lambda *_: next(answers)
    )
    with served(witness) as url:
        client = made.client("1", urls={"w1": url})
        with pytest.raises(QuorumMissing):
            client(made.made.checkpoint, made.made.note)
        assert client(made.made.checkpoint, made.made.note)


# --- bad answers


def asked(made: Town, answer: Callable[[str, bytes], PostAnswer], needs: str = "1") -> bytes:
    client = Witnesses(made.policy(needs, EVERYWHERE), [SUPER_KEY], made.reader, made.tell, answer)
    return client(made.made.checkpoint, made.made.note)


def one_entry() -> Town:
    made = Town()
    made.made.grow(0, 1)
    return made


def cosignature(made: Town, name: str) -> SignatureLine:
    return line(name, TIME, made.made.checkpoint.text)


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "\n\n\n",
        "not a line\n",
        "\N{EM DASH} w1.example AAAA\n",
        "\N{EM DASH} w1.example " + b64(bytes(76)) + "\n",
        "\N{EM DASH} stranger.example " + b64(bytes(76)) + "\n",
        "\x00\x01\n",
        "\N{EM DASH} log.example/super " + b64(bytes(68)) + "\n",
    ],
)
def test_bad_and_unknown_lines_are_passed_over_and_good_ones_beside_them_count(junk: str) -> None:
    made = one_entry()

    def answer(url: str, _: bytes) -> PostAnswer:
        name = url.split("/")[2].split(".")[0]
        return PostAnswer(200, "text/plain", f"{junk}{cosignature(made, name).text}{junk}".encode())

    assert names_of(asked(made, answer, "all")) == [SUPER_ORIGIN, *map(key_name, NAMES)]


def test_a_witness_cannot_bring_the_lines_of_another() -> None:
    made = one_entry()
    with pytest.raises(QuorumMissing, match="has 1 of the 2"):
        asked(made, lambda *_: PostAnswer(200, "", cosignature(made, "w1").text.encode()), "2")


def test_a_cosignature_of_another_checkpoint_is_none() -> None:
    made = one_entry()
    with pytest.raises(QuorumMissing):
        asked(made, lambda *_: PostAnswer(200, "", line("w1").text.encode()))


@pytest.mark.parametrize(
    "answer",
    [
        PostAnswer(500, "text/html", b"<html>"),
        PostAnswer(302, "", b""),
        PostAnswer(404, "", b""),
        PostAnswer(200, "", b"\xff\xfe"),
        PostAnswer(409, SIZE, b"1"),
        PostAnswer(409, SIZE, b"2\n"),
        PostAnswer(409, SIZE, b"-1\n"),
        PostAnswer(409, SIZE, b"01\n"),
        PostAnswer(409, SIZE, b"9" * 30 + b"\n"),
        PostAnswer(409, "text/plain", b"1\n"),
    ],
)
def test_no_answer_does_more_harm_than_none(answer: PostAnswer) -> None:
    made, calls = one_entry(), []

    def post(url: str, _: bytes) -> PostAnswer:
        calls.append(url)
        return answer

    with pytest.raises(QuorumMissing):
        asked(made, post)
    assert len(calls) <= 2 * len(NAMES), "a witness is asked twice at most"


@pytest.mark.parametrize("lies", [1, 2])
def test_a_witness_that_named_a_size_beyond_the_log_is_asked_again_the_next_time(lies: int) -> None:
    made = one_entry()
    sizes = iter([b"0\n"] * (lies - 1) + [b"999999\n"])

    def answer(url: str, _: bytes) -> PostAnswer:
        if "w1" not in url:
            return PostAnswer(500, "", b"")
        size = next(sizes, None)
        good = PostAnswer(200, "", cosignature(made, "w1").text.encode())
        return good if size is None else PostAnswer(409, SIZE, size)

    client = Witnesses(made.policy("1", EVERYWHERE), [SUPER_KEY], made.reader, made.tell, answer)
    with pytest.raises(QuorumMissing):
        client(made.made.checkpoint, made.made.note)
    assert names_of(client(made.made.checkpoint, made.made.note)) == [SUPER_ORIGIN, key_name("w1")]


def test_a_witness_that_cosigned_more_than_is_asked_for_now_is_asked_all_the_same() -> None:
    made = one_entry()
    older, note = made.made.checkpoint, made.made.note
    bodies: list[bytes] = []

    def answer(_: str, body: bytes) -> PostAnswer:
        bodies.append(body)
        return PostAnswer(200, "", b"")

    client = Witnesses(made.policy("1", EVERYWHERE), [SUPER_KEY], made.reader, made.tell, answer)
    made.made.grow(0, 1)
    for checkpoint, signed in ((made.made.checkpoint, made.made.note), (older, note)):
        with pytest.raises(QuorumMissing):
            client(checkpoint, signed)
    assert len(bodies) == 2 * len(NAMES)
    assert all(body.startswith(b"old 0\n") for body in bodies)


@pytest.mark.parametrize(
    "fault",
    [
        TileFault("tile/0/000.p/1 of log super is missing"),
        ClientError({"Error": {"Code": "SlowDown"}}, "Get"),
    ],
    ids=["a tile that is missing", "a store that is busy"],
)
def test_a_proof_that_cannot_be_made_for_one_witness_costs_its_lines_alone(fault: Exception) -> None:
    made, calls = one_entry(), count()

    def reader(size: int) -> TileReader:
        if next(calls) == 0:
            raise fault
        return made.reader(size)

    def answer(url: str, _: bytes) -> PostAnswer:
        name = url.split("/")[2].split(".")[0]
        return PostAnswer(200, "text/plain", cosignature(made, name).text.encode())

    client = Witnesses(made.policy("2", EVERYWHERE), [SUPER_KEY], reader, made.tell, answer)
    note = client(made.made.checkpoint, made.made.note)
    assert len(names_of(note)) == 3, "the log's line, and those of the two others"
    ((what, facts),) = made.tell.errors
    assert what == "a witness could not be asked"
    assert facts["because"] in (str(fault), type(fault).__name__)
    assert made.tell.counts.get("LedgerFaults", 0) == isinstance(fault, TileFault)


def test_no_connection_is_no_answer() -> None:
    def post(_: str, __: bytes) -> PostAnswer:
        raise Unreachable("nobody there")

    with pytest.raises(QuorumMissing):
        asked(one_entry(), post)


def test_once_the_quorum_is_met_the_others_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "GRACE_SECONDS", 0.01)
    made, released = one_entry(), threading.Event()

    def post(url: str, _: bytes) -> PostAnswer:
        if "w3" in url:
            released.wait(30)
            raise Unreachable("late")
        name = url.split("/")[2].split(".")[0]
        return PostAnswer(200, "", cosignature(made, name).text.encode())

    try:
        note = asked(made, post, "2")
    finally:
        released.set()
    assert names_of(note)[1:] == [key_name("w1"), key_name("w2")]
    assert made.tell.errors[0] == ("witnesses do not answer", {"witnesses": "https://w3.example"})


def test_a_checkpoint_that_the_log_did_not_sign_is_never_handed_on() -> None:
    made = one_entry()
    other = Checkpoint(SUPER_ORIGIN, 1, sha256(b"root"))
    client = Witnesses(
        made.policy("1", {"w1": "https://w1.example"}),
        [SUPER_KEY],
        made.reader,
        made.tell,
        lambda *_: PostAnswer(500, "", b""),
    )
    text = SIGNER.sign(other).replace(b64(other.root).encode(), b64(sha256(b"changed")).encode())
    with pytest.raises(NoteFault):
        client(other, text)


def test_a_policy_that_asks_for_nobody_is_met_by_nobody() -> None:
    made = one_entry()
    client = Witnesses(parse_policy(b"quorum none\n"), [SUPER_KEY], made.reader, made.tell)
    assert client(made.made.checkpoint, made.made.note) == made.made.note


def test_an_address_that_is_none_is_refused_before_anybody_is_asked() -> None:
    made = one_entry()
    for url in ("file:///etc/hosts", "ftp://w1.example", "https://", "w1.example"):
        with pytest.raises(Malformed, match="address"):
            Witnesses(made.policy("1", {"w1": url}), [SUPER_KEY], made.reader, made.tell)


def test_no_more_lines_are_added_than_a_note_may_have() -> None:
    made, many = one_entry(), [f"many-{n}" for n in range(MAX_SIGNATURES + 5)]
    lines = [f"witness {name} {vkey(name)} https://{name}.example" for name in many]
    policy = parse_policy("\n".join((*lines, "quorum none")).encode())

    def post(url: str, _: bytes) -> PostAnswer:
        return PostAnswer(200, "", cosignature(made, url.split("/")[2].split(".")[0]).text.encode())

    client = Witnesses(policy, [SUPER_KEY], made.reader, made.tell, post)
    assert 1 < len(names_of(client(made.made.checkpoint, made.made.note))) <= MAX_SIGNATURES


# --- the product's own super-log


def test_the_super_log_publishes_what_its_witnesses_cosigned_and_else_the_old_one_stays() -> None:
    cloud, told = Cloud(House(strands=2)), TellRecorder()
    origin = f"{cloud.house.genesis.origin}/super"
    key = cloud.house.logs.keys.verifier(origin)
    producer = Producer(cloud.house, spread=True)

    def grow(batch: int) -> None:
        rows = [cloud.act(producer, batch * 4 + at) for at in range(4)]
        for strand in range(2):
            cloud.sealer(strand).seal(rows)
            cloud.sealer(strand).publish()
        cloud.above().append(range(2))

    witness = Witness([WatchedLog(origin, (key,))], MemoryWitness(), signer(), lambda: TIME, told)
    with served(witness) as url:
        policy = parse_policy(f"log {key.vkey}\nwitness w1 {vkey('w1')} {url}\nquorum w1\n".encode())
        cosign = Witnesses(policy, [key], cloud.above()._log.reader, told)
        for batch in range(3):
            grow(batch)
            cloud.above(cosign).publish()
            assert evaluate(policy, cloud.objects.files["super/checkpoint"]).met
    published = cloud.objects.files["super/checkpoint"]
    grow(3)
    with pytest.raises(QuorumMissing):
        cloud.above(cosign).publish()
    assert cloud.objects.files["super/checkpoint"] == published
