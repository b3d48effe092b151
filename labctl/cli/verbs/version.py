"""``labctl version``."""

from __future__ import annotations

import platform

import click

from labctl import __version__
from labctl.cli.options import json_option
from labctl.cli.output import answer, columns


@click.command()
@json_option
def command() -> None:
    """Versions of labctl and of what its labs boot: guest image and control plane.

    \b
    labctl version --json
    """
    from labctl.cache import cache_dir
    from labctl.setup.parts import setup_status

    python = platform.python_version()
    parts = [(row.part.name, row.part.version, row.state) for row in setup_status(cache_dir(), full=False).rows]
    rows = [dict(zip(("part", "version", "state"), part, strict=True)) for part in parts]
    table = columns(("PART", "VERSION", "STATE"), [("labctl", __version__, f"Python {python}"), *parts])
    answer({"schema": "labctl.version/v1", "labctl": __version__, "python": python, "parts": rows}, table)
