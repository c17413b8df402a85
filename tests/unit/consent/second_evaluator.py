"""A second evaluator of decision cases, straight from the raw line, sharing no code with the product.

It is slow and literal on purpose. It uses Kleene logic on {1, 0, -1} = {true, unknown, false}. It compares
dates by string padding, and writes the trees out as pairs.
"""

import calendar
from typing import Any

_IS_A = {
    "SYSDEV": "HOPERAT", "HTEST": "SYSDEV", "CLMATTCH": "HPAYMT", "CLINTRCH": "HRESCH",
    "CLINTRCHPC": "CLINTRCH", "CLINTRL": "TREAT", "COC": "TREAT", "ETREAT": "TREAT",
    "BTG": "ETREAT", "ERTREAT": "ETREAT",
}  # fmt: skip
_COVERED_BY = {
    "PSY": ["SPI"], "BH": ["SPI"], "SUD": ["SPI", "ETH"], "ETHUD": ["SUD", "ETH"], "OPIOIDUD": ["SUD", "ETH"],
}  # fmt: skip

_RQ = {
    "purpose": "TREAT",
    "actors": ["Practitioner/other"],
    "action": "access",
    "now": "2026-11-22T10:00:00Z",
    "btg_ok": False,
}
_RS = {
    "type": "Observation",
    "id": "Observation/1",
    "conf": "N",
    "sens": [],
    "date": "2021-05-01",
    "authors": [],
    "related": [],
    "codes": ["http://loinc.org|718-7"],
}


def permitted(raw: dict[str, Any]) -> bool:
    """Whether the case is to be permitted, by its raw line."""
    rq = {**_RQ, **raw["rq"]}
    rs = {**_RS, **raw["rs"]}
    if rq["purpose"] == "BTG" and not rq["btg_ok"]:
        return False
    said = [_consent(consent, rq, rs) for consent in raw["consents"]]
    if "deny" in said:
        return False
    if "permit" in said:
        return True
    if "outside" in said:
        return False
    return bool(raw.get("default", "deny") == "permit")


def _consent(consent: dict[str, Any], rq: dict[str, Any], rs: dict[str, Any]) -> str:
    if consent["status"] != "active":
        return "nothing"
    root = consent.get("provision", {})
    kind = root.get("type") or {"OPTIN": "permit", "OPTOUT": "deny"}.get(consent.get("policyRule", ""))
    if root.get("unknown"):
        return "deny"
    if not _now(root, rq) or not _known(_gate(root, rq), kind or "deny"):
        return "nothing"
    if kind is None:
        return "deny"
    return _eval(root, kind, rq, rs) or ("outside" if kind == "permit" else "nothing")


def _eval(clause: dict[str, Any], kind: str, rq: dict[str, Any], rs: dict[str, Any]) -> str | None:
    if clause.get("unknown") or kind == "untyped":
        return "deny"
    if not _now(clause, rq) or not _known(_gate(clause, rq), kind):
        return None
    inside = _known(_scope(clause, kind, rs), kind)
    results = []
    for child in clause.get("provision", []):
        child_kind = child.get("type", "untyped")
        not_understood = child.get("unknown") or child_kind == "untyped"
        if child_kind == kind or inside or not_understood:
            results.append(_eval(child, child_kind, rq, rs))
    for answer in ("deny", "permit"):
        if answer in results:
            return answer
    return kind if inside else None


def _known(value: int, kind: str) -> bool:
    return value == 1 or (value == 0 and kind == "deny")


def _all(values: list[int]) -> int:
    return min(values, default=1)


def _any(values: list[int]) -> int:
    return max(values, default=-1)


def _truth(value: bool) -> int:
    return 1 if value else -1


def _gate(clause: dict[str, Any], rq: dict[str, Any]) -> int:
    values = []
    if "actor" in clause:
        actors = rq["actors"]
        values.append(0 if actors is None else _truth(bool(set(actors) & set(clause["actor"]))))
    if "purpose" in clause:
        values.append(_truth(any(_is_a(rq["purpose"], code) for code in clause["purpose"])))
    if "action" in clause:
        values.append(_truth(rq["action"] in clause["action"]))
    return _all(values)


def _scope(clause: dict[str, Any], kind: str, rs: dict[str, Any]) -> int:
    values = []
    if "label" in clause:
        values.append(_any([_label(code, kind, rs) for code in clause["label"]]))
    if "class" in clause:
        values.append(_truth(rs["type"] in clause["class"]))
    if "code" in clause:
        values.append(_truth(bool(set(clause["code"]) & set(rs["codes"]))))
    if "dataPeriod" in clause:
        values.append(_data_period(clause["dataPeriod"], kind, rs))
    if "data" in clause:
        values.append(_any([_data(meaning, reference, rs) for meaning, reference in clause["data"]]))
    return _all(values)


def _label(code: str, kind: str, rs: dict[str, Any]) -> int:
    order = "ULMNRV"
    if code in order:
        if rs["conf"] is None:
            return 0
        mine, asked = order.index(rs["conf"]), order.index(code)
        return _truth(mine <= asked if kind == "permit" else mine >= asked)
    if any(_is_covered(one, code) for one in rs["sens"]):
        return 1
    return 0 if rs["conf"] is None and not rs["sens"] else -1


def _is_a(code: str, wider: str) -> bool:
    return code == wider or (code in _IS_A and _is_a(_IS_A[code], wider))


def _is_covered(code: str, wider: str) -> bool:
    return code == wider or any(_is_covered(parent, wider) for parent in _COVERED_BY.get(code, []))


def _data_period(bounds: dict[str, str], kind: str, rs: dict[str, Any]) -> int:
    if rs["date"] is None:
        return 0
    first, last = _first(rs["date"]), _last(rs["date"])
    low = _first(bounds["start"]) if "start" in bounds else "0000"
    high = _last(bounds["end"]) if "end" in bounds else "9999-12-31T23:59:59"
    return _truth(low <= first and last <= high if kind == "permit" else not (last < low or high < first))


def _data(meaning: str, reference: str, rs: dict[str, Any]) -> int:
    if meaning == "authoredby":
        return _truth(reference in rs["authors"])
    return _truth(reference == rs["id"] or (meaning != "instance" and reference in rs["related"]))


def _now(clause: dict[str, Any], rq: dict[str, Any]) -> bool:
    bounds, now = clause.get("period", {}), rq["now"].rstrip("Z")
    low = "start" not in bounds or _first(bounds["start"]) <= now
    return low and ("end" not in bounds or now <= _last(bounds["end"]))


def _first(text: str) -> str:
    text = text.rstrip("Z")
    return text + "0000-01-01T00:00:00"[len(text) :]


def _last(text: str) -> str:
    text = text.rstrip("Z")
    if len(text) == 7:
        text += f"-{calendar.monthrange(int(text[:4]), int(text[5:]))[1]}"
    return text + "0000-12-31T23:59:59"[len(text) :]
