"""How Calico's behaviour depends on its version (tags of projectcalico/calico compared)."""

from __future__ import annotations

from dataclasses import dataclass

NEWEST = (3, 34, 0)


@dataclass(frozen=True, slots=True)
class Features:
    """Switches of one Calico version."""

    all_cluster_ips: bool
    """Advertise every cluster IP of a Local service (3.31 on), not only ``spec.clusterIP``."""
    ready_endpoints: bool
    """Only endpoints that are ready count (3.31.7 and the later of its line, 3.33 on)."""
    route_metric: int | None
    """Metric of BGP routes in the kernel (1024 from 3.32)."""

    @staticmethod
    def of(version: str) -> Features:
        """By a version such as ``3.20.0``; a text that is no version is taken as the newest."""
        parts = tuple(int(part) for part in version.split(".")[:3]) if version else NEWEST
        number = (*parts, 0, 0)[:3]
        ready = number >= (3, 33, 0) or (3, 31, 7) <= number < (3, 32, 0)
        return Features(number >= (3, 31, 0), ready, 1024 if number >= (3, 32, 0) else None)
