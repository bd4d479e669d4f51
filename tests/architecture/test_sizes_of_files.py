"""Size keeps itself: the house limits on files, functions and arguments."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "storage_service"
TESTS = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_ARGUMENTS = 6  # besides self and cls

Function = ast.FunctionDef | ast.AsyncFunctionDef

FILES = [pytest.param(path, id=str(path.relative_to(PACKAGE))) for path in PACKAGE.rglob("*.py")]
ROOMS = [
    pytest.param(path, id=path.name)
    for parent in (PACKAGE, PACKAGE / "app")
    for path in sorted(parent.iterdir())
    if path.is_dir() and any(path.glob("*.py"))
]


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def argument_count(function: Function) -> int:
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    if positional and positional[0].arg in {"self", "cls"}:
        positional = positional[1:]
    starred = [argument for argument in (given.vararg, given.kwarg) if argument]
    return len(positional) + len(given.kwonlyargs) + len(starred)


@pytest.mark.parametrize("path", FILES)
def test_file_and_its_functions_keep_the_house_limits(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    too_large = [f"file: {lines} lines"] if lines > MAX_FILE_LINES else []
    for function in functions(path):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > MAX_FUNCTION_LINES:
            too_large.append(f"line {function.lineno}, {function.name}: {length} lines")
        if (count := argument_count(function)) > MAX_ARGUMENTS:
            too_large.append(f"line {function.lineno}, {function.name}: {count} arguments")
    assert too_large == []


def test_tests_keep_the_limit_of_a_file() -> None:
    lines = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in TESTS.rglob("*.py")}
    assert {name: count for name, count in lines.items() if count > MAX_FILE_LINES} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_room_says_what_belongs_in_it(room: Path) -> None:
    front = room / "__init__.py"
    assert front.exists(), f"{room.name} has no __init__.py"
    assert ast.get_docstring(ast.parse(front.read_text(encoding="utf-8")))
