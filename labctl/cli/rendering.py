"""Spec file → Design, as several verbs need it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labctl.cli.output import say
from labctl.design.design import Design, Target
from labctl.design.images import ImageWishes
from labctl.design.plan import design
from labctl.errors import Problem
from labctl.peers import WRITTEN_FOR
from labctl.spec.load import load


def planned(
    spec: Path,
    *,
    target: tuple[str, str] | None = None,
    containerlab: str | None = None,
    name: str | None = None,
    wishes: ImageWishes | None = None,
) -> tuple[Design, tuple[Problem, ...]]:
    """Load, judge, decide. ``wishes``: images asked for outside the spec; ``containerlab``: the one that will read it.

    Returns the warnings beside it, which were told on stderr. Raises `SpecError` with every problem, `UsageError` for
    a bad ``name``.
    """
    if name is not None:
        from labctl.state import lab_state

        lab_state(name)
    loaded = load(spec, target=target, name=name, containerlab=containerlab)
    chosen: Any = target or (loaded.target.switch, loaded.target.cluster)
    for warning in loaded.warnings:
        say(warning.render())
    chosen_target = Target(chosen[0], chosen[1], containerlab or WRITTEN_FOR)
    return design(loaded, chosen_target, name, wishes), loaded.warnings


@contextmanager
def folder_of(
    source: Path,
    *,
    target: tuple[str, str] | None = None,
    containerlab: str | None = None,
    wishes: ImageWishes | None = None,
) -> Iterator[Path]:
    """An artifact folder as it is, or that of a spec for as long as it is looked at. Raises as `planned` does."""
    if source.is_dir():
        yield source
        return
    from labctl.render.folder import render_folder, write_folder

    plan = planned(source, target=target, containerlab=containerlab, wishes=wishes)[0]
    with tempfile.TemporaryDirectory(prefix="labctl-") as scratch:
        write_folder(render_folder(plan), Path(scratch))
        yield Path(scratch)
