"""The query part of a list: filters and order. Pure.

Filters are joined by AND. ``col=value`` matches exactly; ``ge_col= gt_col= le_col= lt_col=`` (for
numbers and times also ``col=ge_value``, as the original has it) compare; ``col=null`` matches NULL;
a ``*`` at the start or end of a text is a wildcard; ``sort(+a,-b)`` orders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import parse_qsl

from replicator.central.problems import Problem
from replicator.central.schema import Kind
from replicator.central.validate import parse_time

Operator = Literal["eq", "ge", "gt", "le", "lt", "null", "like"]
_PREFIX = re.compile(r"(ge|gt|le|lt)_(.*)", re.DOTALL)
_SORT = re.compile(r"sort\((.*)\)")
_FLAGS = {"true": 1, "false": 0, "1": 1, "0": 0}
MAX_FILTERS = 50


@dataclass(frozen=True, slots=True)
class Condition:
    """``like``: ``value`` is literal text, ``before``, ``after``: anything may stand there."""

    column: str
    operator: Operator
    value: int | float | str | None = None
    before: bool = False
    after: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """``order``: (column, descending) pairs, without the primary key that always follows."""

    conditions: tuple[Condition, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()


def parse_query(kinds: Mapping[str, Kind], raw: str) -> Query:
    """The query string of a list. Raises Problem 400 for a column or value that makes no sense."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=MAX_FILTERS)
    except ValueError as error:
        raise _bad(f"at most {MAX_FILTERS} filters") from error
    conditions: list[Condition] = []
    order: list[tuple[str, bool]] = []
    for name, value in pairs:
        sort = _SORT.fullmatch(name)
        if sort is not None:
            if value:
                raise _bad("sort(…) has no value")
            order += [_order(kinds, part) for part in sort[1].split(",") if part]
        else:
            conditions.append(_condition(kinds, name, value))
    return Query(tuple(conditions), tuple(order))


def _order(kinds: Mapping[str, Kind], part: str) -> tuple[str, bool]:
    column = part.lstrip("+- ")  # a + in a query string arrives as a blank
    if column not in kinds:
        raise _bad(f"sort: there is no column {column[:60]!r}")
    return column, part.startswith("-")


def _condition(kinds: Mapping[str, Kind], name: str, value: str) -> Condition:
    operator: Operator = "eq"
    column = name
    prefixed = _PREFIX.fullmatch(name)
    if prefixed is not None and name not in kinds:
        operator, column = cast(Operator, prefixed[1]), prefixed[2]
    if column not in kinds:
        raise _bad(f"there is no column {column[:60]!r}")
    kind = kinds[column]
    if operator == "eq" and (value == "null" or (value == "None" and kind.name != "text")):
        return Condition(column, "null")
    if kind.name == "text":
        return _text(column, operator, value)
    prefixed = _PREFIX.fullmatch(value)
    if prefixed is not None and operator == "eq":
        operator, value = cast(Operator, prefixed[1]), prefixed[2]
    return Condition(column, operator, _value(column, kind, value))


def _text(column: str, operator: Operator, value: str) -> Condition:
    if "\0" in value:
        raise _bad(f"{column}: a zero character")
    if operator != "eq" or value.strip("*") == value or value == "":
        return Condition(column, operator, value)
    before, after = value.startswith("*"), value.endswith("*")
    return Condition(column, "like", value.strip("*"), before, after)


def _value(column: str, kind: Kind, text: str) -> int | float | str:
    found: int | float | str | None = None
    if kind.name == "time":
        found = parse_time(text)
    elif kind.name == "flag":
        found = _FLAGS.get(text.lower())
    elif kind.name == "float":
        found = _number(text)
    elif re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
        found = int(text)
    if found is None:
        raise _bad(f"{column}: {text[:60]!r} is not a {kind.name}")
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 3.4e38 else None


def _bad(detail: str) -> Problem:
    return Problem(400, "bad-filter", detail)
