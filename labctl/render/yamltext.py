"""YAML as labctl writes it: block style, keys in the order given, the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes multi-line text as a block, and indents lists under their key."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """A person may edit the text: nothing is said once and meant twice."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, False)  # noqa: FBT003


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    if style is None and value.startswith("${"):
        style = "'"  # containerlab puts in a value that may look like a number, or begin a comment
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """One document."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=118, allow_unicode=True)
    return text


def documents(values: Iterable[Any]) -> str:
    """Several documents in one text."""
    return "---\n".join(dump(value) for value in values)
