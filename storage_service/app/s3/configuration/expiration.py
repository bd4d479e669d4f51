"""What the lifecycle rules will do to an object, announced in a header of its own answers."""

import orjson

from storage_service.app.core.lifecycle import Subject, first_end
from storage_service.app.core.objects import Bucket, Version
from storage_service.app.edge.names import http_date
from storage_service.app.edge.respond import Header


def expiration_headers(bucket: Bucket, version: Version) -> tuple[Header, ...]:
    """`x-amz-expiration` of a current object that a rule will end."""
    rules = bucket.options.config.get("lifecycle")
    if not rules:
        return ()
    tags = orjson.loads(version.doc).get("tags", {})
    found = first_end(rules, Subject(version.key, version.size, version.at_ms, tags))
    if found is None:
        return ()
    end_ms, name = found
    text = b'expiry-date="%s", rule-id="%s"' % (http_date(end_ms), name.encode("ascii", "replace"))
    return ((b"x-amz-expiration", text),)
