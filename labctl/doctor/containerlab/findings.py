"""Facts about a host, and a lab's needs → findings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from labctl.doctor.containerlab import (
    capacityfindings,
    hostfindings,
    imagefindings,
    networkfindings,
    toolfindings,
)
from labctl.doctor.containerlab.model import ContainerHostFacts
from labctl.doctor.containerlab.needs import LabNeeds
from labctl.doctor.findings import Finding

Rule = Callable[[ContainerHostFacts, LabNeeds | None], Iterator[Finding]]
RULES: Sequence[Rule] = (
    hostfindings.machine,
    hostfindings.privileged,
    hostfindings.virtualisation,
    hostfindings.kernel_modules,
    hostfindings.inotify,
    toolfindings.docker,
    hostfindings.firewall,
    toolfindings.containerlab,
    capacityfindings.memory,
    capacityfindings.processors,
    capacityfindings.disk,
    imagefindings.images,
    imagefindings.kubernetes,
    networkfindings.management,
    networkfindings.kind_network,
    networkfindings.names,
)


def findings(facts: ContainerHostFacts, needs: LabNeeds | None) -> tuple[Finding, ...]:
    """All of them, in the order in which a person would repair the host; without a lab those of the host alone."""
    return tuple(finding for rule in RULES for finding in rule(facts, needs))
