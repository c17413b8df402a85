"""The page in a headless Chromium, and the command beside it, asked about the same files.

Playwright drives the browser that Debian packages and never downloads one. Without it, tests skip and say so.
"""

import base64
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from carevouch.cli.app import main
from carevouch.ledger.cosignature import MLDSA44_SIGNATURE
from tests.service.ledger.evidence import Case

CHROMIUM = Path("/usr/bin/chromium")
# Bytes flipped in each file, at places that the seed draws.
PLACES, SEED = 64, 3
# The base64 of a key id, a time and an ML-DSA-44 signature; the last two no browser can check.
_MLDSA_LENGTH = -(-(4 + 8 + MLDSA44_SIGNATURE) // 3) * 4
_MLDSA = re.compile(rb"\xe2\x80\x94 [^ \n]+ [A-Za-z0-9+/]{5}([A-Za-z0-9+/=]{%d})\n" % (_MLDSA_LENGTH - 5))
# Nothing that the browser does on its own account: no updates, no first-run calls.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS = {kind: f"--{kind}" for kind in ("opening", "entry", "certificate", "policy", "epochs")}
_JUDGE = """async ([base, key, changes]) => {
  const answers = [];
  for (const change of changes) {
    const files = base.map(({ name, data }) => ({ name, bytes: unb64(change[name] ?? data, name) }));
    const { verdict, findings, missing, accounts } = await judge(files, change.key ?? key);
    const words = accounts.map((one) =>
      accountWords(one, "log").flatMap(([, lines]) => lines.filter(isText)));
    const of = (wanted) =>
      findings.filter(({ state }) => state === wanted).map((one) => [one.file, one.sentence]);
    answers.push({ verdict, missing, refused: of(REFUSED), held: of(HELD), words: words.flat() });
  }
  return answers;
}"""


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """The page's answer.

    `refused` and `held` are (file, sentence), and `words` the sentences of the accounts.
    """

    verdict: str
    missing: list[str]
    refused: list[tuple[str, str]]
    held: list[tuple[str, str]]
    words: list[str]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's browser; skips the test where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


def judged(page: Page, case: Case) -> PageAnswer:
    """The page's verdict on a case."""
    return all_judged(page, case, [{}])[0]


def all_judged(page: Page, case: Case, changes: Sequence[dict[str, bytes | str]]) -> list[PageAnswer]:
    """The verdict on the case with each of these changes: other bytes by file name, another key as `key`."""
    base = [{"name": file.name, "data": _text(file.data)} for file in case.files]
    texts = [{name: _text(data) for name, data in change.items()} for change in changes]
    answers: list[dict[str, Any]] = page.evaluate(_JUDGE, [base, case.key, texts])
    return [
        PageAnswer(
            one["verdict"],
            one["missing"],
            [(name, sentence) for name, sentence in one["refused"]],
            [(name, sentence) for name, sentence in one["held"]],
            one["words"],
        )
        for one in answers
    ]


def agreed(page: Page, case: Case, folder: Path) -> str:
    """The page's verdict, after asserting that the command accepts exactly what the page verifies."""
    answer = judged(page, case)
    assert (answer.verdict == "verified") == accepted(case, folder), answer
    return answer.verdict


def accepted(case: Case, folder: Path) -> bool:
    """Whether `carevouch verify` accepts the case."""
    for file in case.files:
        (folder / file.name).write_bytes(file.data)
    proved = [str(folder / file.name) for file in case.files if file.kind in ("proof", "super")]
    words = ["verify", *proved, "--key", case.key, "--genesis", str(folder / "genesis")]
    for file in case.files:
        if file.kind in FLAGS:
            words += [FLAGS[file.kind], str(folder / file.name)]
    return main(words) == 0


def flips(data: bytes, *, blind: bool = False) -> list[bytes]:
    """The data with one byte changed at seeded places: never, or only if `blind`, in unchecked bytes."""
    unseen = {at for found in _MLDSA.finditer(data) for at in range(*found.span(1))}
    drawn, broken = random.Random(SEED), []  # noqa: S311 - places to try, no secret
    for at in drawn.sample([at for at in range(len(data)) if (at in unseen) == blind], PLACES):
        broken.append(data[:at] + bytes([data[at] ^ drawn.randrange(1, 256)]) + data[at + 1 :])
    return broken


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else base64.b64encode(data).decode()
