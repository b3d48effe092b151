"""Before a lab can boot: is what its runtime needs on this host? One class a runtime, see `labctl.runtime.select`.

What set-up brings a person is offered, a pipeline is told the command; what containerlab needs is judged by the doctor.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labctl.cli.options import refuse
from labctl.cli.output import is_terminal, say
from labctl.cli.sources import folder_of
from labctl.errors import HostError, HostUnfit, Problem
from labctl.runtime.api import Examined
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


class EmbeddedHost:
    """`labctl.runtime.api.Host`: a guest image, the control plane's programs, something that boots a guest."""

    def topology_reader(self) -> str | None:
        return None

    def examine(self, source: Path | None) -> Examined:
        from labctl.cache import cache_dir, shared_caches
        from labctl.doctor.embedded import chosen, findings
        from labctl.doctor.facts import host_facts

        message = "a lab's own needs are judged for containerlab: the embedded runtime is the same for all"
        instead = f"labctl doctor --runtime containerlab {source}"
        refuse(source, message, code="doctor-of-lab", next_command=instead)
        facts = host_facts(cache_dir(), shared_caches())
        taken = chosen(facts)
        return Examined(findings(facts), "the embedded runtime", {"launcher": taken.name if taken else None})

    def ensure(self, render: Callable[[Path], None]) -> None:
        """Guest image and control plane are there, or are brought now when a person agrees.

        An image that an older labctl built is taken over without a question: that takes a second.
        """
        del render  # the same for all labs
        from labctl.cache import cache_dir, look, shared_caches
        from labctl.guest.image import build_image, find_image, older_image
        from labctl.standin.cluster.controlplane.binaries import find_binaries

        cache, shared = cache_dir(), shared_caches()
        image = look(find_image)
        if image is None and older_image((cache, *shared)):
            image = build_image(cache, say, shared=shared)
        parts = {"the guest image": image, "the control plane's programs": look(find_binaries)}
        what = " and ".join(part for part, there in parts.items() if there is None)
        if not what:
            return
        if not is_terminal() or not click.confirm(f"{what} must be brought once; do it now?", default=True, err=True):
            message = f"this host is not prepared: {what} are not there"
            raise HostError(message, code="not-prepared", next_command="labctl setup")
        from labctl.setup.parts import build

        build(cache, say, shared)


class ContainerlabHost:
    """`labctl.runtime.api.Host`: containerlab, Docker, the images of the lab."""

    def topology_reader(self) -> str | None:
        from labctl.doctor.facts import containerlab
        from labctl.peers import CONTAINERLAB, CONTAINERLAB_OLDEST, dotted
        from labctl.peers import containerlab as row_of

        found = containerlab(os.environ.get("PATH", os.defpath), os.environ)
        version = found.version if found and found.version else CONTAINERLAB[0].since
        same = row_of(version) is CONTAINERLAB[0] or version < CONTAINERLAB_OLDEST
        return None if same else dotted(version)

    def examine(self, source: Path | None) -> Examined:
        """Of a spec: with the target that it names."""
        from labctl.doctor.needs import needs_of

        needs = None
        if source is not None:
            with folder_of(source, containerlab=self.topology_reader()) as folder:
                needs = needs_of(folder)
        subject = f"lab {needs.name} with containerlab" if needs else "containerlab's labs"
        more = {"runtime": "containerlab", "lab": needs.name if needs else None}
        return Examined(self._findings(needs), subject, more)

    def ensure(self, render: Callable[[Path], None]) -> None:
        """Warnings go to stderr. Raises `SpecError`, too, for a folder that is not understood."""
        from labctl.doctor.needs import needs_of

        with tempfile.TemporaryDirectory(prefix="labctl-") as scratch:
            render(Path(scratch) / "folder")
            needs = needs_of(Path(scratch) / "folder")
            found = self._findings(needs)
        for one in found:
            if one.severity == "warning":
                say(f"note: {one.id}: {one.sentence}" + (f" ({one.fix})" if one.fix else ""))
        errors = [one for one in found if one.severity == "error"]
        if errors:
            problems = [Problem(one.id, one.sentence, hint=one.fix) for one in errors]
            message = f"this host cannot run lab {needs.name} with containerlab"
            raise HostUnfit(message, problems, next_command="labctl doctor --runtime containerlab")

    def _findings(self, needs: LabNeeds | None) -> tuple[Finding, ...]:
        """What this host is to a lab, or to any."""
        from labctl.doctor.containerlab import findings
        from labctl.doctor.facts import container_host_facts

        known = needs is not None and lab_state(needs.name).runtime_file.is_file()
        return findings(container_host_facts(needs, lab_known=known), needs)
