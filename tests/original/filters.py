"""The query string of a list, parsed as the original does: read this before trusting a filter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from tests.original.schema import Kind, Table
from tests.original.values import Cell, collated, leading_number, time_cell

_OPERATORS = {"le_": "<=", "lt_": "<", "ge_": ">=", "gt_": ">"}


class BadFilter(ValueError):
    """An unknown column, an empty sort item or a time that does not parse."""


@dataclass(frozen=True, slots=True)
class Filter:
    """``where`` and ``order``: pieces of SQL, "" for none, with the values for ``where``."""

    where: str
    values: tuple[Cell, ...]
    order: str


def parse(table: Table, query: str) -> Filter:
    """Conditions up to the first ``sort(…)`` or ``col=*``; what stands behind is not read."""
    conditions: list[str] = []
    values: list[Cell] = []
    order = ""
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "callback":
            continue
        if name.startswith("sort"):
            order = _order(table, name)
            break
        kind = table.kinds.get(name)
        if kind is None:
            raise BadFilter(f"'NoneType' object has no attribute 'type' ({name})")
        if "*" in value and value == "*":
            break
        condition = _condition(name, kind, value)
        if condition is not None:
            conditions.append(condition[0])
            values.append(condition[1])
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return Filter(where, tuple(values), order)


def _order(table: Table, name: str) -> str:
    parts = []
    for item in (part.strip() for part in name[5:-1].split(",")):
        column = item.lstrip("+-")
        if column not in table.kinds:
            raise BadFilter(f"sort: {item!r}")
        parts.append(f'"{column}"{" DESC" if item.startswith("-") else ""}')
    return f" ORDER BY {', '.join(parts)}"


def _condition(name: str, kind: Kind, value: str) -> tuple[str, Cell] | None:
    rest = value.rsplit("_", maxsplit=1)[-1]  # "12_High St" becomes "High St"
    compared: Cell
    if kind.name == "time":
        try:
            compared = time_cell(rest)
        except ValueError as error:
            raise BadFilter(str(error)) from error
    elif rest == "None":
        return None
    else:
        compared = rest if kind.name == "text" else leading_number(rest)
    operator = _OPERATORS.get(value[:3])
    if operator is None and "*" in value:
        return f'mysql_like("{name}", ?)', value.replace("*", "%")
    return f'"{name}" {operator or "="} ?', compared


def like(value: Cell, pattern: str) -> bool | None:
    """LIKE: ``%`` and ``_`` are wildcards, also those that were in the value itself."""
    if value is None:
        return None
    parts = {"%": ".*", "_": "."}
    regex = "".join(parts.get(c, re.escape(c)) for c in collated(pattern))
    return re.fullmatch(regex, collated(str(value)), re.DOTALL) is not None
