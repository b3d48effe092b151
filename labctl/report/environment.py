"""On what a lab was proven, in few words: the ``environment`` of its evidence, as every report tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS = {
    "mode": "mode {}",
    "runtime": "on {}",
    "launcher": "{}",
    "labctl": "labctl {}",
    "time": "{}",
    "guest_speed": "guest speed {:.2g} of the reference",
}


def facts(environment: Mapping[str, Any] | None, *keys: str) -> list[str]:
    """The parts of the target, then these keys where they are there. Not cleaned: evidence may come from anybody."""
    known = environment or {}
    target = known.get("target")
    parts = [f"{part} {kind}" for part, kind in target.items()] if isinstance(target, Mapping) else []
    return parts + [WORDS[key].format(known[key]) for key in keys if known.get(key)]
