"""Rules of ours that no linter has: how secrets are compared, SQL is put together, syncs are taken and keys are kept.

Each rule is tried on a line that breaks it, too. What may break one stands in `ALLOWED`, with its reason.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "storage_service"
SECRET = re.compile(r"(^|_)(secret|password|signature|token|csrf|mac|(api|anon|service)_key|sealed)$", re.IGNORECASE)
CONSTANT = re.compile(r"_*[A-Z][A-Z0-9_]*")
SYNCS = {"fsync", "fdatasync", "syncfs", "sync_data", "sync_dir", "sync_fs", "sync"}
Finding = tuple[str, str]  # the function it stands in, and what stands there
ALLOWED: dict[Finding, str] = {
    ("_root_weakness", "secret == settings.s3_root_access_key"): "two settings of the operator's, at the start",
    ("_flush", "marks"): "question marks",
    ("_among", "sql"): "all callers are beside it, and give constants",
}


def name_of(node: ast.expr) -> str:
    """Of what is compared: the last word of it."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Call(func=ast.Attribute(attr="encode" | "decode" | "get_secret_value") as call):
            return name_of(call.value)
        case ast.Subscript(slice=ast.Constant(value=str(word))):
            return word
        case _:
            return ""


def compared_secrets(function: ast.AST) -> Iterator[str]:
    """Comparisons whose time tells how much of a secret was right."""
    for node in ast.walk(function):
        if isinstance(node, ast.Compare) and all(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops):
            sides = [node.left, *node.comparators]
            names = [name_of(side) for side in sides]
            is_plain = any(isinstance(side, ast.Constant) for side in sides) or any(map(CONSTANT.fullmatch, names))
            if not is_plain and any(map(SECRET.search, names)):
                yield ast.unparse(node)


def foreign_sql(function: ast.AST) -> Iterator[str]:
    """What stands in a statement and was not written down in this code."""
    known = assigned(function)
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or name_of(node.func) not in {"execute", "executemany"}:
            continue
        statements = [one for one in node.args[:1] if isinstance(one, ast.JoinedStr)]
        parts = [part.value for one in statements for part in one.values if isinstance(part, ast.FormattedValue)]
        yield from (ast.unparse(part) for part in parts if not is_own(part, known, frozenset()))


def assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    """All values that each name gets in this function."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.For | ast.comprehension):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = node.iter if isinstance(node, ast.For | ast.comprehension) else node.value
            for name in (one for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)):
                found.setdefault(name.id, []).append(value)
    return found


def is_own(node: ast.AST, known: dict[str, list[ast.expr]], asked: frozenset[str]) -> bool:
    """Whether it is made of this code's own words alone."""
    match node:
        case ast.Name(id=name):
            values = known.get(name, ())
            is_known = bool(values) and all(is_own(value, known, asked | {name}) for value in values)
            return CONSTANT.fullmatch(name) is not None or name in asked or is_known
        case ast.Subscript(value=ast.Name(id=name)):
            return CONSTANT.fullmatch(name) is not None
        case ast.IfExp():
            parts: list[ast.expr] = [node.body, node.orelse]
        case ast.Call(func=ast.Attribute(attr="join" | "split") as call):
            parts = [call.value, *node.args]
        case ast.JoinedStr() | ast.FormattedValue() | ast.BinOp() | ast.Tuple() | ast.List() | ast.GeneratorExp():
            parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        case _:
            return isinstance(node, ast.Constant) or ast.unparse(node).startswith("len(")
    return all(is_own(part, known, asked) for part in parts)


def ignored_syncs(function: ast.AST) -> Iterator[str]:
    """Syncs whose failure nobody hears of."""
    for node in ast.walk(function):
        if isinstance(node, ast.With):
            silent = any("suppress(" in ast.unparse(item.context_expr) for item in node.items)
        else:
            silent = isinstance(node, ast.Try) and any(is_silent(handler) for handler in node.handlers)
        if silent and isinstance(node, ast.With | ast.Try):
            yield from (ast.unparse(call) for one in node.body for call in ast.walk(one) if is_sync(call))


def is_silent(handler: ast.ExceptHandler) -> bool:
    """Takes an error of the disk, and does nothing."""
    kinds = "" if handler.type is None else ast.unparse(handler.type)
    hears = "OSError" in kinds or "Exception" in kinds or not kinds
    return hears and all(isinstance(statement, ast.Pass | ast.Continue) for statement in handler.body)


def is_sync(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and name_of(node.func) in SYNCS


def keys_in_paths(function: ast.AST) -> Iterator[str]:
    """A user's key as a part of a path."""
    for node in ast.walk(function):
        parts: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts = [node.right]
        elif isinstance(node, ast.Call) and name_of(node.func) in {"join", "joinpath", "Path"}:
            parts = (
                node.args
                if ast.unparse(node.func) in {"os.path.join", "Path"} or "joinpath" in ast.unparse(node)
                else []
            )
        yield from (ast.unparse(node) for part in parts if name_of(part) in {"key", "object_name", "prefix"})


RULES: dict[str, tuple[Callable[[ast.AST], Iterator[str]], str]] = {
    "secrets are compared in constant time": (compared_secrets, "given.password == desk.password"),
    "SQL is this code's own": (foreign_sql, "def f(self, where):\n    self.c.execute(f'SELECT 1 WHERE {where}')"),
    "failed syncs are heard of": (ignored_syncs, "with suppress(OSError):\n    os.fsync(fd)"),
    "no key becomes a path": (keys_in_paths, "root / info.key"),
}


def functions() -> Iterator[tuple[str, ast.AST]]:
    """Every function of the service, and what stands outside of them, by name."""
    for path in sorted(PACKAGE.glob("app/**/*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, node


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_kept(rule: str) -> None:
    look, _ = RULES[rule]
    found = {(name, what) for name, function in functions() for what in look(function)}
    assert found - ALLOWED.keys() == set()


@pytest.mark.parametrize("rule", RULES)
def test_rule_sees_what_breaks_it(rule: str) -> None:
    look, broken = RULES[rule]
    assert len(list(look(ast.parse(broken)))) == 1


def test_exceptions_are_still_needed() -> None:
    found = {(name, what) for look, _ in RULES.values() for name, function in functions() for what in look(function)}
    assert ALLOWED.keys() <= found
