"""Which 9000v boots when: all at once where memory allows, else in batches.

A 9000v touches most of its memory while it unpacks and boots, and takes all processors that it gets: many at once on a
small host end in boots that fail by chance (vrnetlab issue 27, netlab issue 732). containerlab's ``startup-delay``
holds one of its workers meanwhile; vrnetlab's BOOT_DELAY does not, so the folder asks for it and leaves the seconds to
the environment of ``containerlab``: they are this host's affair.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from labctl.folder import Topology

BATCH_SECONDS = 300
"""From one batch to the next: a 9000v that boots alone has its prompt after 5 minutes."""
BOOTING = 2
"""A batch may boot into one half of the free memory; the other half is for those that run already."""
DELAY = "BOOT_DELAY"
_ASKED = re.compile(r"\$\{(\w+)(?::?[-=][^}]*)?\}|\$(\w+)")
"""A value that containerlab takes from its environment (hellt/envsubst)."""


def boot_delays(switches: Sequence[str], memory_bytes: int, per_switch_bytes: int) -> dict[str, int]:
    """Seconds that each switch waits before it boots, in the order given.

    ``memory_bytes``: what the host has free now; ``per_switch_bytes``: what one switch is given. At least one boots at
    a time, whatever the numbers say: that it does not fit is for ``labctl doctor`` to tell.
    """
    fit = memory_bytes // max(1, per_switch_bytes)
    size = len(switches) if fit >= BOOTING * len(switches) else max(1, fit // BOOTING)
    return {name: BATCH_SECONDS * (index // size) for index, name in enumerate(switches)}


def boot_environment(topology: Topology, memory_bytes: int) -> dict[str, str]:
    """The variables for ``containerlab``: those by which the topology lets a delay in, and no others.

    A switch without BOOT_DELAY, or with seconds that a person wrote, is left alone.
    """
    asked = {name: _variable(env) for name, env in topology.env.items()}
    held = [name for name, variable in asked.items() if variable]
    if not held:
        return {}
    per_switch = max(memory_of(topology.env[name]) for name in held)
    delays = boot_delays(held, memory_bytes, per_switch)
    return {str(asked[name]): str(seconds) for name, seconds in delays.items()}


def memory_of(env: Mapping[str, str]) -> int:
    """Bytes that a 9000v is given; vrnetlab's own 10 GiB where the folder says nothing."""
    written = env.get("QEMU_MEMORY", "")
    return (int(written) if written.isdecimal() else 10240) << 20


def _variable(env: Mapping[str, str]) -> str | None:
    found = _ASKED.fullmatch(env.get(DELAY, ""))
    return (found[1] or found[2]) if found else None
