"""A block and its revisions: the published one verifies, its nearest neighbours do not."""

from base64 import b64decode

import pytest

from carevouch.kernel.errors import IntegrityFault, Malformed
from carevouch.qldb.block import QldbBlock, check_block, findings_in, opaque, read_block
from carevouch.qldb.ion_hash import ion_hash
from carevouch.qldb.revision import Address, check_revision, read_revision
from carevouch.qldb.tree import dot
from tests.unit.qldb import aws_examples as known
from tests.unit.qldb.journals import STRAND, Ledger, blob, ledger, read


def block_of(text: str) -> QldbBlock:
    return read_block(read(text))


def codes(text: str) -> list[str]:
    return [finding.code for finding in findings_in(block_of(text))]


def test_the_published_block_verifies() -> None:
    block = block_of(known.BLOCK)
    assert list(findings_in(block)) == []
    assert block.address == Address(known.STRAND, known.NUMBER)
    assert opaque(block) == 2


def test_the_published_revision_verifies() -> None:
    revision = read_revision(read(known.REVISION))
    check_revision(revision)
    assert revision.hash == b64decode("mHVex/yjHAWjFPpwhBuH2GKXmKJjK2FBa9faqoUVNtg=")
    assert revision.transaction == "FnQeJBAicTX0Ah32ZnVtSX"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("90.25", "90.250", "revision"),
        ("2017-08-21", "2017-08-22", "revision"),
        ("version:3", "version:4", "revision"),
        ('City:"Everett"', "City:Everett", "revision"),
        ("INSERT INTO r", "INSERT INTO s", "transactionInfo"),
        ("statements:[0]", "statements:[1]", "transactionInfo"),
        ("l05LOsiKV14", "l05LOsiKV15", "entries"),
        ("7kewBXhpdb", "7kewBXhpdc", "block"),
        ("NoChM92yKR", "NoChM92yKS", "block"),
        ("y5cCBr7pOA", "y5cCBr7pOB", "entries"),
        (',sequenceNo:100},transactionId:"F', ',sequenceNo:101},transactionId:"F', "revision"),
        ('transactionId:"FnQ', 'transactionId:"GnQ', "revision"),
        ("previousBlockHash:", "note:1,previousBlockHash:", "member"),
        ("revisions:[{", "revisions:[{note:1,", "revision"),
    ],
)
def test_the_published_block_with_one_thing_changed_is_named(old: str, new: str, code: str) -> None:
    assert known.BLOCK.count(old) >= 1
    text = known.BLOCK.replace(old, new, 1)
    assert code in codes(text)
    with pytest.raises(IntegrityFault):
        check_block(block_of(text))


def test_entries_in_another_order_have_another_root_beyond_a_pair() -> None:
    """In QLDB's tree a pair has no left and right."""
    listed = known.BLOCK.partition("entriesHashList:[")[2].partition("]")[0]
    one, two, three, four = listed.split(",")
    swapped = known.BLOCK.replace(listed, ",".join((two, one, three, four)))
    assert swapped != known.BLOCK
    assert codes(swapped) == []
    assert codes(known.BLOCK.replace(listed, ",".join((one, three, two, four)))) == ["entries"]


@pytest.mark.parametrize("number", range(6))
def test_an_honest_block_verifies(number: int) -> None:
    assert codes(ledger().blocks[number]) == []


def test_redacted_deleted_and_hash_only_revisions_are_told_apart() -> None:
    block = block_of(ledger().blocks[4])
    deleted, redacted, own = block.revisions
    assert (deleted.redacted, redacted.redacted, own.redacted) == (False, True, False)
    assert (deleted.hash_only, redacted.hash_only, own.hash_only) == (False, False, True)
    assert deleted.data is None
    assert sorted(block.infos) == ["redactionInfo", "transactionInfo"]
    assert own.transaction == ""


def test_a_redacted_revision_hashes_as_it_did_before() -> None:
    data = read('{name:"Ada Example"}')
    whole = read_revision(read(known.REVISION))
    hash_ = dot(ion_hash(whole.metadata), ion_hash(data))
    text = known.REVISION.replace("mHVex/yjHAWjFPpwhBuH2GKXmKJjK2FBa9faqoUVNtg=", blob(hash_)[2:-2])
    before, _, rest = text.partition("data:")
    metadata = rest[rest.index("metadata:") :]
    for member_text in ('data:{name:"Ada Example"}', f"dataHash:{blob(ion_hash(data))}"):
        check_revision(read_revision(read(f"{before}{member_text},{metadata}")))
    for member_text in ('data:{name:"Eve Example"}', f"dataHash:{blob(hash_)}", "data:null.struct", "note:1"):
        with pytest.raises(IntegrityFault):
            check_revision(read_revision(read(f"{before}{member_text},{metadata}")))


@pytest.mark.parametrize("data", ["", "data:null,", "data:null.struct,"])
def test_a_deleted_documents_revision_binds_that_there_is_no_data(data: str) -> None:
    metadata = '{id:"d",version:2,txId:"t"}'
    hashed = ion_hash(read(data[5:-1])) if data else b""
    text = f"{{hash:{blob(dot(ion_hash(read(metadata)), hashed))},{data}metadata:{metadata}}}"
    check_revision(read_revision(read(text)))
    with pytest.raises(IntegrityFault):
        check_revision(read_revision(read(text.replace("version:2", "version:3"))))


@pytest.mark.parametrize("more", ["data:{a:1}", "dataHash:{{AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}}"])
def test_data_without_metadata_is_refused(more: str) -> None:
    text = f"{{hash:{blob(bytes(32))},{more}}}"
    with pytest.raises(IntegrityFault, match="no metadata"):
        check_revision(read_revision(read(text)))


def test_data_beside_a_hash_in_its_place_is_refused() -> None:
    text = known.REVISION.replace("metadata:", f"dataHash:{blob(bytes(32))},metadata:")
    with pytest.raises(IntegrityFault, match="in place of"):
        check_revision(read_revision(read(text)))


def test_a_part_removed_whole_looks_like_qldbs_own_and_is_counted() -> None:
    """The limit of the format: no part says which entries ought to be explained."""
    text = ledger().blocks[2]
    info = text[text.index("transactionInfo:") : text.index("revisions:")]
    assert codes(text.replace(info, "")) == []
    assert opaque(block_of(text.replace(info, ""))) == opaque(block_of(text)) + 1
    without = text[: text.index(",revisions:")] + "}"
    assert codes(without) == []


def test_a_system_block_without_transaction_or_revisions_verifies() -> None:
    text = ledger().blocks[0]
    info = text[text.index(",transactionInfo:") :]
    block = block_of(text.replace(info, "}"))
    assert list(findings_in(block)) == []
    assert (block.infos, block.revisions) == ({}, ())


def test_one_of_two_revisions_cannot_be_left_out() -> None:
    ours = Ledger()
    ours.commit(["{a:1}", "{a:2}"])
    text = ours.blocks[0]
    second = text[text.index(",{blockAddress", text.index("revisions:")) : text.rindex(",{hash:")]
    assert codes(text.replace(second, "")) == ["revisions"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'strandId:"{STRAND}"', "strandId:1"),
        ("sequenceNo:1", "sequenceNo:-1"),
        ("blockHash:{{", "blockHash:{{AA==}},was:{{"),
        ("entriesHashList:[", "entriesHashList:[1,"),
        ("transactionId:", "transactionIds:"),
        ("blockAddress:", "blockAddress:null,was:"),
        ("revisions:[", "revisions:{}, was:["),
        ("previousBlockHash:{{", "previousBlockHash:{{AAAA}},was:{{"),
        ("revisions:[{", "revisions:[1,{"),
        ("entriesHash:", "blockHash:{{}},entriesHash:"),
    ],
)
def test_a_block_of_another_shape_is_malformed(old: str, new: str) -> None:
    text = ledger().blocks[1]
    assert old in text
    with pytest.raises(Malformed):
        block_of(text.replace(old, new, 1))


def test_an_address_says_where() -> None:
    assert str(Address("s", 7)) == "block s/7"
    assert Address("s", 9) < Address("s", 10)
