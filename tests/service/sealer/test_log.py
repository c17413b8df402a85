"""A log when two sealers commit one and the same batch."""

from dataclasses import replace

from carevouch.ledger.merkle import leaf_hashes
from carevouch.sealing.marks import Head
from services.sealer.log import Log
from services.sealer.manifest import Manifest, SettledNumbers, commit_name
from tests.service.sealer.fakes import Cloud
from tests.unit.sealing.acts import ORIGIN, START


def test_the_same_batch_with_other_notes_beside_it_lost_the_race() -> None:
    """The head is the one that both wanted. The commit record names the batch that is applied."""
    cloud = Cloud()
    log = Log(0, f"{ORIGIN}/strand/0", cloud.world(), cloud.house.logs)
    before, entries = log.ready(), (b"an entry",)
    growth = before.head.edge.grown(leaf_hashes(entries))
    head = Head(0, growth.edge, 1, growth.levels[0][-1], START)
    first = Manifest(before.head.edge, entries, ("a mark",), (), (), head, growth)
    assert log.commit(before, first)
    record = cloud.objects.files[commit_name(0, 0)]
    assert not log.commit(before, replace(first, settled=(SettledNumbers("a key", 1, 1),)))
    assert log.commit(before, first), "a lost answer is still this sealer's own"
    assert cloud.objects.files[commit_name(0, 0)] == record
    assert log.ready().head == head
