"""What is in a store and what is local, as it is written. No service is asked."""

from datetime import timedelta
from pathlib import Path

import pytest
import typer

from storage_service.cli.places import Local, Pipe, Place, Stored, parse_object, parse_place, parse_stored
from storage_service.cli.show import parse_age, parse_bytes, plain, size_of
from storage_service.cli.transfer.selection import Patterns


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("photos", Stored("photos")),
        ("photos/", Stored("photos")),
        ("photos/2026/a.jpg", Stored("photos", "2026/a.jpg")),
        ("photos//a", Stored("photos", "/a")),
        ("store:photos/a", Stored("photos", "a")),
        ("./photos/a", Local(Path("photos/a"))),
        ("../a", Local(Path("../a"))),
        (".", Local(Path(), is_directory=True)),
        ("./a/", Local(Path("a"), is_directory=True)),
        ("/tmp/a", Local(Path("/tmp/a"))),
        ("-", Pipe()),
        (".hidden", Stored(".hidden")),
    ],
)
def test_local_paths_begin_with_a_slash_a_dot_or_a_tilde(text: str, place: Place) -> None:
    assert parse_place(text) == place


def test_tilde_is_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert parse_place("~/a") == Local(Path("/home/ada/a"))


def test_name_of_a_bucket_that_is_a_local_file_too_must_be_made_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(typer.BadParameter, match=r"store:photos/a or \./photos/a"):
        parse_place("photos/a")
    assert parse_place("store:photos/a") == Stored("photos", "a")
    assert parse_stored("photos/a") == Stored("photos", "a")  # where only the store can be meant


@pytest.mark.parametrize("text", ["", "/", "-", "./a", "store:", "/photos/a"])
def test_place_in_the_store_needs_a_bucket(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_stored(text)


def test_object_needs_a_key() -> None:
    with pytest.raises(typer.BadParameter, match="names a bucket"):
        parse_object("photos")


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("500", 500), ("10k", 10240), ("1.5 MiB", 1572864), ("2GB", 2**31)]
)
def test_sizes_are_read(text: str, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("10m", 600), ("1h", 3600), ("7d", 604_800), ("0.5w", 302_400)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_age(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "ten", "-1", "10 parsecs", "1e5", "9" * 30 + "w"])
def test_what_is_no_time_or_size_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_age(text)
    if not text.startswith("9"):
        with pytest.raises(typer.BadParameter):
            parse_bytes(text)


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**40, "1.0 TiB")])
def test_sizes_are_written(count: int, text: str) -> None:
    assert size_of(count) == text


def test_keys_cannot_steer_a_terminal() -> None:
    assert plain("a\x1b[31m\n\u202eb Zoë") == r"a\x1b[31m\n\u202eb Zoë"


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        ([], [], {"a.jpg", "raw/b.jpg", "raw/deep/c.tmp", "node_modules/d.js"}),
        (["*.jpg"], [], {"a.jpg", "raw/b.jpg"}),
        (["raw/*"], [], {"raw/b.jpg", "raw/deep/c.tmp"}),
        (["raw/"], [], {"raw/b.jpg", "raw/deep/c.tmp"}),
        (["raw/deep"], [], {"raw/deep/c.tmp"}),
        ([], ["*.tmp", "node_modules"], {"a.jpg", "raw/b.jpg"}),
        (["*.jpg"], ["raw"], {"a.jpg"}),
        (["*.JPG"], [], set()),
    ],
)
def test_patterns_choose_paths(include: list[str], exclude: list[str], taken: set[str]) -> None:
    paths = ("a.jpg", "raw/b.jpg", "raw/deep/c.tmp", "node_modules/d.js")
    assert {path for path in paths if Patterns(include, exclude).take(path)} == taken
