"""Options that several commands share. A parameter that is a dataclass of options becomes an option for each field."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

if TYPE_CHECKING:
    from storage_service.cli.transfer.said import Said

Reader = TypeVar("Reader", bound=Callable[[str], Any])
OBJECTS = "Buckets and objects"  # what help calls the commands that speak with a service
MOVING = "Moving in"  # and those that bring files of elsewhere
SAID = "What is said of the objects"  # and the options that describe what is uploaded
AT_ONCE = 8  # transfers: enough to hide waiting, few enough for a small service

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True)
class Access:
    """Which service, as whom. What is not said comes from the environment, `.env`, and a service's own settings."""

    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The service; else STORAGE_URL, else the one on this machine."),
    ] = None
    token: Annotated[
        str | None,
        typer.Option("--token", metavar="TOKEN", help="A login token or key; else STORAGE_TOKEN, else one is made."),
    ] = None
    user: Annotated[
        str | None, typer.Option("--as", metavar="USER", help="Act as this user, with a token made by SECRET_KEY.")
    ] = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files, by patterns on their paths. One that matches both is left out."""

    include: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Only these, as *.jpg or raw/*. May be repeated.")
    ] = None
    exclude: Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Not these. May be repeated.")] = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How files are transferred."""

    at_once: Annotated[int, typer.Option(min=1, max=64, help="Files on their way at once.")] = AT_ONCE
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Take what local symbolic links lead to; else they are left out.")
    ] = False
    size_only: Annotated[
        bool, typer.Option("--size-only", help="Of equal size counts as unchanged: no checksums are computed.")
    ] = False
    json: AsJson = False


@dataclass(frozen=True, slots=True)
class Describing(Manner):
    """How files are transferred, and what is said of the objects they become."""

    content_type: Annotated[
        str | None,
        typer.Option(metavar="TYPE", help="As text/html; else told by name and content.", rich_help_panel=SAID),
    ] = None
    cache_control: Annotated[
        str | None, typer.Option(metavar="TEXT", help="As max-age=3600.", rich_help_panel=SAID)
    ] = None
    content_disposition: Annotated[
        str | None, typer.Option(metavar="TEXT", help='As attachment; filename="a.pdf".', rich_help_panel=SAID)
    ] = None
    content_encoding: Annotated[
        str | None, typer.Option(metavar="TEXT", help="As gzip, of files that are.", rich_help_panel=SAID)
    ] = None
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of your own. May be repeated.", rich_help_panel=SAID),
    ] = None
    tag: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="May be repeated.", rich_help_panel=SAID)
    ] = None

    def said(self) -> "Said":
        """Raises: BadParameter for a pair or a type that is none."""
        from storage_service.cli.transfer.said import Said, pairs_of

        if self.content_type is not None and "/" not in self.content_type:
            raise typer.BadParameter(f"{self.content_type!r} is not a type such as text/html")
        try:
            metadata = pairs_of(self.metadata) if self.metadata else None
            tags = pairs_of(self.tag) if self.tag else None
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        plain = (self.content_type, self.cache_control, self.content_disposition, self.content_encoding)
        return Said(*plain, metadata, tags)


def examples(*lines: str) -> str:
    """The end of a command's help. An empty line between any two: else help would join them."""
    return "\n\n".join(["Examples:", *lines])


def read_as(label: str) -> Callable[[Reader], Reader]:
    """A function that reads an argument, with the name that help shows for what it reads."""

    def name(reader: Reader) -> Reader:
        reader.__name__ = label
        return reader

    return name


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with a parameter for each field of its dataclass parameters, as typer reads it."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: one.annotation for name, one in signature.parameters.items() if is_dataclass(one.annotation)
    }
    own = [one for name, one in signature.parameters.items() if name not in groups]
    added = [parameter for group in groups.values() for parameter in _parameters(group)]

    @wraps(command)
    def call(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    call.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    call.__doc__ = _unwrapped(command.__doc__ or "")
    call.__annotations__ = {one.name: one.annotation for one in (*own, *added)}
    return call


def _unwrapped(text: str) -> str:
    """Each paragraph on one line: help wraps by itself."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
