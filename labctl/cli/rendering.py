"""Spec file → Design, as several verbs need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labctl.design.images import ImageWishes
from labctl.design.model import Design, Target
from labctl.design.plan import design
from labctl.spec.load import load
from labctl.state import lab_state


def design_of(
    spec: Path,
    *,
    target: tuple[str, str] | None = None,
    name: str | None = None,
    wishes: ImageWishes | None = None,
) -> Design:
    """Load, judge, decide. ``wishes``: images asked for outside the spec.

    Raises `SpecError` with every problem, `UsageError` for a bad ``name``.
    """
    if name is not None:
        lab_state(name)
    loaded = load(spec, target=target, name=name)
    chosen: Any = target or (loaded.target.switch, loaded.target.cluster)
    return design(loaded, Target(chosen[0], chosen[1]), name, wishes)
