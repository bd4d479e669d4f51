"""`--help` of every command: it prints, all of it, and its examples are such that the command takes them."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from storage_service.cli.main import app

TOP: Any = typer.main.get_command(app)


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


EVERY = list(commands(TOP))


def found(words: tuple[str, ...]) -> Any:
    command = TOP
    for word in words:
        command = command.commands[word]
    return command


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help_prints_and_says_something_of_each_parameter(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == 0, done.exception
    said = " ".join(done.stdout.split())
    for parameter in found(words).params:
        if parameter.name not in {"install_completion", "show_completion"}:
            text = parameter.help
            assert text, parameter.name
            assert [name for name in parameter.opts if name != name.lower() and name[0] == "-"] == []
            assert text.split()[0] in said and "[" not in text, parameter.name  # rich takes brackets for markup


WITH_EXAMPLES = [words for words in EVERY if found(words).epilog]


def test_commands_of_every_day_have_examples() -> None:
    assert {("cp",), ("sync",), ("ls",), ("find",), ("link",), ("export",), ("import",)} <= {*WITH_EXAMPLES}


@pytest.mark.parametrize("words", WITH_EXAMPLES, ids=" ".join)
def test_examples_of_help_are_commands(words: tuple[str, ...]) -> None:
    command = found(words)
    title, *lines = str(command.epilog).split("\n\n")
    assert (title, len(lines) > 0) == ("Examples:", True)
    for line in lines:
        start = ["storage", *words]
        told = shlex.split(line)
        assert told[: len(start)] == start
        command.make_context(words[-1], told[len(start) :])  # raises what it does not understand
