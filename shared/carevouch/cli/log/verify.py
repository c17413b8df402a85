"""`carevouch verify`: verifies proofs, openings and receipts, and says in plain words what they prove.

All trust starts at the one key that the caller pins. It verifies genesis and the checkpoints. Genesis
verifies certificates, and these verify events. One mismatch refuses all files.
"""

from argparse import Namespace

from carevouch.cli.files import read_bytes, read_text
from carevouch.cli.frame import NEGATIVE, OK
from carevouch.cli.log.evidence import proof_json, proof_words
from carevouch.cli.log.pinned import key_and_policy
from carevouch.events.epoch import read_epochs
from carevouch.events.opening import open_genesis
from carevouch.kernel.errors import IntegrityFault, Invalid
from carevouch.kernel.jsontext import render
from carevouch.verifier.mismatch import Mismatch, naming
from carevouch.verifier.proofs import COSE_START, ProofFiles, prove


def run(args: Namespace) -> int:
    """Verify the files, and return the exit status."""
    if not args.proofs and not args.receipt:
        raise Invalid("give a PROOF, or a --receipt with the --log that must answer it")
    if args.receipt and not args.log:
        raise Invalid("give the --log that must answer the receipt: a mirror, or the URL of /ledger")
    if not args.proofs and (args.opening or args.entry or args.certificate):
        raise Invalid("give the PROOF of the event in the opening, or of the entry")
    if args.proofs and not args.genesis:
        raise Invalid("give the --genesis, under which proofs are verified")
    try:
        key, policy = key_and_policy(args.key, args.policy)
    except IntegrityFault as fault:
        raise Mismatch(f"{args.policy}: {fault.message}") from fault
    genesis_note = read_text(args.genesis) if args.genesis else None
    receipts = {name: read_text(name) for name in args.receipt}
    # The file is empty before the first order.
    epochs = b""
    if args.epochs:
        with open(args.epochs, "rb") as file:
            epochs = file.read()
    files = _proof_files(args)
    proved = []
    if args.proofs and genesis_note is not None:
        with naming(args.genesis):
            genesis = open_genesis(genesis_note, key)
        if args.epochs:
            with naming(args.epochs):
                genesis = read_epochs(epochs, genesis)
        proved = prove(files, genesis)
        if policy is not None:
            from carevouch.verifier.quorum import witness

            proved = witness(proved, genesis, policy, args.policy)
    answer = {"verified": [proof_json(one) for one in proved]}
    accounts = [proof_words(one) for one in proved]
    status = OK
    if receipts:
        # An audit of a whole log imports far more code than a proof.
        from carevouch.cli.log.receipts import check_receipts

        checked = check_receipts(receipts, args, key, policy, genesis_note)
        answer["receipts"] = checked.json
        accounts += checked.words
        status = OK if checked.cleared else NEGATIVE
    print(render(answer).decode() if args.json else "\n\n".join("\n".join(lines) for lines in accounts))
    return status


def _proof_files(args: Namespace) -> ProofFiles:
    proofs = {}
    for name in args.proofs:
        data = read_bytes(name)
        proofs[name] = data if data.startswith(COSE_START) else read_text(name)
    return ProofFiles(
        proofs,
        {name: read_text(name) for name in args.opening},
        {name: read_text(name) for name in args.entry},
        {name: read_text(name) for name in args.certificate},
    )
