"""A row of the catalogue: something that the white paper shows or says, and the checks that reproduce it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["figure", "table", "claim"]
Mode = Literal["routed", "ipip", "both"]


@dataclass(frozen=True, slots=True)
class Row:
    """``checks``: patterns of check ids, all of which must have run for a verdict; none: ``note`` says why it cannot be
    shown. ``mode``: in which the paper's picture is taken. ``prints``: values of the paper that the lab has, too.
    ``lab``: the topology that has the checks (``topologies/<lab>.yaml``). ``place``: the section of the paper.
    """

    id: str
    kind: Kind
    title: str
    place: str
    checks: tuple[str, ...] = ()
    mode: Mode = "routed"
    prints: tuple[str, ...] = ()
    note: str = ""
    lab: str = "whitepaper"
