"""Folders of the topologies that labctl comes with, as they are rendered."""

from __future__ import annotations

from pathlib import Path

RENDERED = Path(__file__).parents[2] / "golden" / "render"
WHITEPAPER = RENDERED / "whitepaper-standin-fabric"
FOLDERS = {
    "whitepaper": WHITEPAPER,
    "minimal": RENDERED / "minimal-standin-physical",
    "fabric": RENDERED / "fabric-standin-fabric",
}
