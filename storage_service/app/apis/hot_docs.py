"""What OpenAPI says of the hot routes: they are no FastAPI routes, so they are described by hand.

Errors bear the models of `documented`; binary bodies stand as `application/octet-stream`, which generated
clients understand, whatever the real type is.
"""

from typing import Any

from storage_service.app.apis.documented import MODELS, SENTENCES
from storage_service.app.schemas.answers import Problem, ValidationProblem
from storage_service.app.schemas.files import FileOut, UploadOut

Schema = dict[str, Any]

SCHEMAS = "#/components/schemas/"
STRING: Schema = {"type": "string"}
BINARY: Schema = {"type": "string", "format": "binary"}
OCTETS = {"application/octet-stream": {"schema": BINARY}}
# The schemes themselves stand in `openapi`.
WRITERS: list[Schema] = [{name: []} for name in ("bearer", "apikey", "x_api_key")]
READERS: list[Schema] = [{}, *WRITERS]  # {}: nobody, for public buckets
OPEN: list[Schema] = []  # the link is the credential

BUCKET: Schema = {
    "name": "bucket",
    "in": "path",
    "required": True,
    "schema": STRING,
    "description": "Name or id of the bucket.",
}
KEY: Schema = {
    "name": "key",
    "in": "path",
    "required": True,
    "schema": STRING,
    "description": "Key or id of the file; a key may hold slashes.",
}
TOKEN: Schema = {
    "name": "token",
    "in": "path",
    "required": True,
    "schema": STRING,
    "description": "The signed link's token.",
}

UPLOAD_ERRORS = (400, 401, 403, 404, 409, 412, 413, 415, 422, 503, 507)
READ_ERRORS = (400, 401, 403, 404, 412, 503)

FORM: Schema = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "key": {**STRING, "description": "The key; without it the file's name. Stands before `file`."},
        "overwrite": {"type": "boolean", "default": False, "description": "Stands before `file`."},
        "file": BINARY,
        "metadata": {**STRING, "description": "JSON object of user metadata, before or after `file`."},
        "tags": {**STRING, "description": "JSON object or k=v&k2=v2, before or after `file`."},
        "expires_at": {**STRING, "description": "When it ceases to be: RFC 3339, or seconds since 1970."},
        "expires_in": {"type": "integer", "description": "Seconds until it ceases to be."},
    },
}
PLAIN_FORM: Schema = {
    "type": "object",
    "required": ["file"],
    "properties": {name: FORM["properties"][name] for name in ("file", "metadata", "tags")},
}


def document(openapi: Schema) -> None:
    """Add paths and models of the hot routes to the document."""
    components = openapi.setdefault("components", {})
    _add_models(components.setdefault("schemas", {}))
    paths = openapi.setdefault("paths", {})
    for path, operations in hot_paths().items():
        paths.setdefault(path, {}).update(operations)


def hot_paths() -> dict[str, Schema]:
    """Path items by path."""
    download = [_query("download", "Send as an attachment of this name."), _query("version_id", "One version.")]
    kind = _query("content_type", "Show as this type, if it is a safe one.")
    return {
        "/files/upload/{bucket}": {"post": _upload_form()},
        "/files/upload-direct/{bucket}/{key}": {"put": _upload_direct()},
        "/files/upload-signed/{token}/{bucket}/{key}": {
            "put": _upload_signed("files.upload_signed", OCTETS | _form(PLAIN_FORM)),
            "post": _upload_signed("files.upload_signed_form", _form(PLAIN_FORM)),
        },
        "/files/download/{bucket}/{key}": _read("files.download", "A file, as an attachment", download),
        "/files/view/{bucket}/{key}": _read("files.view", "A file to look at", [kind, *download]),
        "/files/public/{bucket}/{key}": _read("files.public", "A file by its permanent link", download),
        "/storage/{bucket}/{key}": _read("files.permanent", "A file by its permanent link", download),
        "/files/download-signed/{token}/{bucket}/{key}": _read(
            "files.download_signed", "A file by a signed link", download, signed=True
        ),
    }


def _upload_form() -> Schema:
    query = [_query("key", "The key; without it the file's name."), _flag("overwrite")]
    return {
        "operationId": "files.upload",
        "summary": "Upload a file with a form",
        "description": "Refused if the key is taken, unless `overwrite` is true or If-Match stands.",
        "tags": ["files"],
        "security": WRITERS,
        "parameters": [BUCKET, *query, *_upload_headers()],
        "requestBody": {"required": True, "content": _form(FORM)},
        "responses": _created(),
    }


def _upload_direct() -> Schema:
    return {
        "operationId": "files.upload_direct",
        "summary": "Upload a file's bytes to a key",
        "description": "Replaces what is there. Raw bytes with their Content-Type, or a form with the field `file`.",
        "tags": ["files"],
        "security": WRITERS,
        "parameters": [BUCKET, KEY, *_upload_headers()],
        "requestBody": {"required": True, "content": OCTETS | _form(PLAIN_FORM)},
        "responses": _created(),
    }


def _upload_signed(operation: str, content: Schema) -> Schema:
    return {
        "operationId": operation,
        "summary": "Upload by a signed link",
        "description": "Within what the link allows: key, size, type, time, uses. Other credentials are ignored.",
        "tags": ["files"],
        "security": OPEN,
        "parameters": [TOKEN, BUCKET, KEY, *_upload_headers()],
        "requestBody": {"required": True, "content": content},
        "responses": _created(),
    }


def _read(operation: str, summary: str, query: list[Schema], *, signed: bool = False) -> Schema:
    place = [TOKEN, BUCKET, KEY] if signed else [BUCKET, KEY]
    common = {"tags": ["files"], "security": OPEN if signed else READERS}
    parameters = [*place, *query, *_conditions()]
    ranged = [_header("Range", "One range of bytes, such as `bytes=0-99`."), _header("If-Range", "ETag or date.")]
    partial = {"description": "The range that was asked for", "headers": _read_headers(), "content": OCTETS}
    unsatisfiable = {"416": _problem("No byte of the file lies in the range", Problem)}
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            **common,
            "parameters": [*parameters, *ranged],
            "responses": {
                **_found("The file's bytes", OCTETS),
                "206": partial,
                **unsatisfiable,
                **_problems(READ_ERRORS),
            },
        },
        "head": {
            "operationId": f"{operation}_head",
            "summary": f"{summary}: headers only",
            **common,
            "parameters": parameters,
            "responses": {**_found("The file is there"), **_problems(READ_ERRORS, body=False)},
        },
    }


def _found(description: str, content: Schema | None = None) -> Schema:
    ok: Schema = {"description": description, "headers": _read_headers()}
    if content is not None:
        ok["content"] = content
    return {"200": ok, "304": {"description": "Not modified"}}


def _created() -> Schema:
    headers = {
        "ETag": _said("MD5 of the content, quoted"),
        "Location": _said("Permanent link"),
        "X-Version-Id": _said("The version that was made"),
    }
    created = {"description": "It is stored", "headers": headers, "content": _json(_ref("UploadOut"))}
    return {"201": created, **_problems(UPLOAD_ERRORS)}


def _read_headers() -> Schema:
    return {
        "ETag": _said("Of the content, quoted"),
        "Last-Modified": _said("When this version was made"),
        "Content-Disposition": _said("Inline or attachment, and a name"),
        "X-Version-Id": _said("The version"),
        "X-Checksum-SHA256": _said("Hexadecimal, of the whole content"),
        "X-Checksum-CRC64NVME": _said("Base64, of the whole content"),
    }


def _upload_headers() -> list[Schema]:
    return [
        _header("If-Match", "Only if this ETag is current; `*` = if there is a file."),
        _header("If-None-Match", "`*` = only if there is no file."),
        _header("Content-MD5", "Base64; the file is refused if it differs."),
        _header("X-Checksum-SHA256", "Hexadecimal or base64; the file is refused if it differs."),
        _header("X-Checksum-CRC64NVME", "Base64; the file is refused if it differs."),
        _header("Cache-Control", "Kept, and sent with downloads."),
        _header("X-Metadata", "JSON object of user metadata, or base64 of one."),
        _header("X-Tags", "JSON object, or k=v&k2=v2."),
        _header("X-Expires-At", "When it ceases to be: RFC 3339, or seconds since 1970."),
        _header("X-Expires-In", "Seconds until it ceases to be."),
    ]


def _conditions() -> list[Schema]:
    return [
        _header("If-Match", "412 unless this ETag is current."),
        _header("If-None-Match", "304 if this ETag is current."),
        _header("If-Modified-Since", "304 unless changed since."),
        _header("If-Unmodified-Since", "412 if changed since."),
    ]


def _problems(statuses: tuple[int, ...], *, body: bool = True) -> Schema:
    return {
        str(status): _problem(SENTENCES[status], MODELS.get(status, Problem) if body else None) for status in statuses
    }


def _problem(description: str, model: type[Any] | None) -> Schema:
    if model is None:
        return {"description": description}
    return {"description": description, "content": _json(_ref(model.__name__))}


def _add_models(schemas: Schema) -> None:
    for model in (FileOut, UploadOut, Problem, ValidationProblem):
        found = model.model_json_schema(ref_template=SCHEMAS + "{model}", mode="serialization")
        for name, inner in found.pop("$defs", {}).items():
            schemas.setdefault(name, inner)
        schemas.setdefault(model.__name__, found)


def _header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "schema": STRING, "description": description}


def _query(name: str, description: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": STRING, "description": description}


def _flag(name: str) -> Schema:
    schema = {"type": "boolean", "default": False}
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": "Replace what is there."}


def _said(description: str) -> Schema:
    return {"description": description, "schema": STRING}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _form(schema: Schema) -> Schema:
    return {"multipart/form-data": {"schema": schema}}


def _ref(name: str) -> Schema:
    return {"$ref": SCHEMAS + name}
