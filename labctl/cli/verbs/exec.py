"""``labctl exec``."""

from __future__ import annotations

import sys

import click

from labctl.cli.labs import Lab, OnLab, complete_nodes, lab_argument
from labctl.errors import ExitCode, NotStarted

SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")


@click.command(cls=OnLab, context_settings={"ignore_unknown_options": True})
@lab_argument
@click.argument("node", shell_complete=complete_nodes)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD...]")
@click.option("--linux", is_flag=True, help="On a switch: in the Linux below it, not on its NX-OS command line.")
def command(lab: Lab, node: str, argv: tuple[str, ...], linux: bool) -> None:
    """Run CMD in NODE of LAB: on a switch at its NX-OS command line. Without CMD, a shell (or the switch's login).

    The exit code is the command's: 127 where NODE has no such program, 126 for one that cannot be executed.

    \b
    labctl exec whitepaper node01 -- ip route
    labctl exec whitepaper leaf2101 -- show bgp l2vpn evpn summary
    labctl exec whitepaper node01
    """
    if node in lab.nodes("switch") and not linux:
        from labctl.cli.verbs.ssh import become_ssh

        become_ssh(lab, node, argv)
    from labctl.cli.terminal import join
    from labctl.guest.api import AgentError

    argv = argv or SHELL
    try:
        code = join(lab.endpoints(), node, argv)
    except AgentError as error:
        if error.cause == "ENOENT":
            hint = "a line for a shell goes as: -- sh -c 'LINE'"
            raise NotStarted(f"{node} has no program {argv[0]}", ExitCode.NOT_FOUND, hint=hint) from None
        if error.cause in ("EACCES", "ENOEXEC"):
            raise NotStarted(f"{node}: {argv[0]} cannot be executed", ExitCode.NOT_EXECUTABLE) from None
        raise
    sys.exit(code)
