"""``labctl ssh``."""

from __future__ import annotations

import os
import shlex
import shutil
from typing import NoReturn

import click

from labctl.cli.labs import Lab, OnLab, complete_switches, lab_argument, lab_nodes, open_lab
from labctl.errors import HostError, UsageError


@click.command(cls=OnLab, context_settings={"ignore_unknown_options": True})
@lab_argument
@click.argument("switch", shell_complete=complete_switches)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD...]")
def command(lab: str, switch: str, argv: tuple[str, ...]) -> None:
    """Log in to SWITCH of LAB with the host's ssh, or run CMD on it; the exit code is ssh's.

    Any other client logs in with the file that `labctl inventory LAB --format ssh` prints.

    \b
    labctl ssh whitepaper leaf2101
    labctl ssh whitepaper leaf2101 -- show vpc
    """
    opened = open_lab(lab)
    if switch in lab_nodes(opened.state_folder) and switch not in lab_nodes(opened.state_folder, ("switch",)):
        raise UsageError(
            f"{switch} is a node, not a switch: it has a shell, but no SSH",
            code="no-such-switch",
            next_command=shlex.join(["labctl", "exec", lab, switch, *(["--", *argv] if argv else [])]),
        )
    become_ssh(opened, switch, argv)


def become_ssh(lab: Lab, switch: str, argv: tuple[str, ...]) -> NoReturn:
    """Replace this process by ssh. Raises `HostError` where there is none."""
    endpoint = lab.endpoints().ssh(switch)
    program = shutil.which("ssh")
    if program is None:
        raise HostError(
            "there is no ssh client on this host",
            code="no-ssh",
            hint=f"any SSH client can log in: {endpoint.username}@{endpoint.host} port {endpoint.port}",
            next_command="apt-get install openssh-client",
        )
    os.execv(program, ["ssh", "-F", str(endpoint.config_file), switch, *argv])  # noqa: S606 - becoming ssh is the point
