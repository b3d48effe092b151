"""How a drawing looks, in light and in dark. All rules are bound to the drawing's own class: it may stand in a page."""

from __future__ import annotations

NAME = "labctl-graph"
FONT = '"DejaVu Sans Mono", ui-monospace, "Liberation Mono", Menlo, Consolas, monospace'

_LIGHT = {
    "paper": "#ffffff", "ink": "#1b2430", "soft": "#566171", "line": "#5d6b7c", "box": "#eef2f7", "edge": "#8593a5",
    "node": "#e9f4ec", "outside": "#f6f1e7", "chip": "#ffffff", "band": "#dbe7f6", "band-edge": "#3568a8",
    "ibgp": "#7a3fa8", "ebgp": "#a85a00", "up": "#1a7f37", "down": "#c4222f", "unknown": "#6b6f76", "sign": "#ffffff",
}  # fmt: skip
_DARK = {
    "paper": "#12171e", "ink": "#e8edf3", "soft": "#a9b4c1", "line": "#8b98a8", "box": "#1f2833", "edge": "#5c6a7c",
    "node": "#1c2f25", "outside": "#302a1d", "chip": "#12171e", "band": "#1d3350", "band-edge": "#7fb0ee",
    "ibgp": "#c79bea", "ebgp": "#f0a850", "up": "#4cc368", "down": "#ff7b80", "unknown": "#a7adb6", "sign": "#10141a",
}  # fmt: skip

_RULES = """
.{0}{{color-scheme:light dark;font-family:{1};display:block;height:auto}}
.{0} text{{fill:var(--lg-ink);text-anchor:middle;white-space:pre}}
.{0} .paper{{fill:var(--lg-paper)}}
.{0} .soft{{fill:var(--lg-soft)}}
.{0} .strong{{font-weight:700}}
.{0} .box rect{{fill:var(--lg-box);stroke:var(--lg-edge);stroke-width:1.2}}
.{0} .node rect{{fill:var(--lg-node)}}
.{0} .external rect{{fill:var(--lg-outside)}}
.{0} .port rect{{fill:var(--lg-chip);stroke:var(--lg-edge);stroke-width:.8}}
.{0} .wire path{{fill:none;stroke:var(--lg-line);stroke-width:1.6}}
.{0} .bundle rect{{fill:var(--lg-band);stroke:var(--lg-band-edge);stroke-width:1.2}}
.{0} .fabric path{{fill:none;stroke:var(--lg-band-edge);stroke-width:2;stroke-dasharray:6 4}}
.{0} .session path{{fill:none;stroke-width:1.3;stroke-dasharray:3 3}}
.{0} .session rect{{fill:var(--lg-paper);stroke-width:1.2}}
.{0} .ibgp path,.{0} .ibgp rect{{stroke:var(--lg-ibgp)}}
.{0} .ibgp text{{fill:var(--lg-ibgp)}}
.{0} .ebgp path,.{0} .ebgp rect{{stroke:var(--lg-ebgp)}}
.{0} .ebgp text{{fill:var(--lg-ebgp)}}
.{0} .down>rect{{stroke:var(--lg-down);stroke-width:2}}
.{0} .unknown>rect{{stroke:var(--lg-unknown);stroke-dasharray:3 2}}
.{0} .down>path{{stroke:var(--lg-down);stroke-width:2.4;stroke-dasharray:7 4}}
.{0} .unknown>path{{stroke:var(--lg-unknown);stroke-dasharray:2 3}}
.{0} .sign circle{{stroke:var(--lg-paper);stroke-width:1}}
.{0} .sign path{{fill:none;stroke:var(--lg-sign);stroke-width:1.7;stroke-linecap:round;stroke-linejoin:round}}
.{0} .sign.up circle{{fill:var(--lg-up)}}
.{0} .sign.down circle{{fill:var(--lg-down)}}
.{0} .sign.unknown circle{{fill:var(--lg-unknown)}}
"""
# The last four rows of states have as many classes as the rows of parts before them, and come later: they win.


def style() -> str:
    """The style sheet."""
    rows = _RULES.format(NAME, FONT).strip()
    return (
        f"\n.{NAME}{{{_values(_LIGHT)}}}\n@media (prefers-color-scheme:dark){{.{NAME}{{{_values(_DARK)}}}}}\n{rows}\n"
    )


def _values(colours: dict[str, str]) -> str:
    return "".join(f"--lg-{name}:{value};" for name, value in colours.items())
