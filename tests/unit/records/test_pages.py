"""Pages hold every item once and are never too large. Cursors take only their own forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carevouch.kernel.encoding import b64u
from carevouch.kernel.errors import Invalid
from carevouch.records.pages import MAX_COUNT, MAX_PAGE_BYTES, Cursor, cut, page_size, read_cursor

NAMES = st.lists(st.from_regex(r"[a-z2-7]{4}", fullmatch=True), unique=True, max_size=60)


def walk(items: list[str], count: int, *, by_name: bool, size: int = 1) -> list[list[str]]:
    pages, cursor = [], Cursor()
    while True:
        page = cut(items, cursor, count, name=str, size=lambda _item: size, by_name=by_name)
        pages.append(list(page.items))
        if page.next is None:
            return pages
        cursor = read_cursor(page.next)


@given(names=NAMES, count=st.integers(1, 70), by_name=st.booleans())
def test_every_item_is_on_exactly_one_page(names: list[str], count: int, by_name: bool) -> None:
    items = sorted(names) if by_name else names
    pages = walk(items, count, by_name=by_name)
    assert [item for page in pages for item in page] == items
    assert all(len(page) <= count for page in pages)
    assert all(pages[:-1])


@given(names=NAMES, size=st.integers(1, MAX_PAGE_BYTES * 2))
def test_a_page_is_never_too_large_and_never_empty_before_the_end(names: list[str], size: int) -> None:
    items = sorted(names)
    for page in walk(items, MAX_COUNT, by_name=True, size=size)[: -1 if items else None]:
        assert len(page) == 1 or len(page) * size <= MAX_PAGE_BYTES
        assert page or not items


@given(names=NAMES.filter(lambda names: len(names) > 2), more=NAMES, gone=st.data())
def test_by_name_nothing_that_stays_is_lost_or_seen_twice(
    names: list[str], more: list[str], gone: st.DataObject
) -> None:
    items = sorted(names)
    first = cut(items, Cursor(), 2, name=str, size=len)
    left = gone.draw(st.sets(st.sampled_from(items)))
    later = sorted((set(items) - left) | set(more))
    assert first.next is not None
    rest = cut(later, read_cursor(first.next), 1000, name=str, size=len)
    assert set(items) - left <= set(first.items) | set(rest.items)
    assert not set(first.items) & set(rest.items)


def test_a_page_of_none_is_a_count_alone() -> None:
    assert cut(["a", "b"], Cursor(), 0, name=str, size=len) == cut([], Cursor(), 9, name=str, size=len)


@pytest.mark.parametrize(("text", "count"), [(None, 50), ("0", 0), ("7", 7), ("200", 200), ("201", 200)])
def test_a_page_size_is_within_the_limits(text: str | None, count: int) -> None:
    assert page_size(text) == count


@pytest.mark.parametrize("text", ["", "-1", "1.5", "٣", "x", "9" * 10])
def test_a_page_size_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        page_size(text)


@pytest.mark.parametrize(
    "text", ["", "x", "=", b64u(b"after:"), b64u(b"after:a b"), b64u(b"at:-1"), b64u(b"at:x"),
             b64u(b"x:1"), b64u(b"\xff"), b64u(b"after:" + b"a" * 200), "é"]
)  # fmt: skip
def test_a_cursor_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_cursor(text)
