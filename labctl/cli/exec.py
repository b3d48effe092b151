"""``labctl exec``."""

from __future__ import annotations

import sys

import click

from labctl.cli.app import lab_argument, node_argument, open_lab


@click.command(context_settings={"ignore_unknown_options": True})
@lab_argument
@node_argument
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD...")
def command(lab: str, node: str, argv: tuple[str, ...]) -> None:
    """Run CMD in NODE of LAB; the exit code is the command's. With a terminal, it gets one."""
    from labctl.cli.streams import join, terminal_size

    endpoints = open_lab(lab).endpoints()
    size = terminal_size()
    stream = endpoints.stream(node, argv, tty=size)
    try:
        code = join(stream, with_tty=size is not None)
    finally:
        stream.close()
    sys.exit(code)
