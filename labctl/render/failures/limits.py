"""What a failure may cost, by scenario and platform, and what it is about in words."""

from __future__ import annotations

from collections.abc import Mapping

ABOUT: Mapping[str, str] = {
    "bond-member": "the leaf's port to a node's bond is shut and opened; every session stays unbroken for longer than "
    "its hold time",
    "leaf": "a leaf is cut off; the other leaf's sessions stay unbroken for longer than their hold time",
    "leaf-uplink": "a leaf's first uplink is shut",
    "spine": "the first spine is cut off",
    "peer-link": "the vPC peer-link, physical or virtual",
    "keepalive": "a leaf's vPC keepalive goes nowhere; the peer-link stays up",
    "node": "a node is cut off; its sessions go down and come back, the others' stay unbroken",
    "pod-moved": "a pod of the scenario's own moves to another node, and is answered there",
    "endpoints-moved": "the endpoint of a Local service moves; the leafs' /32 follows it to the other node",
    "calico-node-restart": "calico-node of a node is deleted; its sessions are new ones, the others' unbroken",
    "bgp-cleared": "one session is cleared at a leaf; it is a new one, all others unbroken",
}
"""What fails, and what is proven of it."""

MEASURED: Mapping[str, str] = {
    "bond-member": "2662, when the member comes back",
    "leaf": "555",
    "leaf-uplink": "0",
    "spine": "1682 when it comes back, 0 in other runs",
    "peer-link": "0",
    "keepalive": "0",
    "node": "0 of the others",
    "pod-moved": "0 of the others",
    "endpoints-moved": "0 of the others",
    "calico-node-restart": "1002",
    "bgp-cleared": "962",
}
"""The worst that was measured on stand-ins, on UML and on QEMU without KVM: the longest outage, in milliseconds."""

LIMITS: Mapping[str, Mapping[str, int]] = {
    "bond-member": {"standin": 5000, "n9kv": 5000},
    "leaf": {"standin": 5000, "n9kv": 15000},
    "leaf-uplink": {"standin": 5000, "n9kv": 5000},
    "spine": {"standin": 5000, "n9kv": 5000},
    "peer-link": {"standin": 5000, "n9kv": 15000},
    "keepalive": {"standin": 0, "n9kv": 0},
    "node": {"standin": 1000, "n9kv": 3000},
    "pod-moved": {"standin": 1000, "n9kv": 1000},
    "endpoints-moved": {"standin": 1000, "n9kv": 1000},
    "calico-node-restart": {"standin": 5000, "n9kv": 5000},
    "bgp-cleared": {"standin": 3000, "n9kv": 5000},
}
"""The longest outage in milliseconds, by scenario and platform."""
