"""``labctl logs``."""

from __future__ import annotations

import re
import threading

import click

from labctl.cli.labs import Lab, OnLab, complete_nodes, lab_argument
from labctl.cli.output import result, say
from labctl.errors import InconclusiveError, UsageError, did_you_mean

HEADING = re.compile(r"^==> (.*) <==$", re.MULTILINE)
PAUSE = 1.0
"""Seconds between two looks for new lines."""
Logs = dict[str, list[str]]


@click.command(cls=OnLab)
@lab_argument
@click.argument("node", required=False, shell_complete=complete_nodes)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("-n", "--tail", type=click.IntRange(min=0), metavar="N", help="Of each log the last N lines.")
def command(lab: Lab, node: str | None, follow: bool, tail: int | None) -> None:
    """Logs of LAB: its daemon, guest, control plane and front ends, or those of one NODE (or process) alone.

    \b
    labctl logs whitepaper leaf2101
    labctl logs whitepaper --tail 20 -f
    """
    processes = sorted(path.stem for path in lab.state_folder.logs.glob("*.log"))
    known = list(dict.fromkeys([*lab.nodes(), *processes]))
    if node is not None and node not in known:
        hint = did_you_mean(node, known, f"it has {', '.join(known)}")
        raise UsageError(f"lab {lab.name} has no node or process {node}", code="no-such-node", hint=hint)
    seen = _logs(lab, node)
    if not seen and not follow:
        message = f"nothing was logged{f' of {node}' if node else ''} in lab {lab.name}"
        instead = f"labctl {'logs' if node else 'status'} {lab.name}"
        raise InconclusiveError(message, code="no-logs", next_command=instead)
    last = _tell({name: lines if tail is None else lines[len(lines) - tail :] for name, lines in seen.items()}, "")
    if follow:
        _follow(lab, node, seen, last)


def _logs(lab: Lab, node: str | None) -> Logs:
    """Lines by the heading that stands over them."""
    parts = HEADING.split(lab.runtime.logs(node))
    return {name: body.strip("\n").splitlines() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _tell(found: Logs, last: str) -> str:
    """Print them, with a heading wherever it is another log; returns the one that was printed last."""
    for name, lines in found.items():
        if lines:
            result("\n".join([*([f"==> {name} <=="] if name != last else []), *lines]))
            last = name
    return last


def _follow(lab: Lab, node: str | None, seen: Logs, last: str) -> None:
    pause = threading.Event()
    try:
        while lab.state_folder.exists:
            pause.wait(PAUSE)
            now = _logs(lab, node)
            last = _tell({name: _added(seen.get(name, []), lines) for name, lines in now.items()}, last)
            seen |= now
        say(f"lab {lab.name} is gone")
    except KeyboardInterrupt:
        pass  # the way to end it


def _added(before: list[str], now: list[str]) -> list[str]:
    """What has come: a log grows at its end, and of a long one only the end may be shown."""
    same = (kept for kept in range(min(len(before), len(now)), 0, -1) if before[-kept:] == now[:kept])
    return now[next(same, 0) :]
