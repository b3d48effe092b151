"""How labctl goes about the switches of a target: one code, with the patience that the platform needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labctl.nxos.session import WINDOW
from labctl.pace import LIMITS


@dataclass(frozen=True, slots=True)
class Manner:
    """``login``: seconds for one try to log in. ``window``: lines of a configuration that are under way at once.

    ``estimate``: how long such a switch takes to boot, in words; empty when it is not worth a word.
    """

    login: float
    window: int
    estimate: str


STANDIN = Manner(LIMITS["login"], WINDOW, "")
N9KV = Manner(30.0, 1, "a 9000v takes 5 to 15 min")
"""Its log can put a prompt of its own between two answers, and it answers slowly while it boots."""


def manner_of(target: Mapping[str, str]) -> Manner:
    """By ``target`` of lab.json."""
    return N9KV if target.get("switch") == "n9kv" else STANDIN


EMBEDDED_LIMIT, CONTAINERS_LIMIT, N9KV_LIMIT = 600.0, 1800.0, 5400.0
"""Seconds for a whole ``up``: in one small guest, with containers of stand-ins, with 9000v images."""


def default_limit(runtime: str, target: Mapping[str, str]) -> float:
    """The limit of an ``up`` that was given none, seconds."""
    if target.get("switch") == "n9kv":
        return N9KV_LIMIT
    return EMBEDDED_LIMIT if runtime == "embedded" else CONTAINERS_LIMIT
