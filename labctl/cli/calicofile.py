"""The Calico manifest that a spec names: a user's file never goes into the artifact folder, so ``up`` gets its path."""

from __future__ import annotations

from pathlib import Path

import yaml


def calico_of(spec: Path) -> Path | None:
    """``cluster.calico.manifest`` of a spec that was judged already, relative to it; None: it names none."""
    if not spec.is_file():
        return None
    document = yaml.load(spec.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    found = document.get("cluster")
    for key in ("calico", "manifest"):
        found = found.get(key) if isinstance(found, dict) else None
    return spec.parent / str(found) if found else None
