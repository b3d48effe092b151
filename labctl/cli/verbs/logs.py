"""``labctl logs``."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence

import click

from labctl.cli.labs import Lab, OnLab, complete_nodes, lab_argument, lab_nodes, open_lab
from labctl.cli.output import result, say
from labctl.errors import InconclusiveError, UsageError, did_you_mean

HEADING = re.compile(r"^==> (.*) <==$", re.MULTILINE)
PAUSE = 1.0
"""Seconds between two looks for new lines."""


@click.command(cls=OnLab)
@lab_argument
@click.argument("node", required=False, shell_complete=complete_nodes)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("-n", "--tail", type=click.IntRange(min=0), metavar="N", help="Of each log the last N lines.")
def command(lab: str, node: str | None, follow: bool, tail: int | None) -> None:
    """Logs of LAB: its daemon, guest, control plane and front ends, or those of one NODE (or process) alone.

    \b
    labctl logs whitepaper leaf2101
    labctl logs whitepaper --tail 20 -f
    """
    opened = open_lab(lab)
    if node is not None:
        processes = sorted(path.stem for path in opened.state_folder.logs.glob("*.log"))
        known = list(dict.fromkeys([*lab_nodes(opened.state_folder), *processes]))
        if node not in known:
            raise _unknown(lab, node, known)
    text = opened.runtime.logs(node)
    if not text and not follow:
        raise InconclusiveError(
            f"nothing was logged{f' of {node}' if node else ''} in lab {lab}",
            code="no-logs",
            next_command=f"labctl logs {lab}" if node else f"labctl status {lab}",
        )
    seen = pieces(text)
    last = _tell({name: lines[len(lines) - tail :] if tail is not None else lines for name, lines in seen.items()}, "")
    if follow:
        _follow(opened, node, seen, last)


def pieces(text: str) -> dict[str, list[str]]:
    """Lines by the heading that stands over them."""
    parts = HEADING.split(text)
    return {name: body.strip("\n").splitlines() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def added(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """What has come: a log grows at its end, and of a long one only the end may be shown."""
    for kept in range(min(len(before), len(now)), 0, -1):
        if before[-kept:] == now[:kept]:
            return now[kept:]
    return now


def _tell(found: dict[str, Sequence[str]] | dict[str, list[str]], last: str) -> str:
    """Print them, with a heading wherever it is another log; returns the one that was printed last."""
    for name, lines in found.items():
        if lines:
            result("\n".join([*([f"==> {name} <=="] if name != last else []), *lines]))
            last = name
    return last


def _follow(opened: Lab, node: str | None, seen: dict[str, list[str]], last: str) -> None:
    pause = threading.Event()
    try:
        while opened.state_folder.exists:
            pause.wait(PAUSE)
            now = pieces(opened.runtime.logs(node))
            last = _tell({name: added(seen.get(name, []), lines) for name, lines in now.items()}, last)
            seen |= now
        say(f"lab {opened.name} is gone")
    except KeyboardInterrupt:
        pass  # the way to end it


def _unknown(lab: str, node: str, known: list[str]) -> UsageError:
    hint = did_you_mean(node, known, f"it has {', '.join(known)}")
    return UsageError(f"lab {lab} has no node or process {node}", code="no-such-node", hint=hint)
