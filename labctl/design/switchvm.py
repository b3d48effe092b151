"""What a 9000v gets of its host, by NX-OS version: the rendered environment and ``doctor`` read the same rows."""

from __future__ import annotations

from labctl.peers import NXOS, NXOS_LITE, Nxos, numbers


def machine(nxos: str, tag: str = "") -> Nxos:
    """Of an NX-OS version; ``tag``: of its image, where a lite one says so (``10.5.4.M.lite``)."""
    if "lite" in tag.lower() and numbers(nxos)[:3] >= NXOS_LITE.since:
        return NXOS_LITE
    return next(row for row in NXOS if (numbers(nxos) or (0,))[: len(row.since)] >= row.since)


def environment(nxos: str, tag: str) -> dict[str, str]:
    """What vrnetlab reads of the container's environment."""
    wanted = machine(nxos, tag)
    return {"QEMU_MEMORY": str(wanted.memory), "QEMU_SMP": str(wanted.cpus)}
