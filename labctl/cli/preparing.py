"""Before a lab can boot: is what set-up brings on this host? A person is offered it, a pipeline is told the command."""

from __future__ import annotations

from pathlib import Path

import click

from labctl.cli.app import is_terminal, say
from labctl.errors import HostError


def brought_kubectl() -> Path | None:
    """The kubectl that ``labctl setup`` brought."""
    from labctl.cache import cache_dir
    from labctl.standin.cluster.controlplane.binaries import find_binaries

    binaries = find_binaries(cache_dir())
    return binaries.path("kubectl") if binaries else None


def ensure_prepared() -> None:
    """Guest image and control plane are there, or are brought now when a person agrees. Raises `HostError`."""
    from labctl.cache import cache_dir
    from labctl.guest.image import find_image
    from labctl.standin.cluster.controlplane.binaries import find_binaries

    cache = cache_dir()
    missing = []
    if find_image(cache) is None:
        missing.append("the guest image")
    if find_binaries(cache) is None:
        missing.append("the control plane's programs")
    if not missing:
        return
    what = " and ".join(missing)
    if not is_terminal() or not click.confirm(f"{what} must be brought once; do it now?", default=True, err=True):
        raise HostError(
            f"this host is not prepared: {what} are not there", code="not-prepared", next_command="labctl setup"
        )
    from labctl.setup.build import build

    build(cache, say)
