"""How containerlab names a switch's ports in the kernel; the embedded runtime does as it does."""

from __future__ import annotations

import re

_PORT = re.compile(r"(?:Ethernet|Et)1/(\d+)")


def kernel_name(interface: str) -> str:
    """The kernel's name of a topology interface: ``Ethernet1/7`` is ``eth7`` (containerlab's kind ``cisco_n9kv``)."""
    match = _PORT.fullmatch(interface)
    return f"eth{match.group(1)}" if match else interface
