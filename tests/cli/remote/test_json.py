"""The table of docs/cli.md says what `--json` prints; here it is printed."""

import re
from typing import Any

from tests.cli.remote.conftest import Storage
from tests.support.service import REPOSITORY

PAGE = REPOSITORY / "docs" / "cli.md"


def told(command: str) -> set[str]:
    """The fields that the page names for a command, in its first braces."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    (row,) = [line for line in rows if f"`{command}`" in line.split("|")[1] and "{" in line]
    return set(re.findall(r'"(\w+)"', row))


def test_page_tells_the_fields_of_each_command(storage: Storage) -> None:
    storage.files(**{"t/a": b"1"})
    name, key = storage.bucket, f"{storage.bucket}/a"
    printed: dict[str, Any] = {
        "cp": storage("cp", "./t/a", f"{name}/", "--json").json,
        "sync": storage("sync", "./t", name, "--json").json,
        "export": storage("export", name, "./out", "--json").json,
        "mv": storage("mv", key, f"{name}/b", "--json").json,
        "du": storage("du", name, "--json").json[0],
        "link": storage("link", f"{name}/b", "--json").json,
        "usage": storage("usage", "--json").json,
        "demo": storage("demo", f"{name}-demo", "--json").json,
        "rm": storage("rm", f"{name}/b", "--json").json,
    }
    assert {command: record.keys() for command, record in printed.items()} == {one: told(one) for one in printed}


def test_lists_have_the_records_of_the_api(storage: Storage) -> None:
    storage.fill(**{"a": b"1", "d/b": b"2"})
    assert storage("ls", "-r", storage.bucket, "--json").json == [
        dict(storage.store.head(key).record) for key in ("a", "d/b")
    ]
    assert storage("ls", storage.bucket, "--json").json[1] == {"prefix": "d/"}
    made = storage("buckets", "info", storage.bucket, "--json").json
    assert made in storage("buckets", "list", "--json").json
    assert made == storage("buckets", "set", storage.bucket, "--json", "--private").json | {
        "updated_at": made["updated_at"]
    }
