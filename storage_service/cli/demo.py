"""`storage demo`: a bucket with something in it, so that a newcomer sees something."""

from typing import Annotated

import typer

from storage_service.cli.connect import connected
from storage_service.cli.parameters import OBJECTS, Access, AsJson, expanded
from storage_service.cli.say import as_json
from storage_service.cli.show import size_of


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel=OBJECTS)(expanded(demo))


def demo(
    name: Annotated[str, typer.Argument(metavar="[BUCKET]", help="Made if it is not there.")] = "demo",
    json: AsJson = False,
    *,
    access: Access,
) -> None:
    """Fill a public bucket with generated pictures, sounds, texts and data; run again it changes nothing."""
    from storage_service.cli.samples import samples
    from storage_service.client import Conflict

    made = samples()
    with connected(access) as client:
        if name not in {bucket.name for bucket in client.buckets.list(search=name)}:
            client.buckets.create(name, public=True, description="Samples made by `storage demo`")
        bucket, added = client.bucket(name), 0
        for sample in made:
            try:
                bucket.put(sample.key, sample.body, metadata=sample.metadata, tags=sample.tags)
                added += 1
            except Conflict:  # it is there, or something of the owner's own
                continue
        url = bucket.public_url("pictures/dawn.png")
    if json:
        as_json({"bucket": name, "files": len(made), "added": added, "url": url})
        return
    typer.echo(f"{name}: {added} of {len(made)} files added, {size_of(sum(len(one.body) for one in made))} in all")
    typer.echo(f"Look at it: storage ls -r {name}")
    typer.echo(f"            {url}")
