"""The profile of a platform: one code for the switches of all targets, with the patience that each needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labctl.nxos.session import WINDOW
from labctl.pace import LIMITS
from labctl.runtime.api import Runtime


@dataclass(frozen=True, slots=True)
class Profile:
    """``login``: seconds for one try to log in. ``window``: lines of a configuration that are under way at once.

    ``estimate``: how long such a switch takes to boot, in words; empty when it is not worth a word.
    """

    login: float
    window: int
    estimate: str


STANDIN = Profile(LIMITS["login"], WINDOW, "")
N9KV = Profile(30.0, 1, "a 9000v takes 5 to 15 min")
"""Its log can put a prompt of its own between two answers, and it answers slowly while it boots."""


def profile_of(target: Mapping[str, str]) -> Profile:
    """By ``target`` of lab.json."""
    return N9KV if target.get("switch") == "n9kv" else STANDIN


N9KV_LIMIT = 5400.0
"""Seconds for a whole ``up`` with 9000v images."""


def default_limit(runtime: Runtime, target: Mapping[str, str]) -> float:
    """The limit of an ``up`` that was given none, seconds."""
    return N9KV_LIMIT if target.get("switch") == "n9kv" else runtime.limit
