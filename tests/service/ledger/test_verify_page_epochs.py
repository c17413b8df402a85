"""The page and later epochs: proofs under the file of epochs, without it, and under a false one.

Page and `carevouch verify` accept the same. If the page finds a file missing, the command refuses.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page

from carevouch.events.epoch import EPOCH_TYP
from carevouch.kernel.jws import KeyInMemory, sign
from carevouch.kernel.times import later
from carevouch.ledger.checkpoint import MAX_STRANDS
from carevouch.ledger.note import Verifier
from tests.service.ledger.browser import accepted, agreed, all_judged, flips, judged
from tests.service.ledger.evidence import (
    GROWN,
    HOUSE,
    NEW_STRAND,
    PLAIN,
    STRANDS,
    Case,
    File,
    Log,
    Strand,
    Witness,
    epoch_entry,
    epochs_file,
    later_opening,
    order,
    policy_file,
    result_opening,
)
from tests.unit.sealing.acts import ORIGIN, START, House, Producer, key

FIRST = order()
SECOND = order(3, prev=FIRST)
EPOCHS = epochs_file(FIRST)
# An observation of epoch 2, in a strand that genesis has not; and one of epoch 1.
NEW = Log([later_opening()], f"{ORIGIN}/strand/{NEW_STRAND}")
OLD = Log([result_opening()])


def opening_epoch(entry: bytes) -> Case:
    """An entry that opens an epoch, at its place in strand 0."""
    strand = Strand(f"{ORIGIN}/strand/0", [b"before", entry])
    files = File("epoch", "entry", entry), File("epoch.tlog-proof", "proof", strand.proof(entry))
    return OLD.case("genesis").plus(*files)


GOOD = {
    "a new strand": NEW.case().plus(EPOCHS),
    "a new strand, chained": NEW.case().plus(EPOCHS, NEW.chained()),
    "a new strand, under genesis of version 1": replace(NEW, house=PLAIN).case().plus(EPOCHS),
    "an old strand and epoch": OLD.case().plus(EPOCHS),
    "epochs that did not matter": NEW.case().plus(epochs_file(FIRST, SECOND)),
    "as many strands as before": OLD.case().plus(epochs_file(order(strands=STRANDS))),
    "the most strands there may be": NEW.case().plus(epochs_file(FIRST, order(3, MAX_STRANDS, prev=FIRST))),
    "an epoch's own entry": opening_epoch(epoch_entry()),
    "an epoch's own entry, with the file": opening_epoch(epoch_entry()).plus(EPOCHS),
}


@pytest.mark.parametrize("case", GOOD.values(), ids=GOOD)
def test_true_files_of_later_epochs_are_verified_by_page_and_command(
    case: Case, page: Page, tmp_path: Path
) -> None:
    assert agreed(page, case, tmp_path) == "verified"


def test_the_account_says_which_epoch_it_is(page: Page) -> None:
    words = " ".join(judged(page, GOOD["a new strand"]).words)
    assert f"in strand {NEW_STRAND} of log" in words
    assert (
        f"It is of epoch 2, which the operator opened from 22 November 2026, 10:00:00 UTC, with {GROWN}"
        in words
    )


def test_the_account_of_an_epochs_entry_says_on_whose_order(page: Page) -> None:
    assert "The operator ordered it" in " ".join(judged(page, GOOD["an epoch's own entry"]).words)


def elsewhere(strand: int) -> Case:
    """The observation of epoch 2 in another strand than its own."""
    return Log([later_opening()], f"{ORIGIN}/strand/{strand}").case()


LACKING = {
    "a new strand without the file": (NEW.case(), "the epochs file of the log"),
    "a new strand, chained, without it": (NEW.case().plus(NEW.chained()), "the epochs file of the log"),
    "a new epoch in an old strand": (elsewhere(1), "the epochs file of the log"),
    "a strand of an epoch later still": (elsewhere(GROWN).plus(EPOCHS), "a newer epochs file"),
    "a file from before the epoch": (
        NEW.case().plus(epochs_file(order(strands=STRANDS))),
        "a newer epochs file",
    ),
}


@pytest.mark.parametrize(("case", "missing"), LACKING.values(), ids=LACKING)
def test_a_strand_or_epoch_that_is_not_known_is_missing_its_file(
    case: Case, missing: str, page: Page, tmp_path: Path
) -> None:
    assert agreed(page, case, tmp_path) == "incomplete"
    assert any(missing in item for item in judged(page, case).missing)


def test_beside_what_is_known_an_unknown_strand_still_calls_nothing_good(page: Page, tmp_path: Path) -> None:
    new = NEW.case("0.tlog-proof", "0.opening.json").plus(NEW.chained())
    more = tuple(replace(file, name=f"new.{file.name}") for file in new.files)
    assert agreed(page, OLD.case().plus(*more), tmp_path) == "incomplete"
    assert agreed(page, OLD.case().plus(*more, EPOCHS), tmp_path) == "verified"


def test_an_unknown_strand_with_a_bad_signature_is_refused_all_the_same(page: Page, tmp_path: Path) -> None:
    case = NEW.case()
    proof = case["0.tlog-proof"].data.replace(b"/strand/3\n", b"/strand/2\n")
    assert agreed(page, case.changed("0.tlog-proof", proof), tmp_path) == "refused"


def test_a_policy_over_a_new_strand_is_met(page: Page, tmp_path: Path) -> None:
    witness = Witness("witness.example/1")
    policy = policy_file(
        f"log {Verifier(ORIGIN, HOUSE.log.public).vkey}", f"witness one {witness.vkey}", "quorum one"
    )
    case = NEW.case().plus(NEW.chained(witness.cosigned(NEW.above.head)), EPOCHS, policy)
    assert agreed(page, case, tmp_path) == "verified"


def text_of(*orders: str) -> bytes:
    return epochs_file(*orders).data


def signed(by: KeyInMemory = HOUSE.operator, start: str = START, **members: object) -> str:
    """The order with these members changed, by this signer."""
    payload = {"v": 1, "origin": ORIGIN, "epoch": 2, "strands": GROWN, "prev": None, "from": start}
    return sign({**payload, **members}, EPOCH_TYP, by)


FORGED = signed(by=key("stranger"))
REFUSED = {
    "not the operator's": (text_of(FORGED), "not ordered by the operator"),
    "another deployment's": (text_of(order(origin="log.other")), "for another deployment"),
    "the first epoch left out": (text_of(SECOND), "epoch 1 is open; the next is 2"),
    "an epoch twice": (text_of(FIRST, FIRST), "epoch 2 is open; the next is 3"),
    "an epoch left out": (text_of(FIRST, order(4, prev=FIRST)), "epoch 2 is open; the next is 3"),
    "another order": (text_of(FIRST, order(3, prev=SECOND)), "does not follow the one before it"),
    "no predecessor": (text_of(FIRST, order(3)), "does not follow the one before it"),
    "a predecessor of the first": (text_of(order(prev=SECOND)), "does not follow the one before it"),
    "fewer strands than genesis": (text_of(order(strands=1)), "never shrinks"),
    "fewer strands than before": (text_of(FIRST, order(3, GROWN - 1, prev=FIRST)), "never shrinks"),
    "no strands": (text_of(order(strands=0)), f"1 to {MAX_STRANDS} strands"),
    "too many strands": (text_of(order(strands=MAX_STRANDS + 1)), f"1 to {MAX_STRANDS} strands"),
    "strands that are true": (text_of(order(strands=True)), f"1 to {MAX_STRANDS} strands"),
    "the epoch of genesis": (text_of(order(1)), "numbered from 2"),
    "earlier than genesis": (text_of(signed(start=later(START, -1))), "does not begin before"),
    "a day that is none": (text_of(signed(start="2026-02-30T10:00:00.000Z")), "a time that exists"),
    "another version": (text_of(order(v=2)), "exactly the members of version 1"),
    "one member more": (text_of(order(note="x")), "exactly the members of version 1"),
    "a prev that is no hash": (text_of(signed(prev="AA")), "the order's prev is not"),
    "a prev that is a number": (text_of(signed(prev=1)), "the order's prev is not"),
    "no line end": (EPOCHS.data[:-1], "does not end with a whole line"),
    "an empty line between": (EPOCHS.data + b"\n", "not a compact JWS"),
    "an empty line before": (b"\n" + EPOCHS.data, "none of the kinds of file"),
    "another line end": (EPOCHS.data[:-1] + b"\r\n", "is not base64url"),
    "an entry among orders": (EPOCHS.data + result_opening().event.encode() + b"\n", "not an order"),
    "orders after an entry": (result_opening().event.encode() + b"\n" + EPOCHS.data, ""),
    "an empty file": (b"", "is empty"),
}


@pytest.mark.parametrize(("data", "sentence"), REFUSED.values(), ids=REFUSED)
def test_no_file_of_epochs_is_refused_by_page_and_command(
    data: bytes, sentence: str, page: Page, tmp_path: Path
) -> None:
    case = NEW.case().plus(EPOCHS).changed("epochs", data)
    assert agreed(page, case, tmp_path) == "refused"
    assert sentence in dict(judged(page, case).refused)["epochs"]


def test_a_flipped_byte_of_the_epochs_is_refused(page: Page, tmp_path: Path) -> None:
    case = NEW.case().plus(epochs_file(FIRST, SECOND))
    broken = flips(case["epochs"].data)
    for data, answer in zip(broken, all_judged(page, case, [{"epochs": one} for one in broken]), strict=True):
        assert (answer.verdict, [file for file, _ in answer.refused]) == ("refused", ["epochs"]), data
        assert not accepted(case.changed("epochs", data), tmp_path)


@pytest.mark.parametrize("name", ["epoch", "epoch.tlog-proof"])
def test_a_flipped_byte_about_an_epochs_entry_is_refused(name: str, page: Page, tmp_path: Path) -> None:
    case = opening_epoch(epoch_entry())
    broken = flips(case[name].data)
    for data, answer in zip(broken, all_judged(page, case, [{name: one} for one in broken]), strict=True):
        assert answer.verdict == "refused", data
        assert not accepted(case.changed(name, data), tmp_path)


def test_two_files_of_epochs_are_one_too_many(page: Page) -> None:
    case = NEW.case().plus(EPOCHS, replace(EPOCHS, name="again"))
    assert dict(judged(page, case).refused)["again"] == "is a second file of epochs: take one out"


def test_without_genesis_the_epochs_wait(page: Page) -> None:
    answer = judged(page, NEW.case().plus(EPOCHS).without("genesis"))
    assert (answer.verdict, answer.refused) == ("incomplete", [])


@pytest.mark.parametrize("strand", [0, 1, 2])
def test_an_event_of_epoch_2_belongs_into_the_strand_of_its_own_epoch(
    strand: int, page: Page, tmp_path: Path
) -> None:
    case = elsewhere(strand).plus(EPOCHS)
    assert agreed(page, case, tmp_path) == "refused"
    assert "belongs into another strand" in dict(judged(page, case).refused)["0.tlog-proof"]


def test_an_event_of_epoch_1_does_not_move_when_strands_are_added(page: Page, tmp_path: Path) -> None:
    opening = result_opening()
    assert agreed(page, Log([opening]).case().plus(EPOCHS), tmp_path) == "verified"
    moved = Log([opening], f"{ORIGIN}/strand/{NEW_STRAND}").case().plus(EPOCHS)
    assert agreed(page, moved, tmp_path) == "refused"


def test_a_certificate_of_another_epoch_does_not_serve(page: Page, tmp_path: Path) -> None:
    producer = Producer(House(strands=GROWN), name="grown", spread=True, epoch=2)
    event = producer.event(GROWN + NEW_STRAND, epoch=1).encode()
    strand = Strand(f"{ORIGIN}/strand/1", [event])
    files = (
        File("event", "entry", event),
        File("certificate", "certificate", producer.certificate.encode()),
        File("event.tlog-proof", "proof", strand.proof(event)),
    )
    case = NEW.case("genesis").plus(*files, EPOCHS)
    assert agreed(page, case, tmp_path) == "refused"
    assert "epoch is not its certificate's" in dict(judged(page, case).refused)["event"]


ENTRIES = {
    "another key's seal": (epoch_entry(seal=key("stranger")), "not by the sealer's key"),
    "an order not the operator's": (epoch_entry(FORGED), "not ordered by the operator"),
    "an order for another deployment": (epoch_entry(order(origin="log.other")), "for another deployment"),
    "other strands than ordered": (epoch_entry(strands=8), "another thing than the operator's order"),
    "another epoch than ordered": (epoch_entry(epoch=3), "another thing than the operator's order"),
    "one member more": (epoch_entry(note="x"), "another thing than the operator's order"),
    "no order": (epoch_entry(order=None), "no order of the operator"),
    "an order that is none": (epoch_entry(order="x"), "not a compact JWS"),
}


@pytest.mark.parametrize(("entry", "sentence"), ENTRIES.values(), ids=ENTRIES)
def test_no_epochs_entry_is_refused_by_page_and_command(
    entry: bytes, sentence: str, page: Page, tmp_path: Path
) -> None:
    case = opening_epoch(entry)
    assert agreed(page, case, tmp_path) == "refused"
    assert sentence in dict(judged(page, case).refused)["epoch"]
