"""What came of a transfer, for people and for programs."""

from typing import TYPE_CHECKING

import typer

from storage_service.cli.say import as_json
from storage_service.cli.show import plain, size_of

if TYPE_CHECKING:
    from storage_service.cli.transfer.run import Report


def tell(report: "Report", *, json: bool, dry: bool = False) -> None:
    """Print it: counts on stdout, what was left out or failed on stderr. Ends with exit code 1 if a file failed."""
    if json:
        as_json(report.record())
    else:
        _print(report, dry)
    if report.failed:
        raise typer.Exit(1)


def _print(report: "Report", dry: bool) -> None:
    for note in report.notes:
        typer.echo(f"left out: {plain(note)}", err=True)
    for path, why in report.failed:
        typer.echo(f"failed: {plain(path)}: {plain(why)}", err=True)
    for source, target in report.planned:
        typer.echo(f"would copy {plain(source)} to {plain(target)}" if source else f"would delete {plain(target)}")
    to_copy = sum(bool(source) for source, _ in report.planned)
    counts = [
        f"{to_copy} to copy" if dry else f"{report.copied} copied",
        f"{len(report.planned) - to_copy} to delete" if len(report.planned) > to_copy else "",
        size_of(report.copied_bytes) if report.copied else "",
        f"{report.unchanged} unchanged" if report.unchanged else "",
        f"{report.deleted} deleted" if report.deleted else "",
        f"{len(report.failed)} failed" if report.failed else "",
    ]
    typer.echo(", ".join(count for count in counts if count))
