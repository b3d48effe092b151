"""``labctl ssh``."""

from __future__ import annotations

import os
import shutil

import click
from click.shell_completion import CompletionItem

from labctl.cli.app import lab_argument, lab_nodes, open_lab
from labctl.errors import HostError
from labctl.state import lab_state


def complete_switches(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shell completion: switches of the lab that was typed before."""
    name = context.params.get("lab")
    names = lab_nodes(lab_state(name), ("switch",)) if name else []
    return [CompletionItem(switch) for switch in names if switch.startswith(incomplete)]


@click.command(context_settings={"ignore_unknown_options": True})
@lab_argument
@click.argument("switch", shell_complete=complete_switches)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD...]")
def command(lab: str, switch: str, argv: tuple[str, ...]) -> None:
    """Log in to SWITCH of LAB with the host's ssh, or run CMD on it; the exit code is ssh's."""
    endpoint = open_lab(lab).endpoints().ssh(switch)
    program = shutil.which("ssh")
    if program is None:
        raise HostError(
            "there is no ssh client on this host",
            code="no-ssh",
            hint=f"any SSH client can log in: {endpoint.username}@{endpoint.host} port {endpoint.port}",
            next_command="apt-get install openssh-client",
        )
    os.execv(program, ["ssh", "-F", str(endpoint.config_file), switch, *argv])  # noqa: S606 - becoming ssh is the point
