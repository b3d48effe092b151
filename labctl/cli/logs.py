"""``labctl logs``."""

from __future__ import annotations

import click

from labctl.cli.app import complete_nodes, lab_argument, lab_nodes, open_lab, result
from labctl.errors import InconclusiveError, UsageError, did_you_mean


@click.command()
@lab_argument
@click.argument("node", required=False, shell_complete=complete_nodes)
def command(lab: str, node: str | None) -> None:
    """Logs of LAB: its daemon, guest, control plane and front ends, or those of one NODE (or process) alone."""
    opened = open_lab(lab)
    if node is not None:
        processes = sorted(path.stem for path in opened.state_folder.logs.glob("*.log"))
        known = list(dict.fromkeys([*lab_nodes(opened.state_folder), *processes]))
        if node not in known:
            raise _unknown(lab, node, known)
    text = opened.runtime.logs(node)
    if not text:
        raise InconclusiveError(
            f"nothing was logged{f' of {node}' if node else ''} in lab {lab}",
            code="no-logs",
            next_command=f"labctl logs {lab}" if node else f"labctl status {lab}",
        )
    result(text.rstrip())


def _unknown(lab: str, node: str, known: list[str]) -> UsageError:
    hint = did_you_mean(node, known, f"it has {', '.join(known)}")
    return UsageError(f"lab {lab} has no node or process {node}", code="no-such-node", hint=hint)
