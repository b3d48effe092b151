"""``labctl watch``."""

from __future__ import annotations

import os
import sys

import click

from labctl.cli.labs import OnLab, lab_argument, open_lab
from labctl.cli.options import json_option
from labctl.cli.output import result

LEAST = 0.2
"""Seconds between two looks, at the least: what is asked so often is kept from its work."""

PATIENCE = 0.5
"""Seconds for a look that is under way when Ctrl-C comes."""


@click.command(cls=OnLab)
@lab_argument
@click.option("--interval", type=click.FloatRange(min=LEAST), default=2.0, show_default=True, metavar="S",
              help="Seconds between two looks.")  # fmt: skip
@click.option("--once", is_flag=True, help="One look, as a plain table.")
@json_option
def command(lab: str, interval: float, once: bool, as_json: bool) -> None:
    """A live table of LAB: nodes and bonds, vPC, BGP sessions, pods, links; read from the running lab.

    What is wrong and what has changed since the last look is marked; what did not answer is said so. `q` or Ctrl-C ends
    it. Without a terminal it is one look. --json prints one JSON document a look, in one line each.

    \b
    labctl watch whitepaper
    labctl watch --once
    """
    from labctl.cli.terminal import ended_by_key
    from labctl.engine.actions.ports import wired_ports
    from labctl.engine.looking import observing
    from labctl.folder import load_folder
    from labctl.report.watching import Apart, JsonLooks, TerminalLooks, once_interrupted, repeat, table
    from labctl.verify.inputs import load_checks
    from labctl.verify.livestate import read

    opened = open_lab(lab)
    folder, checks = load_folder(opened.folder), load_checks(opened.folder)
    wired = wired_ports(folder)
    with once_interrupted(), observing(opened.state_folder, opened.endpoints()) as observer:
        paint = TerminalLooks(sys.stdout, lab, wired)
        terminal = not (as_json or once) and sys.stdout.isatty()
        look = Apart(lambda: read(observer, folder, checks), paint.looking if terminal else None)
        try:
            if as_json:
                tell = JsonLooks(sys.stdout, lab)
                repeat(lambda: tell(look()) and not once, interval)
            elif not terminal:
                result(table(sys.stdout, lab, look(), wired))
            else:
                with paint, ended_by_key():
                    repeat(lambda: paint(look()), interval)
        except KeyboardInterrupt:
            observer.close()
            over = look.over(PATIENCE)
        else:
            over = True
    if not over:
        os._exit(0)  # all is put back; Python would wait for the threads that wait for a silent box
