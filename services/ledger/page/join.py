"""Joins the parts in this folder into the file that the door serves, and puts their hashes into its policy.

The page is a single file, because a saved copy must work from a disk in ten years. Its content security
policy (https://www.w3.org/TR/CSP3/) allows exactly this script and this style, and no network.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent
# In the order of the page. Functions may use each other across parts; a constant stands before its uses.
SCRIPTS = (
    "formats.js",
    "encoding.js",
    "canonical.js",
    "jws.js",
    "note.js",
    "proof.js",
    "genesis.js",
    "entries.js",
    "opening.js",
    "consent.js",
    "policy.js",
    "kinds.js",
    "judge.js",
    "accounts.js",
    "words.js",
    "ui.js",
)


@cache
def verify_page() -> str:
    """The page that checks proofs: HTML, style and script in one text."""
    parts = ['"use strict";\n', *((FOLDER / name).read_text("utf-8") for name in SCRIPTS)]
    inner = {"style": (FOLDER / "style.css").read_text("utf-8"), "script": "\n".join(parts)}
    blocks = {name: f"\n{text}" for name, text in inner.items()}
    hashes = {
        f"{name}_hash": base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in blocks.items()
    }
    return Template((FOLDER / "page.html").read_text("utf-8")).substitute(blocks | hashes)
