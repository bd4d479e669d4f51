"""requirements.txt, pyproject.toml and the imports of the service tell the same story."""

import ast
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PACKAGE = "storage_service"
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


def pinned(section: str | None = None) -> list[Requirement]:
    """The lines of requirements.txt; `section`: only those under the comment beginning so."""
    found, current = [], ""
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            current = line
        elif line and (section is None or current.startswith(f"# {section}")):
            found.append(Requirement(line))
    return found


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in requirements}


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in project["dependencies"]]


def imported_modules() -> dict[str, str]:
    """Top-level third-party modules the service imports, each with one file that does."""
    modules: dict[str, str] = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
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


def imported_distributions() -> set[str]:
    owners = metadata.packages_distributions()
    return {canonicalize_name(owner) for module in imported_modules() for owner in owners.get(module, [])}


def test_every_package_asked_for_is_imported() -> None:
    assert imported_distributions() >= ASKED_FOR


def test_every_import_is_a_direct_requirement() -> None:
    owners = metadata.packages_distributions()
    direct = names(pinned("Direct"))
    unlisted = {
        module: path
        for module, path in imported_modules().items()
        if not direct & {canonicalize_name(owner) for owner in owners.get(module, [])}
    }
    assert unlisted == {}


def test_every_direct_requirement_is_imported() -> None:
    assert names(pinned("Direct")) - imported_distributions() == set()


def test_pyproject_and_direct_requirements_agree() -> None:
    direct = {canonicalize_name(one.name): one for one in pinned("Direct")}
    assert names(declared()) == set(direct)
    for floor in declared():
        pin = direct[canonicalize_name(floor.name)]
        assert floor.extras == pin.extras
        assert floor.specifier.contains(str(pin.specifier).removeprefix("=="))


def test_every_requirement_is_pinned_once() -> None:
    requirements = pinned()
    assert [str(one) for one in requirements if not str(one.specifier).startswith("==")] == []
    assert len(names(requirements)) == len(requirements)


def test_requirements_are_complete() -> None:
    """The package itself is installed with --no-deps: what is not pinned would be missing."""
    waiting, seen = pinned("Direct"), set[str]()
    while waiting:
        one = waiting.pop()
        seen.add(canonicalize_name(one.name))
        for line in metadata.requires(one.name) or []:
            needed = Requirement(line)
            if canonicalize_name(needed.name) not in seen and _applies(needed, one.extras):
                waiting.append(needed)
    assert seen - names(pinned()) == set()


def _applies(needed: Requirement, extras: set[str]) -> bool:
    marker = needed.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})
