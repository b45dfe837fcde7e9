"""TOML tables to frozen dataclasses, with a sentence for every value that does not fit."""

import dataclasses
import difflib
import typing
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from triage.content.problems import Problem

T = TypeVar("T")


def unknown_key(kind: str, key: str, known: Iterable[str]) -> str:
    """A sentence for a key that nobody reads."""
    names = sorted(known)
    near = difflib.get_close_matches(key, names, 1)
    hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(names)}"
    return f'{kind} "{key}" is not known; {hint}'


def build(cls: type[T], table: dict[str, Any], file: str, where: str, problems: list[Problem]) -> T | None:
    """``cls(**table)`` with checked types; None, and problems added, where it does not fit."""
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    for key in table.keys() - fields.keys():
        problems.append(Problem(file, unknown_key(f"{where}: setting", key, fields)))
    given = {key: value for key, value in table.items() if key in fields}
    try:
        return TypeAdapter(cls).validate_python(given)
    except ValidationError as error:
        for item in error.errors():
            problems.append(Problem(file, _sentence(where, dict(item))))
        return None


def _sentence(where: str, item: dict[str, Any]) -> str:
    path = ".".join(str(step) for step in item["loc"])
    if item["type"] == "missing" or item["type"] == "missing_argument":
        return f"{where}: {path} is missing; add it"
    return f"{where}: {path} = {item['input']!r} does not fit: {item['msg'].lower()}; correct it"
