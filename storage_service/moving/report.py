"""A move's report as people read it. Pure."""

from collections.abc import Iterator

from storage_service.moving.tally import Left, Tally

SHOWN = 20  # of each list; the JSON report has more


def bytes_text(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def report_lines(tally: Tally, *, dry_run: bool) -> Iterator[str]:
    counts = tally.counts
    word = "would be moved" if dry_run else "moved"
    yield f"{counts.moved} objects {word} ({counts.versions} versions, {bytes_text(counts.moved_bytes)})"
    yield f"{counts.there} were there already ({bytes_text(counts.there_bytes)})"
    if counts.settings:
        yield f"{counts.settings} settings of {counts.buckets} buckets"
    yield from _list(counts.kept, "stayed as they are at the target", tally.kept)
    yield from _list(counts.failed, "could not be moved", tally.failures)
    yield from _list(counts.unproven, "are moved, but their ETag proves nothing", tally.unproven)
    yield from _list(len(tally.settings_left), "settings are not moved", tally.settings_left)
    if dry_run:
        yield "Nothing was written: this was a dry run."
        return
    yield "Complete." if tally.is_whole else "Not complete: run the same command again, it goes on where it was."


def _list(count: int, words: str, found: list[Left]) -> Iterator[str]:
    if not count:
        return
    yield f"{count} {words}:"
    for left in found[:SHOWN]:
        place = f"{left.bucket}/{left.key}" if left.key else left.bucket
        yield f"  {place!r}: {left.reason}"
    if count > SHOWN:
        yield f"  … and {count - SHOWN} more"
