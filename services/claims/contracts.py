"""Benefit contracts: the payer that a contract names registers it under its signature, and its hash names it.

A repeated registration changes nothing and gets the same answer. A contract is never edited or removed,
because decisions name its hash. A correction is another contract, for days without one.
"""

import re

from carevouch.claims.contract import Contract, parse_contract, verify_contract
from carevouch.claims.lint import lint
from carevouch.door.access import receipt_headers, receipt_json
from carevouch.door.http import HttpRequest, Reply
from carevouch.identity.caller import PAYER, Caller
from carevouch.kernel.canonical import JsonObject, jcs
from carevouch.kernel.encoding import unb64u
from carevouch.kernel.errors import DomainError, Forbidden, IntegrityFault, Invalid, NotFound
from carevouch.kernel.ids import Doc, parse_doc
from carevouch.kernel.jsontext import parse
from carevouch.kernel.jws import Jwk, take_apart, thumbprint
from carevouch.store.documents import (
    ActPlan,
    ActRequest,
    CommittedAct,
    Draft,
    StoredAnswer,
    StoredRevision,
)
from services.claims.inputs import (
    CONTRACT,
    MAX_CONFLICTS,
    ContractsOverlap,
    contract_doc,
    plan_draft,
    read_contract,
)
from services.claims.ports import Ports

_HASH = re.compile(r"[0-9a-f]{64}")
_NO_SUCH = "no such contract; name it by its SHA-256 in hex, or by the id of its document"


def register(request: HttpRequest, ports: Ports) -> Reply:
    """POST /claims/contracts with contract and signature: 201, or 200 if it is already registered."""
    caller = ports.access.caller(request)
    caller.require_role(PAYER)
    caller.require_scope(CONTRACT, "c")
    data, signature = _posted(request)
    contract = parse_contract(data)
    if contract.terms.payer != caller.reference:
        raise Forbidden(f"contract.payer must be the payer that registers it, {caller.reference}")
    key = _key(take_apart(signature).kid, caller, ports)
    try:
        verify_contract(signature, key, data)
    except IntegrityFault as fault:
        raise Forbidden(f"the contract is not signed by its payer: {fault.message}") from fault
    doc = contract_doc(contract.hash, ports)
    # The hash names the document, so a repeated registration meets it with or without an Idempotency-Key.
    retriable = ActRequest(caller.id, None, request.content())
    attempts = ports.store.writer.attempts(retriable, doc, max_conflicts=MAX_CONFLICTS)
    committed = None
    for _ in attempts:
        with attempts:
            known = ports.store.reader.find(doc)
            if known is not None:
                committed = _committed(known)
                break
            try:
                plan = plan_draft(contract, doc, ports)
            except ContractsOverlap:
                # The contract in force on these days may be this one, registered a moment ago.
                known = ports.store.reader.find(doc)
                if known is None:
                    raise
                committed = _committed(known)
                break
            # The terms themselves are stored, so that their canonical bytes come out again.
            filed = {"v": 1, "contract": parse(data, "the contract"), "signature": signature}
            drafts = (Draft(doc, jcs(filed)), plan)
            answer = StoredAnswer(201, (str(doc),))
            attempts.append(ActPlan("contract.registered", drafts, answer, contract=contract.hash))
    committed = committed or attempts.committed
    where = f"{ports.store.base_url}/claims/contracts/{contract.hash}"
    warnings = [
        {"code": finding.code, "where": finding.where, "message": finding.message}
        for finding in lint(contract)
    ]
    body = {**_summary(contract, doc), "warnings": warnings, **receipt_json(committed)}
    return Reply(committed.answer.status, body, {"Location": where, **receipt_headers(committed)})


def show(request: HttpRequest, ports: Ports) -> Reply:
    """GET /claims/contracts/{id}, by hash or document id, for every caller with the scope."""
    caller = ports.access.caller(request)
    caller.require_scope(CONTRACT, "r")
    stored = ports.store.reader.find(_doc(request.path["id"], ports))
    if stored is None:
        raise NotFound(_NO_SUCH)
    filed = read_contract(stored.body)
    terms = parse(filed.data, "the contract")
    body = {**_summary(filed.contract, stored.doc), "contract": terms, "signature": filed.signature}
    return Reply(200, {**body, **receipt_json(_committed(stored))})


def _posted(request: HttpRequest) -> tuple[bytes, str]:
    posted = request.object()
    if set(posted) != {"contract", "signature"} or not isinstance(posted["signature"], str):
        raise Invalid("the body must have exactly contract, and signature, which is a compact JWS")
    contract = posted["contract"]
    if isinstance(contract, str):
        return unb64u(contract, "contract"), posted["signature"]
    if not isinstance(contract, dict):
        raise Invalid("contract must be a JSON object, or its canonical bytes in base64url")
    return jcs(contract), posted["signature"]


def _key(kid: str, caller: Caller, ports: Ports) -> Jwk:
    admission = ports.access.admission(caller.id)
    for key in admission.keys if admission else ():
        if (key.get("kty"), key.get("crv")) == ("EC", "P-256") and thumbprint(key) == kid:
            return {name: str(key[name]) for name in ("kty", "crv", "x", "y")}
    raise Forbidden(
        "the signature names no P-256 key of your admission; kid is the key's RFC 7638 thumbprint"
    )


def _committed(stored: StoredRevision) -> CommittedAct:
    answer = StoredAnswer(200, (str(stored.doc),))
    return CommittedAct(stored.event.text, stored.certificate, answer, replayed=True)


def _summary(contract: Contract, doc: Doc) -> JsonObject:
    terms = contract.terms
    effective = {"start": terms.effective.start, "end": terms.effective.end}
    return {
        "hash": contract.hash,
        "document": str(doc),
        "payer": terms.payer,
        "plan": terms.plan,
        "effective": effective,
    }


def _doc(id_: str, ports: Ports) -> Doc:
    if _HASH.fullmatch(id_):
        return contract_doc(id_, ports)
    try:
        doc = parse_doc(CONTRACT, id_)
    except DomainError:
        raise NotFound(_NO_SUCH) from None
    if doc.subject is not None:
        raise NotFound(_NO_SUCH)
    return doc
