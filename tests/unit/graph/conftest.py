"""Folders of the topologies that labctl comes with, as they are rendered."""

from __future__ import annotations

from tests.rendered import rendered_folder

WHITEPAPER = rendered_folder("whitepaper-standin-fabric")
FOLDERS = {
    "whitepaper": WHITEPAPER,
    "minimal": rendered_folder("minimal-standin-physical"),
    "fabric": rendered_folder("fabric-standin-fabric"),
}
