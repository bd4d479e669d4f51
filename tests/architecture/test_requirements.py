"""requirements*.txt, pyproject.toml and the imports of the service tell the same story.

What only `storage_service.providers` imports is an extra: the service itself installs without it.
"""

import ast
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGE = "storage_service"
CORE = "requirements.txt"
# The rooms of the package that may need more than the rest, and the file that pins it.
EXTRAS = {"providers": "requirements-providers.txt"}
# The packages the product was asked to stand on.
ASKED_FOR = {
    "fastapi",
    "uvicorn",
    "aiofiles",
    "python-jose",
    "python-multipart",
    "pydantic-settings",
    "httpx",
}


def pinned(section: str | None = None, file: str = CORE) -> list[Requirement]:
    """The lines of a requirements file; `section`: only those under the comment beginning so."""
    found, current = [], ""
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            current = line
        elif line and not line.startswith("-r ") and (section is None or current.startswith(f"# {section}")):
            found.append(Requirement(line))
    return found


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def declared(extra: str | None = None) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


@cache
def imported_modules(extra: str | None = None) -> dict[str, str]:
    """Top-level third-party modules that an extra's room imports, or all other rooms, each with one file that does."""
    modules: dict[str, str] = {}
    for path in sorted((ROOT / PACKAGE / (extra or "")).rglob("*.py")):
        if extra is None and path.relative_to(ROOT / PACKAGE).parts[0] in EXTRAS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                targets = [node.module]
            else:
                continue
            for target in targets:
                modules.setdefault(target.partition(".")[0], str(path.relative_to(ROOT)))
    own = {*sys.stdlib_module_names, PACKAGE}
    return {module: path for module, path in modules.items() if module not in own}


def imported_distributions(extra: str | None = None) -> set[str]:
    return {canonicalize_name(owner) for module in imported_modules(extra) for owner in owners().get(module, [])}


@cache
def owners() -> Mapping[str, list[str]]:
    """The distributions each installed module is from."""
    return metadata.packages_distributions()


def test_every_package_asked_for_is_imported() -> None:
    assert imported_distributions() >= ASKED_FOR


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_every_import_is_a_direct_requirement(extra: str | None) -> None:
    direct = names(pinned("Direct"))
    if extra is not None:
        direct |= names(pinned("Direct", EXTRAS[extra]))
    unlisted = {
        module: path
        for module, path in imported_modules(extra).items()
        if not direct & {canonicalize_name(owner) for owner in owners().get(module, [])}
    }
    assert unlisted == {}


def test_every_direct_requirement_is_imported() -> None:
    assert names(pinned("Direct")) - imported_distributions() == set()


def test_every_requirement_of_an_extra_is_imported_there_or_by_its_example() -> None:
    """Alembic runs the example's revisions; the example is no part of the package."""
    for extra, file in EXTRAS.items():
        assert names(pinned("Direct", file)) - imported_distributions(extra) <= {"alembic"}


def test_service_imports_no_extra() -> None:
    only_there = {name for file in EXTRAS.values() for name in names(pinned("Direct", file))} - names(pinned())
    assert only_there
    assert only_there & imported_distributions() == set()


@pytest.mark.parametrize("extra", [None, *EXTRAS])
def test_pyproject_and_direct_requirements_agree(extra: str | None) -> None:
    file = CORE if extra is None else EXTRAS[extra]
    direct = {canonicalize_name(one.name): one for one in pinned("Direct", file)}
    assert names(declared(extra)) == set(direct)
    for floor in declared(extra):
        pin = direct[canonicalize_name(floor.name)]
        assert floor.extras == pin.extras
        assert floor.specifier.contains(str(pin.specifier).removeprefix("=="))


@pytest.mark.parametrize("file", [CORE, *EXTRAS.values()])
def test_every_requirement_is_pinned_once(file: str) -> None:
    requirements = pinned(file=file)
    assert [str(one) for one in requirements if not str(one.specifier).startswith("==")] == []
    assert len(names(requirements)) == len(requirements)


def test_extras_pin_what_the_service_pins() -> None:
    core = {canonicalize_name(one.name): one.specifier for one in pinned()}
    for file in EXTRAS.values():
        for one in pinned(file=file):
            assert core.get(canonicalize_name(one.name), one.specifier) == one.specifier


@pytest.mark.parametrize("file", [CORE, *EXTRAS.values()])
def test_requirements_are_complete(file: str) -> None:
    """The package itself is installed with --no-deps: what is not pinned would be missing."""
    waiting, seen = pinned("Direct", file), set[str]()
    while waiting:
        one = waiting.pop()
        seen.add(canonicalize_name(one.name))
        for line in metadata.requires(one.name) or []:
            needed = Requirement(line)
            if canonicalize_name(needed.name) not in seen and _applies(needed, one.extras):
                waiting.append(needed)
    assert seen - names([*pinned(), *pinned(file=file)]) == set()


def _applies(needed: Requirement, extras: set[str]) -> bool:
    marker = needed.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})
