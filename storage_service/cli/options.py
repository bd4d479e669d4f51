"""A command whose options are the fields of one record: for commands with more of them than a function should take."""

import inspect
from collections.abc import Callable
from typing import Any


def command_of(record: Any, run: Callable[[Any], None]) -> Callable[..., None]:
    """A function for typer: the fields of `record`, a class of NamedTuple, as parameters, `run`'s docstring as help."""

    def command(**given: Any) -> None:
        run(record(**given))

    command.__doc__ = run.__doc__
    command.__annotations__ = {**record.__annotations__, "return": None}
    fields: dict[str, Any] = record._field_defaults
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=fields.get(name, inspect.Parameter.empty),
                annotation=annotation,
            )
            for name, annotation in record.__annotations__.items()
        ]
    )
    return command
