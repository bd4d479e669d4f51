"""restic: init, backup, check, restore. Run as the other drivers are."""

import os
import sys
import tempfile
import uuid
from pathlib import Path

from exercise import run, step


def main() -> None:
    url, access_key, secret, megabytes = sys.argv[1:]
    environment = {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "RESTIC_PASSWORD": "of the backup",
        "RESTIC_REPOSITORY": f"s3:{url}/r-{uuid.uuid4().hex[:10]}",
    }
    with tempfile.TemporaryDirectory() as place:
        source, target, cache = Path(place) / "source", Path(place) / "target", Path(place) / "cache"
        fill(source, int(megabytes))
        environment["RESTIC_CACHE_DIR"] = str(cache)
        for words in (("init",), ("backup", str(source)), ("check", "--read-data"), ("snapshots",)):
            step(words[0])
            run("restic", *words, environment=environment)
        step("restore")
        run("restic", "restore", "latest", "--target", str(target), environment=environment)
        restored = target / source.relative_to("/")
        for path in source.iterdir():
            assert (restored / path.name).read_bytes() == path.read_bytes(), path.name
    step("wrong key")
    try:
        run("restic", "snapshots", environment={**environment, "AWS_SECRET_ACCESS_KEY": "wrong"})
    except RuntimeError:
        return
    raise AssertionError("a wrong secret was accepted")


def fill(source: Path, megabytes: int) -> None:
    source.mkdir()
    (source / "large.bin").write_bytes(os.urandom(megabytes << 20))
    (source / "é ü.txt").write_text("text")
    for number in range(50):
        (source / f"small-{number}").write_bytes(os.urandom(1000))


main()
