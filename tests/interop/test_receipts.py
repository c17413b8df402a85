"""@transmute/cose accepts our COSE receipts and refuses changed ones; we accept those that it makes."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from carevouch.kernel.encoding import b64
from carevouch.kernel.errors import IntegrityFault
from carevouch.kernel.jws import KeyInMemory, key_from_seed, private_jwk
from carevouch.ledger import cose
from carevouch.ledger.checkpoint import Checkpoint
from carevouch.ledger.cose import SignedHead
from carevouch.ledger.merkle import inclusion_path, leaf_hash, root
from tests.interop.clients import Refused
from tests.interop.damage import flipped
from tests.interop.evidence import Evidence
from tests.interop.programs import javascript
from tests.unit.sealing.acts import House

pytestmark = pytest.mark.interop

SEAL = House().seal
SECRET = key_from_seed(bytes(16), "receipts that others make")


def shown(evidence: Evidence) -> dict[str, Any]:
    """A receipt of every entry under the last checkpoint, and one for every pair of checkpoints.

    @transmute/rfc9162 wants a complete old root in the proof, which RFC 9162 (section 2.1.4.1) leaves out:
    pairs with such an old size are for Go's clients alone.
    """
    heads = {size: cose.sign_head(evidence.checkpoint(size), SEAL) for size in evidence.sizes}
    last = evidence.sizes[-1]
    return {
        "jwk": SEAL.jwk | {"alg": "ES256"},
        "inclusion": [
            {
                "leaf": b64(leaf_hash(entry)),
                "root": b64(evidence.checkpoint(last).root),
                "receipt": b64(cose.inclusion_receipt(heads[last], index, evidence.inclusion[last][index])),
            }
            for index, entry in enumerate(evidence.entries)
        ],
        "consistency": [
            {
                "old": b64(evidence.checkpoint(old).root),
                "root": b64(evidence.checkpoint(new).root),
                "receipt": b64(cose.consistency_receipt(heads[new], old, path)),
            }
            for (old, new), path in evidence.consistency.items()
            if old & (old - 1)
        ],
    }


def verify(receipts: dict[str, Any], folder: Path) -> Any:
    """The counts of the client."""
    file = folder / "receipts.json"
    file.write_text(json.dumps(receipts))
    return javascript("receipts", file)


def test_every_entry_has_a_receipt_that_another_implementation_accepts(
    ours: Evidence, tmp_path: Path
) -> None:
    assert verify(shown(ours), tmp_path) == {"inclusions": 1027, "consistencies": 32}


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
@pytest.mark.parametrize("part", ["leaf", "receipt", "key"])
def test_a_changed_receipt_is_refused(kind: str, part: str, ours: Evidence, tmp_path: Path) -> None:
    receipts = shown(ours)
    receipts = {**receipts, "inclusion": [], "consistency": [], kind: receipts[kind][:1]}
    assert sum(verify(receipts, tmp_path).values()) == 1
    changed = receipts[kind][0]
    if part == "key":
        receipts["jwk"] = House().operator.jwk | {"alg": "ES256"}
    else:
        name = "old" if (kind, part) == ("consistency", "leaf") else part
        changed[name] = b64(flipped(b64decode(changed[name])))
    with pytest.raises(Refused):
        verify(receipts, tmp_path)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_receipts_that_another_implementation_makes_are_ours_but_for_the_signature(
    size: int, tmp_path: Path
) -> None:
    signer = KeyInMemory(SECRET)
    leaves = [leaf_hash(b"entry %d" % index) for index in range(size)]
    head = Checkpoint("log.example/strand/0", size, root(leaves))
    asked = {"jwk": private_jwk(SECRET) | {"alg": "ES256"}, "kid": signer.kid, "origin": head.origin}
    (tmp_path / "asked.json").write_text(json.dumps(asked | {"leaves": [b64(leaf) for leaf in leaves]}))
    made = [b64decode(receipt) for receipt in javascript("issue", tmp_path / "asked.json")]
    assert len(made) == size
    for index, receipt in enumerate(made):
        assert cose.verify_inclusion_receipt(receipt, leaves[index], signer.jwk) == (head, index)
        theirs = SignedHead(cose.sign_head(head, signer).protected, receipt[-64:])
        assert cose.inclusion_receipt(theirs, index, inclusion_path(leaves, index)) == receipt
        with pytest.raises(IntegrityFault):
            cose.verify_inclusion_receipt(flipped(receipt), leaves[index], signer.jwk)
