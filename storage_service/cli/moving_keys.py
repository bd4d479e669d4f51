"""Access keys of MinIO brought in by `storage import`, from the zip of `mc admin cluster iam export`."""

from pathlib import Path

import typer

from storage_service.cli.say import FOUND, as_json, refusals, refuse


def import_keys(path: Path, *, dry_run: bool, json: bool) -> None:
    """Into the store at STORAGE_PATH; a running service knows them at once."""
    from storage_service.moving.minio_iam import BadArchive, read_iam

    try:
        iam = read_iam(path)
    except (BadArchive, OSError) as error:
        refuse(str(error))
    made, left = [], dict(iam.left)
    with refusals():
        from storage_service.app.process.access_keys import Known, adopt
        from storage_service.app.process.admin import Refused

        for key in iam.keys:
            places, actions = key.rights.places, sorted(key.rights.actions)
            known = Known(key.access_key, key.secret_key, places, actions, key.description, key.expires_at)
            try:
                made.append({"access_key": key.access_key} if dry_run else adopt(known))
            except Refused as error:
                left[key.access_key] = str(error)
    if json:
        as_json({"complete": not left, "keys": made, "not_moved": left})
    else:
        typer.echo(f"{len(made)} access keys {'would be moved' if dry_run else 'moved, with their secrets'}")
        for name, reason in left.items():
            typer.echo(f"  not moved: {name}: {reason}")
    if left:
        raise typer.Exit(FOUND)
