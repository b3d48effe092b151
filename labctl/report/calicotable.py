"""BGP sessions of a node in the layout of ``calicoctl node status`` (white paper: Figure 10)."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.verify.topics.bird import BirdSession

COLUMNS = ("PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO")


def node_status(sessions: Sequence[BirdSession]) -> str:
    """Both families, each a table or calicoctl's words for none."""
    return "\n\n".join(_family(version, [row for row in sessions if row.version == version]) for version in (4, 6))


def _family(version: int, sessions: Sequence[BirdSession]) -> str:
    if not sessions:
        return f"No IPv{version} peers found."
    rows = [(row.address, row.type, row.state, row.since, row.info) for row in sessions]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    rule = f"+{'+'.join('-' * (width + 2) for width in widths)}+"
    head = "|".join(f" {_centred(name, width)} " for name, width in zip(COLUMNS, widths, strict=True))
    lines = ["|".join(f" {cell:{width}} " for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join((f"IPv{version} BGP status", rule, f"|{head}|", rule, *(f"|{line}|" for line in lines), rule))


def _centred(text: str, width: int) -> str:
    """As calicoctl's tables do: what is left over goes to the right."""
    left = (width - len(text)) // 2
    return f"{' ' * left}{text}{' ' * (width - len(text) - left)}"
