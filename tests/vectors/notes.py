"""Vectors of what a log signs and hands out: notes, checkpoints, cosignatures, tlog-proofs, COSE receipts.

ML-DSA-44 signatures are hedged: made again, they are other bytes. So one that stands in the file stays there
for as long as it is good; should what is signed change, another takes its place for all to see.
"""

import json
from pathlib import Path
from typing import Any

from carevouch.kernel.encoding import b64u, unb64u
from carevouch.kernel.errors import IntegrityFault
from carevouch.ledger import cose
from carevouch.ledger.checkpoint import SUPER, Checkpoint, log_origin, sign_checkpoint, strand_origin
from carevouch.ledger.cosignature import (
    NO_TIME,
    Ed25519CosignatureSigner,
    Ed25519Cosigner,
    Mldsa44InMemory,
    MldsaCosignatureSigner,
    MldsaCosigner,
    ed25519_message,
    mldsa_message,
)
from carevouch.ledger.merkle import inclusion_path, leaf_hash, leaf_hashes, root
from carevouch.ledger.note import (
    Ed25519InMemory,
    Ed25519Line,
    NoteSigner,
    Verifier,
    sign_note_with,
)
from carevouch.ledger.proof import TlogProof, render
from tests.vectors.seed import LOG, MLDSA, ORIGIN, Rows, derived, key
from tests.vectors.trees import consistency, entries, inclusion, leaves

HEDGED = Path(__file__).parent / "hedged.json"
WITNESS = "witness.example/w1"
WITNESS_ED = Ed25519InMemory(derived("witness"))
WITNESS_ML = Mldsa44InMemory(derived("witness, ML-DSA-44"))
STRAND, SUPERLOG = strand_origin(ORIGIN, 0), log_origin(ORIGIN, SUPER)
# Seconds since the epoch: 2026-11-22T10:00:05Z.
COSIGNED = 1_795_341_605


def head(size: int) -> Checkpoint:
    """The strand at that size, its entries those of `trees`."""
    return Checkpoint(STRAND, size, root(leaves(size)))


def notes() -> Rows:
    """Texts under one key and under two: with empty lines, and with more than ASCII."""
    rows: Rows = []
    first, second = Ed25519Line("log.example/å", LOG), Ed25519Line(WITNESS, WITNESS_ED)
    for text in ("one line\n", "two\n\nlines\n", "Ünï \U0001f600\n"):
        for signers in ([first], [first, second]):
            vkeys = [Verifier(each.name, each.key.public).vkey for each in signers]
            rows.append({"text": text, "vkeys": vkeys, "note": sign_note_with(text, signers).decode("utf-8")})
    return rows


def checkpoints() -> Rows:
    """The strand's signed checkpoints, of nothing and of several sizes."""
    rows: Rows = []
    for size in (0, 1, 20, 257):
        tree = head(size)
        rows.append(
            {
                "vkey": Verifier(STRAND, LOG.public).vkey,
                "origin": STRAND,
                "size": size,
                "root": b64u(tree.root),
                "note": sign_checkpoint(tree, LOG).decode("utf-8"),
            }
        )
    return rows


def cosignatures() -> Rows:
    """A witness's Ed25519 cosignature: what is signed, and the line."""
    text = head(20).text
    line = Ed25519CosignatureSigner(WITNESS, WITNESS_ED, lambda: COSIGNED).line(text)
    return [
        {
            "vkey": Ed25519Cosigner(WITNESS, WITNESS_ED.public).vkey,
            "time": COSIGNED,
            "text": text,
            "message": b64u(ed25519_message(text, COSIGNED)),
            "line": line.text,
        }
    ]


def hedged() -> Rows:
    """ML-DSA-44 lines: the log's own, which states no time, and a witness's."""
    return [_hedged(STRAND, MLDSA, NO_TIME), _hedged(WITNESS, WITNESS_ML, COSIGNED)]


def _hedged(name: str, signer: NoteSigner, time: int) -> dict[str, Any]:
    text, cosigner = head(20).text, MldsaCosigner(name, signer.public)
    row = {
        "vkey": cosigner.vkey,
        "time": time,
        "text": text,
        "message": b64u(mldsa_message(text, name, time)),
    }
    signature = _kept(row)
    try:
        cosigner.verify(text.encode("utf-8"), signature)
    except IntegrityFault:
        signature = MldsaCosignatureSigner(name, signer, lambda: time).line(text).signature
    return {**row, "signature": b64u(signature)}


def _kept(row: dict[str, Any]) -> bytes:
    """The signature that stands in the file beside just these inputs."""
    rows: Rows = json.loads(HEDGED.read_text("ascii")) if HEDGED.exists() else []
    found = (old for old in rows if {name: old.get(name) for name in row} == row)
    return unb64u(next(found, {"signature": ""})["signature"])


def proofs() -> Rows:
    """tlog-proofs of entries of the strand, and of its checkpoint in the super-log: a chain of two proofs."""
    note = sign_checkpoint(head(20), LOG)
    others = [sign_checkpoint(Checkpoint(strand_origin(ORIGIN, k), k, root(leaves(k))), LOG) for k in (1, 2)]
    heads = [others[0], note, others[1]]
    above = Checkpoint(SUPERLOG, len(heads), root(leaf_hashes(heads)))
    super_note = sign_checkpoint(above, LOG)
    found = [
        (STRAND, entries(20)[index], TlogProof(index, tuple(inclusion(index, 20)), note))
        for index in (0, 13, 19)
    ]
    found.append((STRAND, b"entry 0", TlogProof(0, (), sign_checkpoint(head(1), LOG), b"some extra data")))
    found.append((SUPERLOG, note, TlogProof(1, tuple(inclusion_path(leaf_hashes(heads), 1)), super_note)))
    return [_proof(*each) for each in found]


def _proof(origin: str, entry: bytes, proof: TlogProof) -> dict[str, Any]:
    return {
        "vkey": Verifier(origin, LOG.public).vkey,
        "entry": b64u(entry),
        "index": proof.index,
        "proof": render(proof).decode("utf-8"),
    }


def receipts() -> Rows:
    """COSE receipts under one signed head: of entries, and of earlier checkpoints."""
    signer = key("seal")
    signed = cose.sign_head(head(20), signer)
    rows: Rows = [{"kind": "head", "bytes": b64u(cose.render_head(signed))}]
    for index in (0, 13, 19):
        data = cose.inclusion_receipt(signed, index, inclusion(index, 20))
        leaf = leaf_hash(entries(20)[index])
        rows.append({"kind": "inclusion", "index": index, "leaf": b64u(leaf), "bytes": b64u(data)})
    for old in (1, 8, 13):
        data = cose.consistency_receipt(signed, old, consistency(old, 20))
        old_root = root(leaves(old))
        rows.append({"kind": "consistency", "old": old, "old_root": b64u(old_root), "bytes": b64u(data)})
    facts = {"jwk": signer.jwk, "origin": STRAND, "size": 20, "root": b64u(head(20).root)}
    return [{**facts, **row} for row in rows]


FILES = {
    "notes": notes,
    "checkpoints": checkpoints,
    "cosignatures": cosignatures,
    "hedged": hedged,
    "proofs": proofs,
    "receipts": receipts,
}
