"""Expected beside seen, as rows: one a key where both are objects, one a line where both are lists. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

MISSING = object()
LONGEST = 60
"""Rows; what is beyond is counted, and is whole in ``evidence.json``."""
WIDEST = 2000
"""Characters of one value."""
State = Literal["same", "differs", "lacking", "extra", "open"]


@dataclass(frozen=True, slots=True)
class Row:
    """``state``: lacking was expected and not seen, extra the reverse; open: the two cannot be laid side by side."""

    key: str
    expected: str
    seen: str
    state: State


def side_by_side(expected: Any, seen: Any) -> list[Row]:
    """Rows; none when neither says anything."""
    if expected is None and seen is None:
        return []
    if isinstance(expected, Mapping) and isinstance(seen, Mapping):
        rows = _objects("", expected, seen)
    elif _plain_list(expected) and _plain_list(seen):
        rows = _lists("", expected, seen)
    elif isinstance(expected, Mapping) and seen is None:
        rows = [Row(str(key), _text(value), "", "lacking") for key, value in expected.items()]
    else:
        rows = [Row("", _text(expected), _text(seen), _state(expected, seen))]
    if len(rows) > LONGEST:
        # what differs first: it must not be what is cut
        rows = sorted(rows, key=lambda row: row.state in ("same", "open"))
        rows = [*rows[:LONGEST], Row(f"and {len(rows) - LONGEST} more", "", "", "open")]
    return rows


def _objects(prefix: str, expected: Mapping[str, Any], seen: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = []
    lacking: State = "lacking" if expected.keys() & seen.keys() or not seen else "open"  # else they name other things
    for key in dict.fromkeys((*expected, *seen)):
        one, other = expected.get(key, MISSING), seen.get(key, MISSING)
        name = f"{prefix}{key}"
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            rows += _objects(f"{name}.", one, other)
        elif one is MISSING:
            rows.append(Row(name, "", _text(other), "open"))  # more was seen than was asked for
        elif other is MISSING:
            rows.append(Row(name, _text(one), "", lacking))
        elif _plain_list(one) and _plain_list(other) and one != other:
            rows += _lists(name, one, other)
        else:
            rows.append(Row(name, _text(one), _text(other), _state(one, other)))
    return rows


def _lists(name: str, expected: Sequence[Any], seen: Sequence[Any]) -> list[Row]:
    """Members side by side, in the order expected."""
    rows = [
        Row(name, _text(item), _text(item) if item in seen else "", "same" if item in seen else "lacking")
        for item in expected
    ]
    rows += [Row(name, "", _text(item), "extra") for item in seen if item not in expected]
    return rows or [Row(name, "none", "none", "same")]


def _plain_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value)


def _state(expected: Any, seen: Any) -> State:
    if seen in (expected, [expected]):
        return "same"
    if isinstance(expected, Mapping | list) is not isinstance(seen, Mapping | list):
        return "open"
    return "differs"


def _text(value: Any) -> str:
    text = _whole(value)
    more = len(text) - WIDEST
    return f"{text[:WIDEST]} … and {more} more characters" if more > 0 else text


def _whole(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "nothing"
    if _plain_list(value):
        return ", ".join(map(str, value)) or "none"
    return json.dumps(value, ensure_ascii=False, default=str)
