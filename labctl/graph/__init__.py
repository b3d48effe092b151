"""Drawing a lab: its nodes in tiers, ports, bundles and BGP sessions, out of its artifact folder alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labctl.graph.layout import layout
from labctl.graph.mermaid import mermaid
from labctl.graph.picture import Picture, picture_of
from labctl.graph.status import Marks, marks_of, status_of
from labctl.graph.svg import svg
from labctl.verify.livestate import LiveState as Live

__all__ = ["Live", "Marks", "draw", "draw_mermaid", "marks_of"]


def draw(folder: Path, *, marks: Marks | None = None, live: Live | None = None, bgp: bool = True) -> str:
    """The picture as one ``<svg>`` element, to be a file or to stand inline in a page, in light and dark.

    ``marks``: what a verification found wrong; ``live``: the running lab's state; ``bgp``: with the sessions. A page
    gives it a place that scrolls: a picture is not made smaller than it can be read. Raises `SpecError` for a folder
    that cannot be read.
    """
    picture = _picture(folder, bgp=bgp)
    status = status_of(picture, marks, live)
    return svg(picture, layout(picture, status), status)


def draw_mermaid(folder: Path, *, marks: Marks | None = None, live: Live | None = None, bgp: bool = True) -> str:
    """The same as a Mermaid flowchart. Raises `SpecError` for a folder that cannot be read."""
    picture = _picture(folder, bgp=bgp)
    return mermaid(picture, status_of(picture, marks, live))


def _picture(folder: Path, *, bgp: bool) -> Picture:
    picture = picture_of(folder)
    return picture if bgp else replace(picture, sessions=())
