"""More than one strand on the local cloud: stream, ordered inbox, each strand, super-log, one epoch more."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from carevouch.events.envelope import strand_of
from carevouch.events.epoch import EPOCH_TYP, order_payload
from carevouch.events.genesis import Epoch, parse_genesis
from carevouch.kernel.jws import KeyInMemory, private_key, sign
from carevouch.kernel.times import instant
from carevouch.ledger.cosignature import parse_key
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.note import parse_note
from carevouch.ledger.policy import parse_policy, satisfied
from carevouch.ledger.proof import parse as parse_proof
from carevouch.ledger.proof import verify
from infra import local
from infra.stack import Cloud
from infra.story.client import Answer, Http
from tests.signed_acts import Backlog, backlog, reached, table, write

pytestmark = [pytest.mark.local_cloud, pytest.mark.deep]
# So many that no strand is without one; and a few, where one would do.
STRANDS, ACTS, FEW = 2, 24, 4
# What a busy machine may need for a cold sealer, the inbox and the second of the super-log.
PATIENCE_SECONDS = 120
# Each look is a call of a function, which takes its time from those that are waited for.
LOOK_SECONDS = 1.0


@pytest.fixture(scope="module")
def strands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of its own, whose log begins with two strands."""
    folder = tmp_path_factory.mktemp("strands")
    with (
        local.local_cloud(folder, strands=STRANDS, say=lambda line: None) as cloud,
        reached(cloud),
    ):
        yield cloud


@dataclass(frozen=True, slots=True)
class Published:
    """Acts, and what the door says of each of their events."""

    made: Backlog
    found: Mapping[str, dict[str, Any]]


@pytest.fixture(scope="module")
def published(strands: Cloud) -> Published:
    """The first acts of this log, brought into it by nothing but the table's stream."""
    made, http = acts(strands), Http(strands.base_url)
    return Published(made, {event.id: placed(http, event.id) for event in made.events})


def acts(cloud: Cloud, count: int = ACTS) -> Backlog:
    """Acts that lie in the documents table."""
    made = backlog(cloud, count)
    write(table(cloud), made)
    return made


def placed(http: Http, event_id: str, meanwhile: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """The door's answer about an event, once the super-log covers it. `meanwhile` is called between two
    looks."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = http.call("GET", f"/ledger/events/{event_id}")
        if answer.status == 200 and "super" in answer.json():
            found: dict[str, Any] = answer.json()
            return found
        assert time.monotonic() < deadline, answer.body
        time.sleep(LOOK_SECONDS)
        meanwhile()


def digest(http: Http) -> Mapping[str, Any]:
    answer: Answer = http.call("GET", "/ledger/digest")
    assert answer.status == 200
    said: Mapping[str, Any] = answer.json()
    return said


def test_events_of_every_strand_are_published_and_in_the_super_log(published: Published) -> None:
    made, found = published.made, published.found
    where = {name: answer["place"]["strand"] for name, answer in found.items()}
    assert where == {event.id: strand_of(event.id, STRANDS) for event in made.events}
    assert set(where.values()) == set(range(STRANDS))
    above = made.genesis.keys.verifier(f"{made.genesis.origin}/super")
    for event in made.events:
        answer = found[event.id]
        proof, higher = parse_proof(answer["proof"].encode()), parse_proof(answer["super"]["proof"].encode())
        strand = made.genesis.keys.verifier(f"{made.genesis.origin}/strand/{where[event.id]}")
        verify(proof, leaf_hash(event.text.encode()), strand)
        verify(higher, leaf_hash(proof.checkpoint), above)


@pytest.mark.usefixtures("published")
def test_no_message_is_left_and_none_was_given_up_on(strands: Cloud) -> None:
    sqs = strands.client("sqs")
    names = ["ApproximateNumberOfMessages"]
    for queue in ("InboxDeadLetters", "SealerDeadLetters"):
        said = sqs.get_queue_attributes(QueueUrl=strands.resource(queue), AttributeNames=names)
        assert said["Attributes"] == {"ApproximateNumberOfMessages": "0"}, queue
    assert not [line for line in strands.log_lines() if '"level":"ERROR"' in line]


def test_an_epoch_adds_a_strand_which_new_environments_use(strands: Cloud) -> None:
    """After it the same table holds events of both epochs, and each lies in the strand of its own."""
    http = Http(strands.base_url)
    before = backlog(strands, ACTS)
    note = http.call("GET", "/ledger/genesis").body.decode()
    genesis = parse_genesis(parse_note(note.encode()).text)
    epoch = Epoch(2, STRANDS + 1, instant(datetime.now(UTC)))
    operator = KeyInMemory(private_key(dict(strands.operator_jwk)))
    strands.open_epoch(sign(order_payload(genesis.origin, epoch, None), EPOCH_TYP, operator))
    after = acts(strands)
    write(table(strands), before)
    assert (before.genesis.epoch, after.genesis.epoch) == (1, 2)
    for made, count in ((before, STRANDS), (after, STRANDS + 1)):
        for event in made.events:
            assert placed(http, event.id)["place"]["strand"] == strand_of(event.id, count)
    assert len(digest(http)["strands"]) == STRANDS + 1
    assert any(strand_of(event.id, STRANDS + 1) == STRANDS for event in after.events)


def test_a_witness_of_the_same_template_cosigns_what_it_has_audited(strands: Cloud) -> None:
    """Deployed beside the log, it reads every strand; from then on the super-log needs its two lines."""
    name, http = "witness.carevouch.local/w1", Http(strands.base_url)
    address = local.add_witness(strands, name, say=lambda line: None)
    answer = Http(address).call("GET", "/witness")
    assert answer.status == 200, answer.body
    about = answer.json()
    keys = [parse_key(text) for text in about["vkeys"]]
    assert [key.name for key in keys] == [name] * 2
    members = [f"witness w{number} {text} {address}" for number, text in enumerate(about["vkeys"])]
    text = "\n".join([*members, "group both all w0 w1", "quorum both", ""])
    local.redeploy(strands.folder, policy=text, say=lambda line: None)
    made = acts(strands, FEW)
    for event in made.events:
        # What a witness refused at first is shown it again by the sweep, which need not wait for its minute.
        placed(http, event.id, meanwhile=strands.seal)
    note = http.call("GET", "/ledger/super/checkpoint").body
    log = made.genesis.keys.verifier(f"{made.genesis.origin}/super")
    found = satisfied(parse_policy(text.encode()), note, logs=[log])
    assert {cosigned.witness for cosigned in found.by} == {"w0", "w1"}
    kept = Http(address).call("GET", f"/witness/{about['logs'][0]['log']}/checkpoint")
    assert kept.status == 200
    assert parse_note(kept.body).text == parse_note(note).text
