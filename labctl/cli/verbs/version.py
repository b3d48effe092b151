"""``labctl version``."""

from __future__ import annotations

import platform
from typing import Any

import click

from labctl import __version__
from labctl.cli.options import json_option
from labctl.cli.output import told


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Versions of labctl and of what its labs boot: guest image and control plane.

    \b
    labctl version --json
    """
    from labctl.cache import cache_dir
    from labctl.setup.parts import setup_status

    parts = [(row.part.name, row.part.version, row.state) for row in setup_status(cache_dir(), full=False)]
    body: dict[str, Any] = {"schema": "labctl.version/v1", "labctl": __version__, "python": platform.python_version()}
    body["parts"] = [dict(zip(("part", "version", "state"), part, strict=True)) for part in parts]
    rows = [("labctl", __version__, f"Python {platform.python_version()}"), *parts]
    told(body, ("PART", "VERSION", "STATE"), rows, as_json=as_json)
