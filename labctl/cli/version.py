"""``labctl version``."""

from __future__ import annotations

import platform

import click

from labctl import __version__
from labctl.cli.app import json_option, result_json, result_table


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Versions of labctl and of what its labs boot: guest image and control plane.

    \b
    labctl version --json
    """
    from labctl.cache import cache_dir
    from labctl.setup.parts import setup_status

    parts = [(row.part.name, row.part.version, row.state) for row in setup_status(cache_dir(), full=False).rows]
    if as_json:
        body = {"schema": "labctl.version/v1", "labctl": __version__, "python": platform.python_version()}
        result_json(body | {"parts": [dict(zip(("part", "version", "state"), part, strict=True)) for part in parts]})
        return
    rows = [("labctl", __version__, f"Python {platform.python_version()}"), *parts]
    result_table(("PART", "VERSION", "STATE"), rows)
