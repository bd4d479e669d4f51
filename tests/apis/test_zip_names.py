"""Names in an archive: none leads out of the folder it is unpacked in, and no two are one file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.app.apis.zip_names import names_of, safe_name

NAMES = [
    ("a/b.txt", "a/b.txt"),
    ("/etc/passwd", "etc/passwd"),
    ("../../up", "__/__/up"),
    ("a/../../b", "a/__/__/b"),
    ("a/./b//c", "a/b/c"),
    ("C:\\windows\\x", "C__windows_x"),
    ("..\\up", ".._up"),
    ("a\nb\x7f", "a_b_"),
    ("end. ", "end__"),
    ("...", "___"),
    ("/", "_"),
    ("//", "_"),
    ("folder/", "folder/"),
    ("gpj.\u202eexe", "gpj._exe"),
    ("ü/€", "ü/€"),
    (".hidden", ".hidden"),
]


@pytest.mark.parametrize(("key", "name"), NAMES)
def test_a_key_becomes_a_name_below_the_target(key: str, name: str) -> None:
    assert safe_name(key) == name


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["a", "a/b"], ["a (2)", "a/b"]),
        (["a:b", "a*b", "a?b"], ["a_b", "a_b (2)", "a_b (3)"]),
        (["x.txt", "X.TXT"], ["x.txt", "X (2).TXT"]),
        (["x (2)", "x", "X"], ["x (2)", "x", "X (3)"]),
        (["a//b", "a/b"], ["a/b", "a/b (2)"]),
        (["d/", "d/", "d/x"], ["d/", "d/", "d/x"]),
        ([".a", ".A"], [".a", ".A (2)"]),
    ],
)
def test_keys_that_come_to_one_name_get_numbers(keys: list[str], names: list[str]) -> None:
    assert names_of(keys) == names


def test_the_base_is_left_out() -> None:
    assert names_of(["a/b/c", "a/b/d/e", "other"], "a/b/") == ["c", "d/e", "other"]


@given(st.lists(st.text("ab/.\\: \u202e", min_size=1, max_size=6), max_size=12))
def test_no_name_leads_out_and_none_is_another(keys: list[str]) -> None:
    names = names_of(keys)
    files = [name.casefold() for name in names if not name.endswith("/")]
    assert len(set(files)) == len(files)
    folders = {name[:at] for name in files for at in range(len(name)) if name[at] == "/"}
    assert not folders & set(files)
    for name in names:
        assert not name.startswith("/")
        assert not {"", ".", ".."} & set(name.removesuffix("/").split("/"))
        assert not set(name) & set("\\:\u202e")


def test_many_keys_of_one_name_cost_no_more_than_others() -> None:
    keys = ["".join(":?*"[number // 3**digit % 3] for digit in range(10)) for number in range(3**9)]
    assert len(set(names_of(keys))) == len(keys)  # each against each would outlast the test's time
