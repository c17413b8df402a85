"""Receipts and openings against a whole log: in it, rejected, not due, or proof against the operator."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from carevouch.cli.app import main
from carevouch.events.act import Revision, assemble
from carevouch.events.envelope import parse_event
from carevouch.events.opening import Opening, make_opening, render_opening
from carevouch.events.seal import SEAL_TYP
from carevouch.kernel.canonical import JsonObject
from carevouch.kernel.encoding import b64u, sha256, unb64u
from carevouch.kernel.ids import Doc
from carevouch.kernel.jws import sign
from carevouch.kernel.times import later
from carevouch.ledger.merkle import leaf_hash
from carevouch.ledger.note import parse_note, render_note
from carevouch.ledger.tiles import join_bundle, split_bundle
from tests.unit.cli.log.logs import SAW, VKEY, Deployment, Witness, carevouch, cosigned, write
from tests.unit.sealing.acts import PATIENT, START, Producer, event_id

Capture = pytest.CaptureFixture[str]
ONE = Witness("witness.example/one")
LATE = 700  # seconds: the promise is 600


@dataclass
class Case:
    """A log that has sealed some acts, and one act more that it may not have."""

    folder: Path
    deployment: Deployment

    @property
    def producer(self) -> Producer:
        return self.deployment.producer

    def receipt(self, text: str, name: str = "receipt") -> Path:
        certificate = self.producer.certificate
        write(self.folder, {name: f"{text} {certificate}\n".encode()})
        return self.folder / name

    def log(self) -> Path:
        return self.deployment.write(self.folder / "log")

    def verify(self, receipt: Path, *words: object) -> int:
        return carevouch("verify", "--receipt", receipt, "--log", self.log(), *words)

    def dropped(self) -> Path:
        """The receipt of an act that never reaches the sealer, and later acts that do, long after."""
        receipt = self.receipt(self.producer.event(700))
        self.deployment.grow(2)
        self.deployment.cloud.clock.advance(LATE)
        self.producer.made = later(START, LATE)
        self.deployment.grow(8, ONE)
        return receipt


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path, Deployment().grow(4))


def test_an_act_that_was_sealed_is_found_with_its_place(case: Case, capsys: Capture) -> None:
    text = next(iter(case.deployment.cloud.events.rows.values())).text
    assert case.verify(case.receipt(text)) == 0
    said = capsys.readouterr().out
    assert "a true receipt" in said
    assert "is entry 1 of strand 0" in said


def test_an_operators_receipt_is_the_event_alone(case: Case, capsys: Capture) -> None:
    operator = Producer(case.deployment.cloud.house, "operator", spread=True)
    case.deployment.act(1, operator)
    case.deployment.publish()
    text = list(case.deployment.cloud.events.rows.values())[-1].text
    write(case.folder, {"receipt": text.encode()})
    assert case.verify(case.folder / "receipt", "--json") == 0
    (judged,) = json.loads(capsys.readouterr().out)["receipts"]
    assert (judged["standing"], judged["findings"]) == ("sealed", 0)


def test_an_act_that_is_not_due_is_no_evidence(case: Case, capsys: Capture) -> None:
    receipt = case.receipt(case.producer.event(700))
    assert case.verify(receipt) == 0
    assert f"has until {later(START, 600)}" in capsys.readouterr().out
    # Blocks just as old as the promise are not past it.
    case.deployment.cloud.clock.advance(600)
    case.deployment.grow(4)
    assert case.verify(receipt) == 0


def test_a_promise_that_every_strand_has_outlived_is_proof_against_the_operator(
    case: Case, capsys: Capture
) -> None:
    receipt = case.dropped()
    assert case.verify(receipt) == 1
    said = capsys.readouterr().out
    assert "proof against the operator" in said
    assert "no strand has it or its rejection" in said
    assert "a regulator or a" in said
    assert case.verify(receipt, "--json") == 1
    (judged,) = json.loads(capsys.readouterr().out)["receipts"]
    assert (judged["standing"], judged["time"]) == ("broken", later(START, LATE))


def test_one_strand_that_has_not_outlived_it_is_enough_to_wait(case: Case) -> None:
    receipt = case.receipt(case.producer.event(700))
    case.deployment.cloud.clock.advance(LATE)
    case.producer.made = later(START, LATE)
    alone = Producer(case.deployment.cloud.house, name="alone", made=later(START, LATE))
    case.deployment.act(3, alone)  # All in strand 0.
    case.deployment.publish()
    assert case.verify(receipt) == 0


def test_witnesses_make_it_due_without_the_blocks(case: Case, capsys: Capture) -> None:
    receipt = case.receipt(case.producer.event(700))
    write(case.folder, {"policy": f"witness one {ONE.vkey}\nquorum one\n".encode()})
    for seconds, status in ((600, 0), (601, 1)):
        files = case.deployment.files()
        seen = cosigned(files["super/checkpoint"], [ONE], SAW - 600 + seconds)
        case.deployment.cloud.objects.files["super/checkpoint"] = seen
        assert case.verify(receipt, "--policy", case.folder / "policy") == status
        case.deployment.cloud.objects.files["super/checkpoint"] = files["super/checkpoint"]
    assert "the log's time is 2026-11-22T10:10:01.000Z" in capsys.readouterr().out


def test_a_copy_that_lags_behind_what_witnesses_saw_convicts_nobody(case: Case, capsys: Capture) -> None:
    """The act was sealed in time: only this copy of its strand is older than the super-log beside it."""
    old = case.log()
    text = case.producer.event(700)
    stored = case.deployment.cloud.put(text, case.producer.certificate)
    for strand in range(2):
        case.deployment.cloud.sealer(strand).seal([stored])
    case.deployment.publish()
    new = case.deployment.files()
    late = cosigned(new["super/checkpoint"], [ONE], SAW + 3600)
    above = {path: data for path, data in new.items() if path.startswith("super/")}
    write(old, above | {"super/checkpoint": late})
    write(case.folder, {"policy": f"witness one {ONE.vkey}\nquorum one\n".encode()})
    words = ["--receipt", case.receipt(text), "--log", old, "--policy", case.folder / "policy"]
    assert carevouch("verify", *words) == 1
    said = capsys.readouterr().out
    assert "is not in the log and has until" in said
    assert "this clears nobody" in said
    assert "proof against the operator" not in said
    write(old, {"super/checkpoint": late, **{p: d for p, d in new.items() if not p.startswith("super/")}})
    assert carevouch("verify", *words) == 0
    assert "of strand" in capsys.readouterr().out


def test_an_act_that_was_rejected_is_answered(case: Case, capsys: Capture) -> None:
    ahead = case.producer.event(700, None, later(START, 3600))
    key = case.deployment.cloud.put(ahead, case.producer.certificate)
    for strand in range(2):
        case.deployment.cloud.sealer(strand).seal([key])
    case.deployment.publish()
    assert case.verify(case.receipt(ahead)) == 0
    said = capsys.readouterr().out
    assert "was rejected by entry" in said
    assert "ahead of its block" in said


def test_an_event_that_took_the_others_place_is_evidence(case: Case, capsys: Capture) -> None:
    accepted = Producer(case.deployment.cloud.house, name="accepted", spread=True)
    text = accepted.event(0)
    write(case.folder, {"receipt": f"{text} {accepted.certificate}".encode()})
    assert case.verify(case.folder / "receipt") == 1
    assert "is another event under the id" in capsys.readouterr().out


def test_the_second_spelling_of_a_signature_is_the_same_event(case: Case, capsys: Capture) -> None:
    text = next(iter(case.deployment.cloud.events.rows.values())).text
    assert case.verify(case.receipt(respelled(text))) == 0
    assert "is entry 1 of strand 0" in capsys.readouterr().out


def respelled(text: str) -> str:
    """The same event with the other value of s."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    head, _, mark = text.rpartition(".")
    signature = unb64u(mark)
    other = order - int.from_bytes(signature[32:], "big")
    return f"{head}.{b64u(signature[:32] + other.to_bytes(32, 'big'))}"


def test_a_log_that_is_not_whole_convicts_nobody(case: Case, capsys: Capture) -> None:
    receipt = case.dropped()
    log = case.log()
    bundle = next(path for path in (log / "1" / "tile" / "entries" / "000.p").iterdir())
    for path in bundle.parent.iterdir():
        path.unlink()
    assert carevouch("verify", "--receipt", receipt, "--log", log) == 1
    said = capsys.readouterr().out
    assert "is not in the log and has until" in said
    assert "the entries are missing" in said
    assert "proof against the operator" not in said


def appended(log: Path, strand: int, text: str) -> None:
    """Serve a last bundle in which this entry stands in the place of the last one."""
    bundle = max((log / f"{strand}/tile/entries/000.p").iterdir(), key=lambda path: int(path.name))
    entries = [*split_bundle(bundle.read_bytes())[:-1], text.encode()]
    bundle.write_bytes(join_bundle(entries))


def test_an_entry_that_is_served_but_not_signed_clears_nobody(case: Case, capsys: Capture) -> None:
    text = case.producer.event(700)
    receipt, log = case.receipt(text), case.log()
    appended(log, 1, text)
    words = ["verify", "--receipt", receipt, "--log", log]
    assert carevouch(*words) == 1
    said = capsys.readouterr().out
    assert "is entry" not in said
    assert "this clears nobody: a fault of the log touches it (" in said
    assert ": strand 1, " in said
    assert "proof against the operator" not in said
    assert carevouch(*words, "--json") == 1
    (judged,) = json.loads(capsys.readouterr().out)["receipts"]
    assert judged["standing"] == "waiting"
    assert 0 < judged["touching"] <= judged["findings"]


def test_a_rejection_that_is_served_but_not_signed_is_no_answer(case: Case, capsys: Capture) -> None:
    text = case.producer.event(700)
    seal: JsonObject = {"id": parse_event(text).id, "hash": b64u(sha256(text.encode())), "reason": "invented"}
    payload: JsonObject = {"v": 1, "type": "event.rejected", "time": START, "data": seal}
    receipt, log = case.receipt(text), case.log()
    appended(log, 0, sign(payload, SEAL_TYP, case.deployment.cloud.house.seal))
    assert carevouch("verify", "--receipt", receipt, "--log", log) == 1
    assert "was rejected" not in capsys.readouterr().out


def test_a_log_whose_super_log_is_hidden_clears_only_for_those_who_need_none(
    case: Case, capsys: Capture
) -> None:
    text = next(iter(case.deployment.cloud.events.rows.values())).text
    receipt, log = case.receipt(text), case.log()
    (log / "super").rename(case.folder / "hidden")
    assert carevouch("verify", "--receipt", receipt, "--log", log) == 1
    assert "this clears nobody" in capsys.readouterr().out
    assert carevouch("verify", "--receipt", receipt, "--log", log, "--no-super") == 0


def test_what_is_wrong_with_another_strand_does_not_touch_an_entry(case: Case, capsys: Capture) -> None:
    text = next(iter(case.deployment.cloud.events.rows.values())).text
    receipt, log = case.receipt(text), case.log()
    appended(log, 1, case.producer.event(700))
    assert carevouch("verify", "--receipt", receipt, "--log", log) == 0
    said = capsys.readouterr().out
    assert "is entry 1 of strand 0" in said
    assert "findings of its own" in said
    (log / "0/tile/0/000.p").rename(log / "0/tile/0/gone")
    assert carevouch("verify", "--receipt", receipt, "--log", log) == 1
    assert "touches it (missing: strand 0, tile/0/000.p/" in capsys.readouterr().out


def test_a_number_of_another_key_that_is_missing_does_not_touch_an_entry(case: Case, capsys: Capture) -> None:
    text = next(iter(case.deployment.cloud.events.rows.values())).text
    careless = Producer(case.deployment.cloud.house, name="careless", spread=True, n=1)  # Not from 1.
    case.deployment.act(4, careless)
    case.deployment.cloud.clock.advance(LATE)
    case.producer.made = later(START, LATE)
    case.deployment.grow(8)
    assert case.verify(case.receipt(text), "--json") == 0
    (judged,) = json.loads(capsys.readouterr().out)["receipts"]
    assert (judged["findings"] > 0, judged["touching"]) == (True, 0)


def test_every_flipped_byte_of_a_receipt_is_refused(case: Case, capsys: Capture) -> None:
    receipt = case.dropped()
    data = receipt.read_bytes()
    for at in range(0, len(data) - 1, 29):
        receipt.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert case.verify(receipt) == 1, at
        said = capsys.readouterr()
        assert "refused: " in said.err
        assert said.out == ""


@pytest.mark.parametrize("content", [b"one two three", b"one  two", b"\xc3\xa4", b"nonsense", b"a b"])
def test_what_is_no_receipt_is_refused(content: bytes, case: Case, capsys: Capture) -> None:
    write(case.folder, {"receipt": content})
    assert case.verify(case.folder / "receipt") == 1
    assert "receipt: " in capsys.readouterr().err


def test_an_audit_names_the_receipts_that_the_log_ignores(case: Case, capsys: Capture) -> None:
    texts = [row.text for row in case.deployment.cloud.events.rows.values()]
    dropped = case.dropped()
    (case.folder / "held").mkdir()
    dropped.rename(case.folder / "held" / "dropped")
    case.receipt(texts[0], "held/sealed")
    write(case.folder, {"held/broken": b"x", "held/.hidden": b""})
    assert carevouch("audit", case.log(), "--receipts", case.folder / "held") == 1
    said = capsys.readouterr().out
    assert "held/sealed: the event" in said
    assert said.count("\nreceipt: ") == 2
    assert "and no strand has it or its rejection: evidence" in said
    assert "gap: key" in said  # the number that was dropped, seen without any receipt
    assert carevouch("audit", case.log(), "--receipts", case.folder / "nothing") == 2


def opening(
    producer: Producer, number: int, version: int, prev: Opening | None, body: bytes = b"{}"
) -> Opening:
    """Version `version` of one observation, in an event of its own."""
    doc = Doc("Observation", f"{PATIENT}.{event_id(1)}")
    link = None if prev is None else leaf_hash(prev.leaf)
    revision = Revision(doc, version, link, sha256(b"nonce %d" % number), body)
    text = producer.event(number, [revision])
    return make_opening(revision, text, producer.certificate, 0, assemble([revision]).paths[0])


Choose = Callable[[list[Opening]], list[Opening]]
VERSIONS: dict[str, tuple[Choose, list[str]]] = {
    "all of them": (lambda v: v[:3], []),
    "in any order": (lambda v: [v[2], v[0], v[1]], []),
    "one twice": (lambda v: [v[0], v[0]], []),
    "one missing": (lambda v: [v[0], v[2]], ["version 2 of Observation/", "is missing before version 3"]),
    "the first missing": (lambda v: [v[1]], ["version 1 of Observation/"]),
    "two missing": (lambda v: [v[2]], ["version 1 to 2 of Observation/"]),
    "two of one version": (lambda v: [v[0], v[1], v[3]], ["has another version 2 as well"]),
    "one that does not follow": (lambda v: [v[0], v[4]], ["does not follow from the version before it"]),
    "a first that follows something": (lambda v: [v[5]], ["does not follow from the version before it"]),
}


@pytest.mark.parametrize(("choose", "words"), VERSIONS.values(), ids=VERSIONS)
def test_versions_of_a_document_are_dense_and_linked(
    choose: Choose, words: list[str], tmp_path: Path, capsys: Capture
) -> None:
    deployment = Deployment(strands=1)
    producer = deployment.producer
    first = opening(producer, 10, 1, None)
    second = opening(producer, 11, 2, first)
    third = opening(producer, 12, 3, second)
    odd = [
        opening(producer, 13, 2, first, b"[]"),
        opening(producer, 14, 2, None),
        opening(producer, 15, 1, first),
    ]
    made = [first, second, third, *odd]
    keys = [deployment.cloud.put(one.event, producer.certificate, f"{at}") for at, one in enumerate(made)]
    deployment.cloud.sealer().seal(keys)
    deployment.publish()
    for at, one in enumerate(choose(made)):
        write(tmp_path, {f"openings/{at}.json": render_opening(one)})
    log = deployment.write(tmp_path / "log")
    assert carevouch("audit", log, "--opening", tmp_path / "openings") == (1 if words else 0)
    said = capsys.readouterr().out
    assert all(word in said for word in words), said


def test_an_opening_of_an_event_that_the_log_lacks_is_named_once_it_is_due(
    case: Case, capsys: Capture
) -> None:
    lost = case.producer.opening(900)
    write(case.folder, {"openings/lost.json": render_opening(lost)})
    assert carevouch("audit", case.log(), "--opening", case.folder / "openings") == 0
    case.dropped()
    broken = replace(lost, body=b"[]")
    write(case.folder, {"openings/broken.json": render_opening(broken)})
    assert carevouch("audit", case.log(), "--opening", case.folder / "openings") == 1
    said = capsys.readouterr().out
    assert "lost.json: the event" in said
    assert "broken.json: the body and nonce do not match" in said


def test_an_audit_with_a_policy_tells_of_its_witnesses(case: Case, capsys: Capture) -> None:
    case.deployment.grow(4, ONE)
    write(case.folder, {"policy": f"witness one {ONE.vkey}\nquorum one\n".encode()})
    assert carevouch("audit", case.log(), "--policy", case.folder / "policy") == 0
    assert "the quorum one is met, as of 2026-11-22T10:10:00Z" in capsys.readouterr().out
    note = parse_note((case.folder / "log/super/checkpoint").read_bytes())
    bare = render_note(replace(note, lines=note.lines[:2]))
    write(case.folder, {"log/super/checkpoint": bare})
    words = ["audit", str(case.folder / "log"), "--policy", str(case.folder / "policy"), "--json"]
    assert main([*words, "--key", VKEY]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["witnesses"]["missing"] == ["one"]
    assert [item["code"] for item in report["findings"]] == ["quorum"]


def test_old_checkpoints_of_any_log_may_be_given_together(case: Case, capsys: Capture) -> None:
    for name in ("0", "1", "super"):
        write(case.folder, {f"old.{name}": case.deployment.files()[f"{name}/checkpoint"]})
    case.deployment.grow(6)
    older = [word for name in ("0", "1", "super") for word in ("--against", case.folder / f"old.{name}")]
    assert carevouch("audit", case.log(), *older) == 0
    assert capsys.readouterr().out.count("compared with the old checkpoint") == 3
