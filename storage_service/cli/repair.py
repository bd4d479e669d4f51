"""Commands that look at the store's files, and set them right."""

from typing import Annotated, Any

import typer

from storage_service.cli.say import Progress, as_json, found, refusals

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    app.command()(check)
    app.command()(where)
    app.command()(view)
    app.command()(reindex)


def check(
    json: AsJson = False,
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte and compare checksums.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Make edited files new versions.")] = False,
) -> None:
    """Compare catalog and files; with a running service or without. Exit code 1 when there are problems."""
    with refusals():
        from storage_service.app.process import admin

        line = Progress()
        record = admin.check(lambda count: line.say(f"{count} versions looked at"), deep=deep, accept=accept)
        line.end()
    if json:
        as_json(record)
    else:
        _print_check(record)
    if not record["ok"]:
        raise typer.Exit(1)


def _print_check(record: dict[str, Any]) -> None:
    for done in record.get("accepted", ()):
        typer.echo(f"accepted: {done['bucket']}/{done['key']}: {done['detail']}")
    for finding in record["problems"]:
        typer.echo(_line(finding))
    if record["lost_after"] is not None:
        typer.echo(
            f"lost_after: the catalog was rebuilt; what change {record['lost_after']} did not precede may be lost"
        )
    for finding in record["notes"]:
        typer.echo(f"note: {_line(finding)}")
    typer.echo(f"{record['objects']} objects, {record['versions']} versions, {len(record['problems'])} problems")


def _line(finding: dict[str, Any]) -> str:
    place = "/".join(part for part in (finding["bucket"], finding["key"] or finding["version_id"]) if part)
    return f"{finding['code']}: {place or 'the store'}: {finding['detail']}"


def where(
    place: Annotated[str, typer.Argument(metavar="BUCKET/KEY", help="An object.")],
    version_id: Annotated[str | None, typer.Option(help="Another version than the current one.")] = None,
    json: AsJson = False,
) -> None:
    """Where an object lies on the disk."""
    if "/" not in place.strip("/"):
        raise typer.BadParameter(f"{place!r} is not of the form BUCKET/KEY")
    with refusals():
        from storage_service.app.process.where import where as find

        record = find(place, version_id)
    if record is None:
        found(f"storage: there is no object {place}")
    if json:
        as_json(record)
        return
    state = "settled" if record["state"] == "settled" else "in the journal: its files follow within seconds"
    lines = {
        "blob": record["blob"] or "none",
        "sidecar": record["sidecar"] or "none yet",
        "view": record["view"] or f"not shown: {record['not_shown']}",
        "version": record["version_id"] + (" (deleted, in the trash)" if record["deleted"] else ""),
        "state": state,
    }
    for name, value in lines.items():
        typer.echo(f"{name:<8} {value}")


def view(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make missing names again.")] = False,
) -> None:
    """The view is each current object again under its key. Rebuild it after names were removed by hand."""
    if not rebuild:
        raise typer.BadParameter("say --rebuild")
    with refusals():
        from storage_service.app.process import admin

        done = admin.view_rebuild()
    typer.echo(f"{done['shown']} names, {done['made']} of them new; {done['hidden']} keys cannot be file names")
    for finding in done["foreign"]:
        typer.echo(_line(finding))
    if done["foreign"]:
        raise typer.Exit(1)


def reindex() -> None:
    """Rebuild the catalog from the JSON sidecars, with the service stopped. The old catalog is set aside."""
    with refusals():
        from storage_service.app.process import admin

        line = Progress()
        report = admin.reindex(lambda done, total: line.say(f"{done} of {total} sidecars read"))
        line.end()
    typer.echo(f"{report['objects']} versions read in {report['seconds']:.1f} s, {report['damaged']} damaged")
    if report["lost_after"] is not None:
        found(f"storage: what was acknowledged after change {report['lost_after']} and not settled is lost")
    if report["damaged"]:
        found("storage: some sidecars could not be read; see `storage check`")
