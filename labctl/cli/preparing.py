"""Before a lab can boot: is what it needs on this host?

What set-up brings a person is offered, a pipeline is told the command; what containerlab needs is judged by the doctor.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labctl.cli.app import is_terminal, say
from labctl.errors import HostError, HostUnfit, Problem
from labctl.state import lab_state

if TYPE_CHECKING:
    from labctl.doctor.findings import Finding
    from labctl.doctor.needs import LabNeeds


def brought_kubectl() -> Path | None:
    """The kubectl that ``labctl setup`` brought."""
    from labctl.cache import look
    from labctl.standin.cluster.controlplane.binaries import find_binaries

    binaries = look(find_binaries)
    return binaries.path("kubectl") if binaries else None


def ensure_prepared() -> None:
    """Guest image and control plane are there, or are brought now when a person agrees. Raises `HostError`.

    An image that an older labctl built is taken over without a question: that takes a second.
    """
    from labctl.cache import cache_dir, look, shared_caches
    from labctl.guest.image import build_image, find_image, older_image
    from labctl.standin.cluster.controlplane.binaries import find_binaries

    cache, shared = cache_dir(), shared_caches()
    missing = []
    if look(find_image) is None:
        if older_image((cache, *shared)):
            build_image(cache, say, shared=shared)
        else:
            missing.append("the guest image")
    if look(find_binaries) is None:
        missing.append("the control plane's programs")
    if not missing:
        return
    what = " and ".join(missing)
    if not is_terminal() or not click.confirm(f"{what} must be brought once; do it now?", default=True, err=True):
        raise HostError(
            f"this host is not prepared: {what} are not there", code="not-prepared", next_command="labctl setup"
        )
    from labctl.setup.build import build

    build(cache, say, shared)


def needs_of_source(source: Path) -> LabNeeds:
    """What a lab asks of its host: of an artifact folder, or of a spec for the target that it names."""
    from labctl.cli.rendering import folder_of
    from labctl.doctor.needs import needs_of

    with folder_of(source, containerlab=containerlab_here()) as folder:
        return needs_of(folder)


def containerlab_here() -> str | None:
    """The version of the containerlab on PATH, where folders are not written for it anyway; None: they are."""
    from labctl.doctor.facts import containerlab
    from labctl.peers import CONTAINERLAB, CONTAINERLAB_OLDEST, dotted
    from labctl.peers import containerlab as row_of

    found = containerlab(os.environ.get("PATH", os.defpath), os.environ)
    version = found.version if found and found.version else CONTAINERLAB[0].since
    same = row_of(version) is CONTAINERLAB[0] or version < CONTAINERLAB_OLDEST
    return None if same else dotted(version)


def containerlab_findings(needs: LabNeeds | None) -> tuple[Finding, ...]:
    """What this host is to a lab of the containerlab runtime, or to any."""
    from labctl.doctor.containerlab import findings
    from labctl.doctor.facts import container_host_facts

    known = needs is not None and lab_state(needs.name).runtime_file.is_file()
    return findings(container_host_facts(needs, lab_known=known), needs)


def ensure_containerlab(folder: Path) -> None:
    """This host can run the lab in an artifact folder with containerlab; warnings go to stderr.

    Raises `HostUnfit` with everything that is in the way and its repair, `SpecError` for a folder that is not
    understood.
    """
    from labctl.doctor.needs import needs_of

    needs = needs_of(folder)
    found = containerlab_findings(needs)
    for one in found:
        if one.severity == "warning":
            say(f"note: {one.id}: {one.sentence}" + (f" ({one.fix})" if one.fix else ""))
    errors = [one for one in found if one.severity == "error"]
    if errors:
        raise HostUnfit(
            f"this host cannot run lab {needs.name} with containerlab",
            [Problem(one.id, one.sentence, hint=one.fix) for one in errors],
            next_command="labctl doctor --runtime containerlab",
        )
