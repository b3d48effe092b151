"""What a 9000v gets of its host, by NX-OS version: the rendered environment and ``doctor`` share this table.

Sources: the caveats of netlab's documentation (9.3: 6 GB, 10.1: 8 GB, 10.2 to 10.5(2): 10 GB), Cisco's guide to the
9000v of 10.5 (from 10.5(3) on 4.5 GB at least, 8 GB recommended), vrnetlab's notes (4 processors; the lite image takes
6144 MB and 2 processors at least).
"""

from __future__ import annotations

from dataclasses import dataclass

from labctl.design.versions import numbers


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in MiB and virtual processors; ``least_…``: below them it does not boot or does not stay up."""

    memory: int
    cpus: int
    least_memory: int
    least_cpus: int


LITE = Machine(6144, 4, 6144, 2)
_FROM: tuple[tuple[tuple[int, ...], Machine], ...] = (
    ((10, 5, 3), Machine(8192, 4, 4608, 2)),
    ((10, 2), Machine(10240, 4, 10240, 4)),
    ((10, 1), Machine(8192, 4, 8192, 4)),
    ((0,), Machine(6144, 4, 6144, 4)),
)
"""The newest row whose version is not newer than the switch's."""


def machine(nxos: str, tag: str = "") -> Machine:
    """Of an NX-OS version; ``tag``: of its image, where a lite one says so (``10.5.4.M.lite``).

    Before 10.5(3) nobody has said that lite images need less.
    """
    full = next(row for since, row in _FROM if numbers(nxos)[: len(since)] >= since)
    return LITE if "lite" in tag.lower() and numbers(nxos)[:3] >= (10, 5, 3) else full


def environment(nxos: str, tag: str) -> dict[str, str]:
    """What vrnetlab reads of the container's environment."""
    wanted = machine(nxos, tag)
    return {"QEMU_MEMORY": str(wanted.memory), "QEMU_SMP": str(wanted.cpus)}
