"""The Calico manifest that a spec names: a user's file never goes into the artifact folder, so ``up`` gets its path."""

from __future__ import annotations

from pathlib import Path

import yaml

from labctl.spec.textfile import read_text


def calico_of(spec: Path) -> Path | None:
    """``cluster.calico.manifest`` of a spec that was judged already, relative to it; None: it names none."""
    if spec.is_dir():
        return None
    document = yaml.load(read_text(spec)[0], Loader=yaml.CSafeLoader)
    found = document.get("cluster")
    for key in ("calico", "manifest"):
        found = found.get(key) if isinstance(found, dict) else None
    return spec.parent / str(found) if found else None
