"""Show commands that are answered from the configuration itself."""

from __future__ import annotations

import time
from collections.abc import Sequence

from labctl.nxos.tree import ConfigTree, Section
from labctl.standin.switch.config import RunningConfig
from labctl.standin.switch.filters import section
from labctl.standin.switch.verbs import PARTS


def now() -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())


def show(config: RunningConfig, log: Sequence[str], words: tuple[str, ...]) -> str:
    """``words``: in full, behind ``show``."""
    match words:
        case ("running-config", *part):
            text = _part(config.tree(), tuple(part))
            return _headed(f"running-config {' '.join(part)}".rstrip(), config, text)
        case ("startup-config",):
            if config.startup is None:
                return "No startup configuration"
            return _headed("startup-config", config, config.startup)
        case ("labctl", "ignored"):
            rows = config.ignored()
            width = max((len(line) for line, _ in rows), default=0)
            return "\n".join(f"{line.ljust(width)}  {reason}" for line, reason in rows) or "no line is without effect"
        case _:
            return "\n".join(log) or "nothing was logged"


def _headed(what: str, config: RunningConfig, text: str) -> str:
    saved = f"!Startup config saved at: {config.saved}\n" if what == "startup-config" else ""
    return (
        f"\n!Command: show {what}\n!Running configuration last done at: {config.last_change}\n{saved}!Time: {now()}\n\n"
        f"version {config.version} Bios:version\n{text.rstrip()}\n"
    )


def _part(tree: ConfigTree, words: tuple[str, ...]) -> str:
    match words:
        case ():
            return tree.text()
        case ("interface",):
            return ConfigTree(tuple(tree.all("interface"))).text()
        case ("interface", name):
            return ConfigTree(tuple(s for s in tree.all("interface") if s.words[1] == name)).text()
        case ("section", *pattern):
            return section(tree.text(), pattern)
        case _:
            return _of(tree, *PARTS[" ".join(words)])


def _of(tree: ConfigTree, top: tuple[str, ...], inside: tuple[str, ...]) -> str:
    kept = []
    for item in tree.sections:
        if item.line.startswith(top):
            kept.append(item)
        elif item.line.startswith("interface "):
            children = tuple(child for child in item.children if child.line.startswith(inside)) if inside else ()
            if children:
                kept.append(Section(item.line, children))
    return ConfigTree(tuple(kept)).text()
