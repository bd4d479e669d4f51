"""Lists against a sorted dictionary; versions, trash, counters and the change feed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apsw
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage_service.app.backends.catalog.reading import LAST, last_of_prefix, next_prefix
from storage_service.app.core.changes import Change, DeleteBucket
from storage_service.app.core.errors import FeedGone
from storage_service.app.core.objects import TAKEN_MS, Listing, ListQuery, PageQuery, Version
from tests.support.changing import ACTOR, NOW, delete, patch, put
from tests.support.store import Store, opened

# Around every edge of UTF-8's byte order: ASCII, the last before the surrogates, the first behind, the last of all.
LETTERS = "a/bZ~\x01é\ud7ff\ue000\uffff\U00010000" + LAST
keys = st.text(LETTERS, min_size=1, max_size=6)
prefixes = st.text(LETTERS, max_size=2)


@given(st.sets(keys, max_size=30), prefixes)
def test_next_prefix_is_the_first_string_behind_all_that_begin_with_it(names: set[str], prefix: str) -> None:
    end = next_prefix(prefix)
    assert (end is None) == (not prefix.strip(LAST))
    for name in names:
        if name.startswith(prefix):
            assert end is None or name < end
            assert name <= last_of_prefix(prefix)
        elif name > prefix:
            assert end is not None and name >= end
            assert name > last_of_prefix(prefix)


def test_byte_order_is_code_point_order() -> None:
    assert sorted(LETTERS) == sorted(LETTERS, key=str.encode)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Bucket 1 to be filled, bucket 2 with a stranger's object."""
    with opened(tmp_path_factory.mktemp("shelf") / "data") as store:
        store.bucket()
        store.bucket("other")
        store.put(2, "a/stranger")
        yield store


def pages(store: Store, query: ListQuery) -> Iterable[Listing]:
    """All pages; a cursor that does not grow fails instead of running for ever."""
    while True:
        page = store.reader.list_keys(1, query, NOW)
        yield page
        if page.cursor is None:
            return
        assert page.cursor > query.after
        query = ListQuery(query.prefix, query.delimiter, page.cursor, query.limit)


def model(names: Iterable[str], query: ListQuery) -> tuple[list[str], list[str]]:
    """(keys, common prefixes) behind the cursor, sorted."""
    shown, rolled = [], set()
    for name in sorted(names):
        if not name.startswith(query.prefix) or name <= query.after:
            continue
        rest = name[len(query.prefix) :]
        head, found, _ = rest.partition(query.delimiter) if query.delimiter else (rest, "", "")
        common = query.prefix + head + found
        if not found:
            shown.append(name)
        elif query.after != common:
            rolled.add(common)
    return shown, sorted(rolled)


queries = st.builds(
    ListQuery,
    prefixes,
    st.sampled_from(("", "/", "a", "/a", LAST)),
    st.one_of(st.just(""), keys),
    st.integers(1, 5),
)


@settings(max_examples=150)
@given(st.sets(keys, max_size=25), st.sets(keys, max_size=3), queries)
@example({LAST, LAST * 2, "a" + LAST}, set(), ListQuery(LAST, LAST, "", 1))
@example({"a/b", "a/c", "a", "b/"}, {"a/d"}, ListQuery("", "/", "a/b", 1))
def test_pages_of_a_list_join_to_what_a_sorted_dictionary_says(
    shelf: Store, names: set[str], expired: set[str], query: ListQuery
) -> None:
    while not shelf.settling.clear_bucket(1):
        pass
    changes: list[Change] = [put(1, name) for name in names - expired]
    shelf.commit_all(changes + [put(1, name, expires_ms=NOW) for name in expired])
    got = list(pages(shelf, query))
    listed = [version.key for page in got for version in page.versions]
    rolled = [common for page in got for common in page.prefixes]
    assert (listed, rolled) == model(names - expired, query)
    assert all(len(page.versions) + len(page.prefixes) == query.limit for page in got[:-1])
    assert len(got[-1].versions) + len(got[-1].prefixes) <= query.limit


@pytest.mark.parametrize("search", ["ÜBER", "über", "u\u0308ber", "ŒUVRE/ÉT", "été"])
def test_search_ignores_case_in_any_script(store: Store, search: str) -> None:
    store.bucket()
    for key in ("œuvre/été über alle Straße", "ΑΘΗΝΑ", "plain"):
        store.put(1, key)
    found, count = store.reader.page(1, PageQuery(search=search), NOW)
    assert ([version.key for version in found], count) == (["œuvre/été über alle Straße"], 1)
    assert store.reader.page(1, PageQuery(search="αθηνα"), NOW)[1] == 1


def test_page_of_nothing(store: Store) -> None:
    store.bucket()
    store.put(1, "a")
    assert store.reader.list_keys(1, ListQuery(limit=0), NOW) == Listing(())
    assert store.reader.list_keys(9, ListQuery(), NOW) == Listing(())


@pytest.mark.parametrize(
    ("query", "expected", "total"),
    [
        (PageQuery(), ["a/1", "a/2", "b"], 3),
        (PageQuery(descending=True), ["b", "a/2", "a/1"], 3),
        (PageQuery(sort="size"), ["b", "a/1", "a/2"], 3),
        (PageQuery(sort="size", descending=True), ["a/2", "a/1", "b"], 3),
        (PageQuery(sort="created_at"), ["a/2", "b", "a/1"], 3),
        (PageQuery(sort="type", descending=True), ["b", "a/1", "a/2"], 3),
        (PageQuery(prefix="a/"), ["a/1", "a/2"], 2),
        (PageQuery(search="B"), ["b"], 1),
        (PageQuery(search="/"), ["a/1", "a/2"], 2),
        (PageQuery(search="%"), [], 0),
        (PageQuery(offset=1, limit=1), ["a/2"], 3),
        (PageQuery(offset=9), [], 3),
    ],
)
def test_sorted_and_searched_pages(store: Store, query: PageQuery, expected: list[str], total: int) -> None:
    store.bucket()
    store.put(1, "b", b"1", at_ms=NOW + 1, doc='{"content_type":"text/x"}')
    store.put(1, "a/1", b"22", at_ms=NOW + 2, doc='{"content_type":"image/png"}')
    store.put(1, "a/2", b"333", at_ms=NOW, doc='{"content_type":"image/png"}')
    store.put(1, "expired", b"1", expires_ms=NOW)
    found, count = store.reader.page(1, query, NOW)
    assert ([version.key for version in found], count) == (expected, total)


def ids(versions: Iterable[Version]) -> list[str]:
    return [version.version_id for version in versions]


def test_versions_newest_first_and_with_the_trash_those_that_can_come_back(store: Store) -> None:
    store.bucket(versioning="on")
    first, second = store.put(1, "k"), store.put(1, "k")
    marker = store.version(delete(1, "k"))
    store.commit(delete(1, "k", first.version_id))
    assert ids(store.reader.versions(1, "k")) == ids([marker, second])
    assert ids(store.reader.versions(1, "k", trash=True)) == ids([marker, second, first])
    store.settling.take_dead([first])
    assert ids(store.reader.versions(1, "k", trash=True)) == ids([marker, second])


def test_version_is_found_wherever_it_stands_and_under_its_own_key_only(store: Store) -> None:
    store.bucket(versioning="on")
    versions = [store.put(1, "k", b"one"), store.put(1, "k", b"two")]
    for version in versions:
        found = store.reader.find_version(1, "k", version.version_id)
        assert found is not None and found.version == version and found.body == version.etag.encode()
        assert store.reader.find_version(1, "other", version.version_id) is None
        assert store.reader.find_version(2, "k", version.version_id) is None
    assert store.reader.find_file(1, versions[0].file_id) == versions[1]
    assert store.reader.find_file(2, versions[0].file_id) is None


def test_trash_shows_the_newest_ended_version_of_each_key_that_is_gone(store: Store) -> None:
    store.bucket()
    store.put(1, "a", b"old")
    a = store.put(1, "a", b"new")
    b = store.put(1, "dir/b")
    store.put(1, "overwritten")
    store.put(1, "overwritten")
    store.commit_all([delete(1, "a"), delete(1, "dir/b")])
    trash = store.reader.trash
    assert ids(trash(1, "", "", 10)) == ids([a, b])
    assert ids(trash(1, "dir/", "", 10)) == ids([b])
    assert ids(trash(1, "", "a", 10)) == ids([b])
    assert ids(trash(1, "", "", 1)) == ids([a])
    store.put(1, "a", b"back")
    assert ids(trash(1, "", "", 10)) == ids([b])
    assert trash(2, "", "", 10) == []


# The change feed ----------------------------------------------------------------------------------------------------


def feed(store: Store, after: int = 0, limit: int = 100) -> list[tuple[int, str, str | None]]:
    return [(one.sequence, one.op, one.key) for one in store.reader.changes(after, limit)]


def test_feed_shows_what_is_settled_in_order_and_stops_at_the_first_that_is_not(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, "a"), patch(1, "a", {"tags": {"t": "1"}}), delete(1, "a")])
    assert feed(store) == []
    store.settling.mark([1, 2, 4], viewed=0)
    assert feed(store) == [(1, "bucket-put", None), (2, "put", "a")]
    store.settling.mark([3], viewed=0)
    assert feed(store, 1) == [(2, "put", "a"), (3, "meta", "a"), (4, "delete", "a")]
    assert feed(store, 1, 2) == [(2, "put", "a"), (3, "meta", "a")]
    assert [one.bucket_name for one in store.reader.changes(0, 1)] == ["photos"]


def test_row_that_was_set_aside_does_not_end_the_feed(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, "a"), put(1, "b")])
    store.settling.mark([1, 3], viewed=0)
    for _ in range(5):
        store.settling.count_failure([2])
    assert feed(store) == [(1, "bucket-put", None), (3, "put", "b")]


def test_reader_who_missed_something_is_told(store: Store) -> None:
    store.bucket()
    store.commit_all([put(1, key) for key in "abcd"], NOW)
    store.settling.mark([1, 2, 3, 4, 5], viewed=0)
    assert store.settling.trim(NOW + 1, NOW, 3) == 3
    assert [row[0] for row in feed(store)] == [4, 5]  # from the beginning, whatever that is
    assert [row[0] for row in feed(store, 3)] == [4, 5]
    for after in (1, 2):
        with pytest.raises(FeedGone, match="begins at 4"):
            store.reader.changes(after, 10)
    store.settling.trim(NOW + 1, NOW, 10)
    assert feed(store, 5) == []
    with pytest.raises(FeedGone, match="begins at 6"):
        store.reader.changes(4, 10)


def test_feed_says_where_a_deleted_bucket_was(store: Store) -> None:
    store.bucket()
    store.commit(DeleteBucket(1, ACTOR, NOW))
    store.settle()
    assert [(one.op, one.bucket_name) for one in store.reader.changes(0, 9)] == [
        ("bucket-put", "photos"),
        ("bucket-delete", "photos"),
    ]


def test_counters_and_state(store: Store) -> None:
    store.bucket()
    store.put(1, "a", b"123")
    assert store.reader.usage("bucket", "1").bytes == 3
    assert store.reader.usage("bucket", "9").objects == 0
    assert store.reader.usages("owner").keys() == {"owner"}
    assert store.reader.state("settled") == 0
    assert store.reader.state("nothing") is None
    assert [bucket.name for bucket in store.reader.buckets()] == ["photos"]
    assert TAKEN_MS == 0  # so that `due_ms<=now` still finds what is being taken


def test_reader_cannot_write(store: Store) -> None:
    with pytest.raises(apsw.ReadOnlyError):
        store.reader.connection.execute("DELETE FROM state")
