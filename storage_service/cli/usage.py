"""`storage usage`: what each bucket keeps."""

from typing import Any

import typer

from storage_service.cli.connect import connected
from storage_service.cli.parameters import OBJECTS, Access, AsJson, expanded
from storage_service.cli.say import as_json
from storage_service.cli.show import size_of

# Column, and the bucket's counters it adds up. All of them together are what a quota counts.
BYTES = {
    "current": "total_size",
    "old versions": "noncurrent_size",
    "trash": "trash_size",
    "uploads": "upload_size",
}


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=OBJECTS)(expanded(usage))


def usage(json: AsJson = False, *, access: Access) -> None:
    """Bytes of current files, old versions, trash and unfinished uploads, for each bucket you may see."""
    with connected(access) as client:
        buckets = client.buckets.list()
    rows = [_row(bucket.record) for bucket in buckets]
    totals = {name: sum(row[name] for row in rows) for name in ("files", *BYTES)}
    if json:
        as_json({"buckets": rows, "total": totals})
        return
    typer.echo(f"{'bucket':<30} {'files':>9}" + "".join(f" {name:>12}" for name in BYTES) + f" {'quota':>12}")
    for row in [*rows, {"name": "in all", "quota": None, **totals}]:
        sizes = "".join(f" {size_of(row[name]):>12}" for name in BYTES)
        quota = "" if row["quota"] is None else size_of(row["quota"])
        typer.echo(f"{row['name']:<30} {row['files']:>9}{sizes} {quota:>12}".rstrip())


def _row(record: Any) -> dict[str, Any]:
    counted = {name: record[field] for name, field in BYTES.items()}
    about = {"name": record["name"], "owner": record["owner_id"], "quota": record["quota_bytes"]}
    return {**about, "files": record["file_count"], **counted}
