"""Names and constants of the data plane in Linux."""

from __future__ import annotations

import re
from hashlib import sha256

BRIDGE = "br0"
VPC_SYSTEM_MAC = "00:23:04:ee:be:{:02x}"
"""NX-OS's own pattern for a vPC domain's LACP system: 00:23:04:ee:be:<domain>."""
FROM_PEER_MARK = 0x51
"""On packets that came over VXLAN from the pair's other leaf, and are for many."""
PEER_TUNNEL = "pl0"
REDIRECT_PRIORITY = 7
"""Of the egress filter that holds back IPv6 redirects."""
FIRST_TABLE = 1001

PLATFORM_CONSTANTS: tuple[tuple[str, str], ...] = (
    ("bgp route-map delay-timer", "1 s"),
    ("bgp advertisement-interval", "0 s"),
    ("bgp timers connect", "1 s"),
    ("bgp update coalescing", "100 ms"),
    ("ospf timers throttle spf", "0 50 500 ms"),
    ("ospf timers throttle lsa", "0 ms"),
    ("evpn mh startup-delay", "0 s"),
    ("bgp next-hop-self", "towards every eBGP multihop neighbor, as NX-OS does"),
    ("bgp sender-as-path-loop-detection", "unless disable-peer-as-check"),
)
"""Knobs of FRR that NX-OS has no line for; shown by ``show labctl platform``."""


LONGEST = 15
"""Characters of a name in Linux (IFNAMSIZ); NX-OS takes 32 for a VRF."""
_TAKEN = re.compile(
    r"all|default|lo|br\d+|pl\d+|eth\d+|po\d+|mgmt\d+|Vlan\d+|vxlan\d+|loopback\d+|(tunl|sit|gre|gretap|erspan|ip6)\w*"
    r"|add|address|alias|dev|down|group|index|link|master|mtu|name|netns|nomaster|table|type|up|vf|vrf",
)
"""Devices that a switch has or a module makes, and words of iproute2 and FRR."""


def vrf_device(name: str) -> str:
    """What a VRF is called in Linux, and so in FRR: as in NX-OS, where that can be the name of a device of its own."""
    if len(name) <= LONGEST and re.fullmatch(r"[A-Za-z][\w-]*", name) and not _TAKEN.fullmatch(name):
        return name
    return f"vrf.{sha256(name.encode()).hexdigest()[:8]}"


def in_vrf(name: str) -> str:
    """``vrf NAME ``, as FRR's commands take it; nothing for the default one."""
    return "" if name == "default" else f"vrf {vrf_device(name)} "


def kernel_name(name: str) -> str:
    """``Ethernet1/7`` is ``eth7``, ``port-channel11`` is ``po11``; SVIs and loopbacks keep their names."""
    if name.startswith("Ethernet"):
        return f"eth{name.rpartition('/')[2]}"
    if name.startswith("port-channel"):
        return f"po{name.removeprefix('port-channel')}"
    return name


def nxos_name(kernel: str) -> str:
    """The other way."""
    if kernel.startswith("eth") and kernel[3:].isdigit():
        return f"Ethernet1/{kernel[3:]}"
    if kernel.startswith("po") and kernel[2:].isdigit():
        return f"port-channel{kernel[2:]}"
    return kernel
