"""What OpenAPI says of errors and headers: one sentence per status, and the model that its body has."""

from typing import Any

from storage_service.app.schemas.answers import Problem, ValidationProblem

SENTENCES = {
    400: "The request says something wrong",
    401: "No credential, or one that does not hold",
    403: "This caller may not do that",
    404: "There is no such bucket, file or version",
    409: "Something of that name is already there, or in the way",
    410: "The change feed no longer reaches back that far",
    412: "The file is not as the request's conditions expect",
    413: "The body is too large",
    415: "The bucket does not take files of this type",
    416: "No byte lies in the range that was asked for",
    422: "A field is missing or wrong; `detail` lists what",
    503: "Not ready, or too much to do; try again later",
    507: "The disk is full",
}
MODELS: dict[int, Any] = {422: ValidationProblem}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`."""
    return {status: {"model": MODELS.get(status, Problem), "description": SENTENCES[status]} for status in statuses}


def with_headers(status: int, description: str, **headers: str) -> dict[int | str, dict[str, Any]]:
    """Headers of a success; underscores stand for hyphens."""
    said = {
        name.replace("_", "-"): {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
    }
    return {status: {"description": description, "headers": said}}
