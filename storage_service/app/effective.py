"""The settings in effect as an operator may see them: every value but secrets."""

from collections.abc import Iterable
from typing import Any

from pydantic import SecretStr

from storage_service.app.apis.context import SettingRecord
from storage_service.app.core.config import Settings

SECRET = frozenset({"storage_keys"})  # secrets stand inside


def effective(settings: Settings) -> list[SettingRecord]:
    """By the order of their declaration; the name is the variable's."""
    return [
        SettingRecord(
            name=name.upper(),
            value=_shown(name, getattr(settings, name)),
            is_default=getattr(settings, name) == field.get_default(call_default_factory=True, validated_data={}),
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _shown(name: str, value: Any) -> str:
    if isinstance(value, SecretStr):
        return "set"
    if name in SECRET:
        return f"{len(value)} set" if value else ""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(str(getattr(one, "name", one)) for one in value)
    return str(value)
