"""``labctl exec``."""

from __future__ import annotations

import sys

import click

from labctl.cli.labs import OnLab, lab_argument, lab_nodes, node_argument, open_lab
from labctl.errors import ExitCode, NotStarted

SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")
STARTED = {"ENOENT": ExitCode.NOT_FOUND, "EACCES": ExitCode.NOT_EXECUTABLE, "ENOEXEC": ExitCode.NOT_EXECUTABLE}


@click.command(cls=OnLab, context_settings={"ignore_unknown_options": True})
@lab_argument
@node_argument
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD...]")
@click.option("--linux", is_flag=True, help="On a switch: in the Linux below it, not on its NX-OS command line.")
def command(lab: str, node: str, argv: tuple[str, ...], linux: bool) -> None:
    """Run CMD in NODE of LAB: on a switch at its NX-OS command line. Without CMD, a shell (or the switch's login).

    The exit code is the command's: 127 where NODE has no such program, 126 for one that cannot be executed.

    \b
    labctl exec whitepaper node01 -- ip route
    labctl exec whitepaper leaf2101 -- show bgp l2vpn evpn summary
    labctl exec whitepaper node01
    """
    opened = open_lab(lab)
    if node in lab_nodes(opened.state_folder, ("switch",)) and not linux:
        from labctl.cli.verbs.ssh import become_ssh

        become_ssh(opened, node, argv)
    from labctl.cli.terminal import join, terminal_size
    from labctl.guest.api import AgentError

    argv, size = argv or SHELL, terminal_size()
    try:
        stream = opened.endpoints().stream(node, argv, tty=size)
        try:
            code = join(stream, with_tty=size is not None)
        finally:
            stream.close()
    except AgentError as error:
        if error.cause not in STARTED:
            raise
        there = STARTED[error.cause] is ExitCode.NOT_EXECUTABLE
        raise NotStarted(
            f"{node}: {argv[0]} cannot be executed" if there else f"{node} has no program {argv[0]}",
            STARTED[error.cause],
            hint=None if there else "a line for a shell goes as: -- sh -c 'LINE'",
        ) from None
    sys.exit(code)
