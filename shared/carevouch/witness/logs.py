"""The list of logs that a witness knows, which its operator writes as lines or JSON.

A line is `<vkey> [<url>] [audit]`. Blank lines and lines that begin with # are ignored. Several lines of one
origin name its several keys. JSON is a list of objects with `vkey`, and optionally `origin` (for logs
whose key has another name), `url` and `audit`. The URL is where the files of a deployment are served (the
folder that holds `super/` and the strands); only an audit reads it.
"""

from dataclasses import replace
from typing import Any

from carevouch.kernel.errors import Malformed
from carevouch.kernel.jsontext import parse
from carevouch.kernel.urls import require_http_address
from carevouch.ledger.checkpoint import SUPER
from carevouch.ledger.cosignature import parse_key
from carevouch.ledger.note import Verifier
from carevouch.witness.witness import WatchedLog

AUDIT = "audit"
# An ML-DSA-44 cosignature signs the length of the origin in one byte.
MAX_ORIGIN = 255
MAX_LOGS = 1_000
_MEMBERS = {"vkey", "origin", "url", AUDIT}


def parse_logs(text: str) -> list[WatchedLog]:
    """The logs that `text` names; raises `Malformed` with the wrong entry and the reason."""
    stripped = text.strip()
    entries = _from_json(stripped) if stripped.startswith("[") else _from_lines(stripped)
    if len(entries) > MAX_LOGS:
        raise Malformed(f"a witness knows at most {MAX_LOGS} keys of logs")
    logs: dict[str, WatchedLog] = {}
    for number, entry in enumerate(entries, 1):
        try:
            log = _log(entry)
            logs[log.origin] = _merged(logs[log.origin], log) if log.origin in logs else log
        except Malformed as error:
            raise Malformed(f"log {number}: {error.message}") from error
    return list(logs.values())


def audited_origin(log: WatchedLog) -> tuple[str, Verifier]:
    """The deployment's origin and the Ed25519 key of its super-log; raises `Malformed` for another log."""
    origin, slash, name = log.origin.rpartition("/")
    verifiers = [key for key in log.keys if isinstance(key, Verifier) and key.name == log.origin]
    if not slash or name != SUPER or not origin or not verifiers:
        raise Malformed(
            f"only a super-log can be audited, which is a log named <origin>/{SUPER} with an Ed25519 key"
        )
    return origin, verifiers[0]


def _log(entry: dict[str, Any]) -> WatchedLog:
    if not set(entry) <= _MEMBERS or not isinstance(entry.get("vkey"), str):
        raise Malformed("an entry must have vkey, and may have origin, url and audit")
    if not all(isinstance(entry.get(name, ""), str) for name in ("origin", "url")):
        raise Malformed("origin and url must be texts")
    key = parse_key(entry["vkey"])
    origin, url, audit = entry.get("origin", key.name), entry.get("url"), entry.get(AUDIT, False)
    if not origin or len(origin.encode("utf-8")) > MAX_ORIGIN or "\n" in origin:
        raise Malformed(f"an origin is one line of 1 to {MAX_ORIGIN} bytes")
    if not isinstance(audit, bool):
        raise Malformed("audit must be true or false")
    if url is not None:
        require_http_address(url)
    log = WatchedLog(origin, (key,), url, audit)
    if audit:
        audited_origin(log)
        if url is None:
            raise Malformed("an audited log needs a url, where its files are served")
    return log


def _merged(first: WatchedLog, second: WatchedLog) -> WatchedLog:
    if second.url not in (None, first.url) and first.url is not None:
        raise Malformed("two entries of one origin name different URLs")
    audit, url = first.audit or second.audit, first.url or second.url
    return replace(first, keys=(*first.keys, *second.keys), url=url, audit=audit)


def _from_json(text: str) -> list[dict[str, Any]]:
    entries = parse(text.encode("utf-8"), "the list of logs")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Malformed("the list of logs is not a list of objects")
    return entries


def _from_lines(text: str) -> list[dict[str, Any]]:
    lines = [line.split() for line in text.splitlines()]
    return [_from_words(words) for words in lines if words and not words[0].startswith("#")]


def _from_words(words: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"vkey": words[0]}
    rest = words[1:]
    if rest and rest[-1] == AUDIT:
        entry[AUDIT] = True
        rest = rest[:-1]
    if rest:
        entry["url"] = " ".join(rest)
    return entry
