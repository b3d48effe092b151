"""YAML as labctl writes it: block style, keys in the order given, the same bytes every time.

The text goes to the emitter as events: PyYAML's way there, over a tree of nodes, takes twice the time of the emitter.
Nothing is said once and meant twice (no aliases): a person may edit the text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import yaml

EMITTER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""libyaml's, a fifth of the time of PyYAML's own, where PyYAML was built with it; both write the same bytes."""
WIDTH = 1 << 20
"""No line is folded: the two do it at different places."""
STRING = "tag:yaml.org,2002:str"

_RESOLVER: Any = yaml.resolver.Resolver()
_START = (yaml.StreamStartEvent(), yaml.DocumentStartEvent(explicit=False))
_END = (yaml.DocumentEndEvent(explicit=False), yaml.StreamEndEvent())
_MAPPING = yaml.MappingStartEvent(None, None, implicit=True, flow_style=False), yaml.MappingEndEvent()
_SEQUENCE = yaml.SequenceStartEvent(None, None, implicit=True, flow_style=False), yaml.SequenceEndEvent()


def dump(value: Any) -> str:
    """One document: dicts, lists, texts, numbers, true, false and null."""
    events: list[yaml.Event] = [*_START]
    _add(events.append, value)
    text: str = yaml.emit([*events, *_END], Dumper=EMITTER, width=WIDTH, allow_unicode=True)
    return text


def flow(value: Any) -> str:
    """On one line, as templates put it in: a scalar as `dump` writes it, or a list of scalars in brackets."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    return _scalar(str(value))


@lru_cache(maxsize=1 << 10)
def _scalar(value: str) -> str:
    return dump([value])[2:-1]


def _add(add: Callable[[yaml.Event], None], value: Any) -> None:
    if isinstance(value, str):
        add(_text(value))
    elif isinstance(value, dict):
        add(_MAPPING[0])
        for key, inner in value.items():
            add(_text(key))
            _add(add, inner)
        add(_MAPPING[1])
    elif isinstance(value, list | tuple):
        add(_SEQUENCE[0])
        for inner in value:
            _add(add, inner)
        add(_SEQUENCE[1])
    else:
        plain = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
        add(yaml.ScalarEvent(None, None, (True, False), plain))


@lru_cache(maxsize=1 << 14)
def _text(value: str) -> yaml.ScalarEvent:
    """Of several lines: a block. Quoted where a reader would take it for something else; labs say the same again."""
    style = "|" if "\n" in value else None
    if style is None and value.startswith("${"):
        style = "'"  # containerlab puts in a value that may look like a number, or begin a comment
    plain = _RESOLVER.resolve(yaml.ScalarNode, value, (True, False)) == STRING
    return yaml.ScalarEvent(None, STRING, (plain, True), value, style=style)
