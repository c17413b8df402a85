"""Verifies proofs: finds the event of each, its strand, and its place in the super-log.

All files are verified under one genesis. No file says which event it is about: files are matched by hash,
and the signature of the checkpoint names the log of a proof.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from carevouch.events.catalogue import OPERATOR
from carevouch.events.certificate import (
    CERT_TYP,
    Certificate,
    parse_certificate,
    verify_certificate,
    verify_event,
)
from carevouch.events.envelope import EVENT_TYP, parse_event, strand_of
from carevouch.events.epoch import check_ordered, parse_epoch_data
from carevouch.events.genesis import Genesis
from carevouch.events.opening import ProvedRevision, parse_opening, verify_opening
from carevouch.events.seal import EPOCH, parse_seal, verify_seal
from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.kernel.jws import take_apart
from carevouch.ledger.chain import entry_above, matching
from carevouch.ledger.checkpoint import SUPER, Checkpoint, log_origin, parse_checkpoint, strand_of_origin
from carevouch.ledger.merkle import InclusionFault, leaf_hash, verify_inclusion
from carevouch.ledger.note import parse_note
from carevouch.ledger.proof import TlogProof, parse
from carevouch.verifier.consent import check_consent
from carevouch.verifier.mismatch import Mismatch, naming

if TYPE_CHECKING:
    from carevouch.ledger.policy import QuorumReport

# The first byte of a COSE receipt (CBOR tag 18), with which no text begins.
COSE_START = b"\xd2"
# What may stand in the log, with the openings of it that were given.
Entries = Mapping[str, Sequence[tuple[str, ProvedRevision]]]


@dataclass(frozen=True, slots=True)
class ProofFiles:
    """The bytes of the given files, by kind and by name."""

    proofs: Mapping[str, bytes]
    openings: Mapping[str, bytes]
    entries: Mapping[str, bytes]
    certificates: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class SuperLogPlace:
    """The place of a strand's checkpoint in the super-log."""

    file: str
    index: int
    checkpoint: Checkpoint
    proof: TlogProof


@dataclass(frozen=True, slots=True)
class ProvedEntry:
    """A verified proof with its entry. `proof` is None for a COSE receipt."""

    file: str
    index: int
    checkpoint: Checkpoint
    proof: TlogProof | None
    strand: int
    entry: str
    openings: tuple[tuple[str, ProvedRevision], ...]
    above: tuple[SuperLogPlace, ...] = ()
    witnessed: "QuorumReport | None" = None

    @property
    def checkpoints(self) -> list[tuple[str, Checkpoint, TlogProof]]:
        """The signed checkpoints that cover the entry, each with its file and proof."""
        own = [] if self.proof is None else [(self.file, self.checkpoint, self.proof)]
        return [*own, *((above.file, above.checkpoint, above.proof) for above in self.above)]


def prove(files: ProofFiles, genesis: Genesis) -> list[ProvedEntry]:
    """The entry that each proof proves; raises `Mismatch` for the first file that does not match."""
    entries = read_entries(files, genesis)
    shown: list[ProvedEntry] = []
    above: list[tuple[str, TlogProof]] = []
    for name, data in files.proofs.items():
        with naming(name):
            if data.startswith(COSE_START):
                shown.append(_by_receipt(name, data, genesis, entries))
                continue
            proof = parse(data)
            if parse_checkpoint(parse_note(proof.checkpoint).text).origin == _super(genesis):
                above.append((name, proof))
            else:
                shown.append(_by_proof(name, proof, genesis, entries))
    for name, proof in above:
        with naming(name):
            shown = _chained(name, proof, genesis, shown)
    _check_all_used(shown, entries)
    return shown


def read_entries(files: ProofFiles, genesis: Genesis) -> Entries:
    """The verified entries that proofs may be about: the events of openings, and bare entries."""
    entries: dict[str, list[tuple[str, ProvedRevision]]] = {}
    for name, data in files.openings.items():
        with naming(name):
            proved = verify_opening(parse_opening(data), genesis, check_consent)
            entries.setdefault(proved.event.text, []).append((name, proved))
    certificates: dict[str, Certificate] = {}
    for name, data in files.certificates.items():
        with naming(name):
            certificate = parse_certificate(_ascii(data))
            verify_certificate(certificate, genesis)
            certificates[certificate.kid] = certificate
    for name, data in files.entries.items():
        with naming(name):
            entries.setdefault(_entry(_ascii(data), genesis, certificates), [])
    return entries


def _by_proof(name: str, proof: TlogProof, genesis: Genesis, entries: Entries) -> ProvedEntry:
    """The entry that a proof in a strand proves."""
    origin = parse_checkpoint(parse_note(proof.checkpoint).text).origin
    strand = _strand(origin, genesis)
    # The super-log holds a strand's checkpoint with one line; the strand's own note has all its lines.
    is_entry = len(parse_note(proof.checkpoint).lines) == 1
    open_note = genesis.keys.open if is_entry else genesis.keys.open_published
    head = open_note(proof.checkpoint, origin)
    texts = _texts(entries)
    if len(texts) == 1:  # Then what does not match can be said.
        verify_inclusion(proof.index, head.size, leaf_hash(texts[0].encode()), proof.path, head.root)
    found = matching(proof, head, [text.encode() for text in texts])
    if not found:
        raise IntegrityFault("this proof is about another event than the given ones")
    text = texts[found[0]]
    _check_strand(text, strand, genesis)
    return ProvedEntry(name, proof.index, head, proof, strand, text, tuple(entries[text]))


def _by_receipt(name: str, data: bytes, genesis: Genesis, entries: Entries) -> ProvedEntry:
    """The entry that a COSE receipt of inclusion in a strand proves."""
    # CBOR is imported only for receipts.
    from carevouch.ledger import cose

    strand = _strand(cose.parse_receipt(data).statement.origin, genesis)
    texts = _texts(entries)
    for text in texts:
        try:
            head, index = cose.verify_inclusion_receipt(data, leaf_hash(text.encode()), genesis.seal)
        except (cose.ReceiptFault, InclusionFault):
            if len(texts) == 1:
                raise
            continue
        _check_strand(text, strand, genesis)
        return ProvedEntry(name, index, head, None, strand, text, tuple(entries[text]))
    raise IntegrityFault("this receipt is about another event than the given ones")


def _chained(
    name: str, proof: TlogProof, genesis: Genesis, shown: Sequence[ProvedEntry]
) -> list[ProvedEntry]:
    """The entries, each with the place of its checkpoint in the super-log, if a proof gives one."""
    head = genesis.keys.open_published(proof.checkpoint, _super(genesis))
    below = [(one, one.proof) for one in shown if one.proof is not None]
    if not below:
        raise IntegrityFault(
            "this proves a strand's checkpoint: give the proof of the event in its strand too"
        )
    heads = [entry_above(own, genesis.keys.verifier(one.checkpoint.origin)) for one, own in below]
    proved = [below[at][0] for at in matching(proof, head, heads)]
    if not proved:
        raise IntegrityFault("this is about another checkpoint than those of the given proofs")
    place = SuperLogPlace(name, proof.index, head, proof)
    return [replace(one, above=(*one.above, place)) if one in proved else one for one in shown]


def _strand(origin: str, genesis: Genesis) -> int:
    strand = strand_of_origin(genesis.origin, origin)
    if strand >= genesis.strand_count:
        raise IntegrityFault(
            f"the checkpoint is of strand {strand}, there are {genesis.strand_count}; "
            "if more were opened since, give the --epochs"
        )
    return strand


def _check_strand(text: str, strand: int, genesis: Genesis) -> None:
    """Raise unless an event belongs to this strand, by its epoch."""
    if take_apart(text).typ != EVENT_TYP:
        return
    event = parse_event(text)
    epoch = genesis.epoch_of(event.epoch)
    if epoch is None:
        raise IntegrityFault(f"the event is of epoch {event.epoch}; give the file epochs with --epochs")
    if strand_of(event.id, epoch.strands) != strand:
        raise IntegrityFault("the event belongs to another strand than the proof's")


def _texts(entries: Entries) -> list[str]:
    if not entries:
        raise IntegrityFault("a proof holds only hashes: give the event's --opening, or the --entry itself")
    return list(entries)


def _check_all_used(shown: Sequence[ProvedEntry], entries: Entries) -> None:
    proved = {item.entry for item in shown}
    for text, openings in entries.items():
        if text not in proved:
            name = openings[0][0] if openings else "an entry"
            raise Mismatch(f"{name}: none of the proofs given shows its event in the log")


def _super(genesis: Genesis) -> str:
    return log_origin(genesis.origin, SUPER)


def _ascii(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed("the entry is not ASCII, so it is not an entry of a log") from error


def _entry(text: str, genesis: Genesis, certificates: Mapping[str, Certificate]) -> str:
    """A bare entry, verified. Its own statement of the signer is never trusted."""
    typ = take_apart(text).typ
    if typ == EVENT_TYP:
        event = parse_event(text)
        if event.producer != OPERATOR and event.kid not in certificates:
            raise IntegrityFault("give the --certificate of the event's key, or the event's --opening")
        verify_event(event, certificates.get(event.kid), genesis)
    elif typ == CERT_TYP:
        verify_certificate(parse_certificate(text), genesis)
    else:
        seal = parse_seal(text)
        verify_seal(seal, genesis)
        if seal.type == EPOCH:
            check_ordered(parse_epoch_data(seal.data), genesis)
    return text
