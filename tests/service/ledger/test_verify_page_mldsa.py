"""The page and ML-DSA-44 lines, which no browser can check: shown and required, but never counted.

The command does check them. So page and command differ in one thing only. The page says of a line with a
wrong signature that it was not checked, and the command refuses it.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from carevouch.kernel.encoding import sha256
from carevouch.ledger.cosignature import Mldsa44InMemory, MldsaCosignatureSigner, MldsaCosigner
from carevouch.ledger.note import SignatureLine, parse_note, render_note, sign_note
from tests.service.ledger.browser import accepted, agreed, all_judged, flips, judged
from tests.service.ledger.evidence import (
    HOUSE,
    PLAIN,
    SAW,
    Case,
    File,
    Log,
    Witness,
    admission_opening,
    genesis_file,
    policy_file,
    result_opening,
    with_line,
)
from tests.unit.sealing.acts import ORIGIN

LOG = Log([result_opening(), admission_opening()])
NAMES = ("genesis", "0.tlog-proof", "0.opening.json")
CASE = LOG.case(*NAMES)
W1 = Witness("witness.example/1")
POST = MldsaCosignatureSigner(
    "witness.example/post", Mldsa44InMemory(sha256(b"a witness against quantum computers")), lambda: SAW
)
POST_POLICY = policy_file(
    f"witness one {W1.vkey}",
    f"witness post {MldsaCosigner(POST.name, POST.key.public).vkey}",
    "group both all one post",
    "quorum both",
)


def headed(head: bytes) -> Case:
    """The observation under this signed checkpoint of its strand."""
    return LOG.case(*NAMES, head=head)


def with_second(line: SignatureLine | None) -> bytes:
    """The strand's checkpoint with another second line, and a witness's, so that it is no super-log entry."""
    note = parse_note(LOG.strand.head)
    lines = [note.lines[0], *([] if line is None else [line])]
    return W1.cosigned(render_note(type(note)(note.text, tuple(lines))))


def second(*, name: str = f"{ORIGIN}/strand/0", id_: bytes | None = None, blob: bytes) -> SignatureLine:
    """A line in the place of the strand's ML-DSA-44 line."""
    line = parse_note(LOG.strand.head).lines[1]
    return SignatureLine(name, line.key_id if id_ is None else id_, blob)


def test_an_ml_dsa_line_is_told_and_not_counted(page: Page, tmp_path: Path) -> None:
    assert agreed(page, CASE.plus(LOG.chained()), tmp_path) == "verified"
    words = " ".join(judged(page, CASE.plus(LOG.chained())).words)
    assert "The log's own Ed25519 signature was checked and holds" in words
    assert "Not checked, and counted for nothing: 2 lines by the ML-DSA-44 key that genesis names" in words
    assert "could not be checked here" not in words  # those words are about strangers' lines


def test_under_genesis_of_version_1_no_word_is_lost_on_ml_dsa(page: Page, tmp_path: Path) -> None:
    case = Log(LOG.openings, house=PLAIN).case(*NAMES)
    assert agreed(page, case, tmp_path) == "verified"
    assert not any("ML-DSA" in word for word in judged(page, case).words)


def test_a_flip_in_an_ml_dsa_line_is_refused_by_the_command_and_never_counted_by_the_page(
    page: Page, tmp_path: Path
) -> None:
    broken = flips(CASE["0.tlog-proof"].data, blind=True)
    verdicts = set()
    for data, answer in zip(
        broken, all_judged(page, CASE, [{"0.tlog-proof": one} for one in broken]), strict=True
    ):
        verdicts.add(answer.verdict)
        assert answer.verdict == "refused" or any(
            "Not checked, and counted for nothing: 1 line" in word for word in answer.words
        )
        assert not accepted(CASE.changed("0.tlog-proof", data), tmp_path)
    assert verdicts == {"refused", "verified"}  # refused where it is no base64 any more


SECONDS = {
    "none": None,
    "a short one": second(blob=bytes(8 + 2419)),
    "a long one": second(blob=bytes(8 + 2421)),
    "a time that is none": second(blob=b"\x80" + bytes(7 + 2420)),
    "one of another key": second(id_=b"\x01\x02\x03\x04", blob=bytes(8 + 2420)),
    "one of another log": second(name=f"{ORIGIN}/strand/1", blob=bytes(8 + 2420)),
}


@pytest.mark.parametrize("line", SECONDS.values(), ids=SECONDS)
def test_a_checkpoint_without_a_second_line_of_the_right_form_is_refused(
    line: SignatureLine | None, page: Page, tmp_path: Path
) -> None:
    case = headed(with_second(line))
    assert agreed(page, case, tmp_path) == "refused"
    assert "ML-DSA-44" in dict(judged(page, case).refused)["0.tlog-proof"]


def test_a_super_log_head_without_its_second_line_is_refused(page: Page, tmp_path: Path) -> None:
    case = CASE.plus(LOG.chained(LOG.above.plain_head))
    assert agreed(page, case, tmp_path) == "refused"
    assert "no line by the ML-DSA-44 key" in dict(judged(page, case).refused)["super.tlog-proof"]


def test_an_ml_dsa_line_alone_signs_nothing(page: Page, tmp_path: Path) -> None:
    note = parse_note(LOG.strand.head)
    case = headed(render_note(type(note)(note.text, note.lines[1:])))
    assert agreed(page, case, tmp_path) == "refused"
    assert "carries no signature by the key of" in dict(judged(page, case).refused)["0.tlog-proof"]


def test_lines_that_nobody_here_can_check_neither_help_nor_hide(page: Page, tmp_path: Path) -> None:
    head = with_line(with_line(LOG.strand.head, f"{ORIGIN}/strand/0", bytes(2428)), "unknown", bytes(72))
    case = headed(head).plus(LOG.chained())
    assert agreed(page, case, tmp_path) == "verified"
    words = " ".join(judged(page, case).words)
    assert "2 signature lines could not be checked here (1 by ML-DSA-44, which this page does not" in words
    assert "None was checked" in words


def test_a_policy_whose_witness_needs_ml_dsa_is_not_met_without_its_line(page: Page, tmp_path: Path) -> None:
    case = headed(W1.cosigned(LOG.strand.head)).plus(POST_POLICY)
    assert agreed(page, case, tmp_path) == "refused"
    assert "ML-DSA-44 witnesses were not checked" in judged(page, case).refused[0][1]


def test_a_quorum_that_hangs_on_an_ml_dsa_line_is_left_to_the_command(page: Page, tmp_path: Path) -> None:
    head = W1.cosigned(LOG.strand.head) + POST.line(parse_note(LOG.strand.head).text).text.encode()
    case = headed(head).plus(POST_POLICY)
    answer = judged(page, case)
    assert (answer.verdict, answer.refused) == ("incomplete", [])
    assert "carevouch verify can" in answer.missing[0]
    assert accepted(case, tmp_path)


def test_a_quorum_that_lacks_another_witness_too_is_refused(page: Page, tmp_path: Path) -> None:
    head = LOG.strand.head + POST.line(parse_note(LOG.strand.head).text).text.encode()
    assert agreed(page, headed(head).plus(POST_POLICY), tmp_path) == "refused"


def genesis_of(old: str, new: str, house: object = HOUSE) -> File:
    """Genesis with one text in it changed, and signed nevertheless."""
    text = parse_note(genesis_file(house).data).text  # type: ignore[arg-type]
    assert text.count(old) == 1
    return File("genesis", "genesis", sign_note(text.replace(old, new), ORIGIN, HOUSE.log))


MLDSA = parse_note(genesis_file().data).text.partition('"mldsa":"')[2].partition('"')[0]
UNTRUE = {
    "version 1 with a version 2 line": genesis_of("genesis/v1\n", "genesis/v2\n", PLAIN),
    "version 2 with a version 1 line": genesis_of("genesis/v2\n", "genesis/v1\n"),
    "version 3": genesis_of("genesis/v2\n", "genesis/v3\n"),
    "a name of every object": genesis_of("carevouch.org/genesis/v2\n", "constructor\n"),
    "another number in it": genesis_of('"v":2', '"v":1'),
    "no ML-DSA-44 key": genesis_of(f'"mldsa":"{MLDSA}",', ""),
    "an ML-DSA-44 key that is null": genesis_of(f'"{MLDSA}"', "null"),
    "a shorter ML-DSA-44 key": genesis_of(MLDSA, MLDSA[:-4]),
    "a longer ML-DSA-44 key": genesis_of(MLDSA, f"{MLDSA}AAAA"),
    "a key in another base64": genesis_of(MLDSA, f"{MLDSA}="),
    "one member more": genesis_of('"v":2', '"v":2,"w":1'),
}


@pytest.mark.parametrize("genesis", UNTRUE.values(), ids=UNTRUE)
def test_no_genesis_of_version_2_is_refused(genesis: File, page: Page, tmp_path: Path) -> None:
    case = CASE.changed("genesis", genesis.data)
    assert agreed(page, case, tmp_path) == "refused"
    assert [file for file, _ in judged(page, case).refused] == ["genesis"]


def test_another_ml_dsa_key_in_genesis_refuses_the_checkpoints(page: Page, tmp_path: Path) -> None:
    case = CASE.changed("genesis", genesis_of(MLDSA, f"{'A' if MLDSA[0] != 'A' else 'B'}{MLDSA[1:]}").data)
    assert agreed(page, case, tmp_path) == "refused"
    assert "no line by the ML-DSA-44 key" in dict(judged(page, case).refused)["0.tlog-proof"]
