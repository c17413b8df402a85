"""Vectors of a deployment: its genesis, the epochs that its operator opened, and sealed batches."""

from carevouch.events.envelope import parse_event
from carevouch.events.epoch import EPOCH_TYP, Order, opened, order_payload, parse_order
from carevouch.events.genesis import Epoch, genesis_text
from carevouch.kernel.encoding import b64u, sha256
from carevouch.kernel.jws import sign
from carevouch.kernel.times import later
from carevouch.ledger.note import Verifier, sign_note
from carevouch.sealing.marks import Head
from carevouch.sealing.plan import BatchPlan, Candidate, plan, plan_epoch
from tests.vectors import acts
from tests.vectors.seed import GENESIS, GENESIS_2, LOG, ORIGIN, TIME, Rows, key

BLOCK_TIME = later(TIME, 1)


def genesis() -> Rows:
    """The text of genesis and the note that publishes it, in both versions."""
    vkey = Verifier(ORIGIN, LOG.public).vkey
    texts = [genesis_text(each) for each in (GENESIS, GENESIS_2)]
    return [{"text": text, "note": sign_note(text, ORIGIN, LOG).decode(), "vkey": vkey} for text in texts]


def orders() -> list[Order]:
    """Two orders of the operator, the second after the first."""
    first = _order(Epoch(2, 4, later(TIME, 3_600)), None)
    return [first, _order(Epoch(3, 16, later(TIME, 7_200)), sha256(first.text.encode("ascii")))]


def _order(epoch: Epoch, prev: bytes | None) -> Order:
    return parse_order(sign(order_payload(ORIGIN, epoch, prev), EPOCH_TYP, key("operator")))


def epochs() -> Rows:
    """The operator's orders, each with what it says."""
    return [{"order": order.text, "payload": order.signed.payload} for order in orders()]


def batches() -> Rows:
    """Three blocks of strand 0: events with their certificates, more events, and the opening of an epoch."""
    texts = [row["event"] for row in acts.events()]
    order, seal = orders()[0], key("seal")
    first, _ = plan(Head(0), [_candidate(text) for text in texts[1:]], {}, GENESIS, seal, BLOCK_TIME)
    assert first is not None
    marks = {mark.key: mark for mark in first.marks}
    second, _ = plan(first.head, [_candidate(texts[0])], marks, GENESIS, seal, BLOCK_TIME)
    assert second is not None
    assert opened(GENESIS, order).epoch == 2
    return [_batch(each) for each in (first, second, plan_epoch(second.head, order, seal, later(TIME, 60)))]


def _candidate(text: str) -> Candidate:
    producer = parse_event(text).producer
    return Candidate(text, None if producer == "operator" else acts.certificate(producer))


def _batch(sealed: BatchPlan) -> dict[str, object]:
    entries = [entry.decode("ascii") for entry in sealed.entries]
    edge = sealed.head.edge
    return {"entries": entries, "size": edge.size, "root": b64u(edge.root()), "time": sealed.head.time}


FILES = {"genesis": genesis, "epochs": epochs, "batches": batches}
