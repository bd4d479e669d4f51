"""The README's table of settings is that of the code: every name, default and description, in its order."""

from pathlib import Path

from pydantic import AliasChoices
from pydantic_core import PydanticUndefined

from storage_service.app.core.config import Settings

README = Path(__file__).parents[2] / "README.md"
MARK = "<!-- settings: tests/docs/test_settings.py compares this table with the code -->"
HEAD = ["| variable | default | what |", "|---|---|---|"]


def names(field: str) -> list[str]:
    """The variables of a field, the one that wins first."""
    alias = Settings.model_fields[field].validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [field.upper()]


def default(field: str) -> str:
    value = Settings.model_fields[field].default
    if value is PydanticUndefined:
        return "required"
    if value is None or value == ():
        return "unset"
    text = ",".join(value) if isinstance(value, tuple) else str(value)
    return f"`{text.lower() if isinstance(value, bool) else text}`"


def row(field: str) -> str:
    description = (Settings.model_fields[field].description or "").replace("\n", " ")
    return f"| {', '.join(f'`{name}`' for name in names(field))} | {default(field)} | {description} |"


def test_table_of_the_readme_is_that_of_the_code() -> None:
    shown = README.read_text(encoding="utf-8").partition(MARK)[2].partition("\n## ")[0].strip()
    expected = "\n".join([*HEAD, *map(row, Settings.model_fields)])
    assert shown == expected, f"the table should be:\n{expected}"
