"""Calico's CNI plugin for one node: a veth per pod, as Calico wires it on Linux.

Source: projectcalico/calico, cni-plugin/pkg/dataplane/linux/dataplane_linux.go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from labctl.guest.api import AgentError, Op
from labctl.guest.client import Agent
from labctl.kube.api import Api
from labctl.kube.resources import CONFIG_MAPS
from labctl.standin.cluster.calico.blocks import Address, interface_name
from labctl.standin.cluster.calico.ipam import Ipam, NoAddress
from labctl.standin.cluster.podnet import NetworkNotReady, PodAddresses, PodRef

HOST_MAC = "ee:ee:ee:ee:ee:ee"
GATEWAY = "169.254.1.1"
GATEWAY6 = "fe80::ecee:eeff:feee:eeee"
DEFAULT_MTU = 1500
PINNED = "cni.projectcalico.org/ipAddrs"
"""Calico's annotation: the addresses that a pod is to have, as a JSON list (cni-plugin/pkg/k8s/k8s.go)."""
FAILED = 'plugin type="calico" failed (add): '


class CalicoNetwork:
    """`labctl.standin.cluster.podnet.PodNetwork`; usable once calico-node has said so with `enable`."""

    def __init__(self, node: str, namespace: str, agent: Agent, api: Api, ipam: Ipam) -> None:
        self._node = node
        self._namespace = namespace
        self._agent = agent
        self._api = api
        self._ipam = ipam
        self._enabled = False
        self._mtu = DEFAULT_MTU
        self.on_enabled: Callable[[], None] = lambda: None

    def enable(self) -> None:
        """calico-node has started: the plugin's configuration is there (as install-cni writes it)."""
        found = self._api.find(CONFIG_MAPS.path("kube-system", "calico-config")) or {}
        self._mtu = int((found.get("data") or {}).get("veth_mtu") or 0) or DEFAULT_MTU
        self._enabled = True
        self.on_enabled()

    def add(self, pod: PodRef) -> PodAddresses:
        if not self._enabled:
            raise NetworkNotReady(f"{FAILED}calico-node is not running on this node")
        handle = handle_of(pod)
        attributes = {"namespace": pod.namespace, "pod": pod.name, "node": self._node}
        if PINNED in pod.annotations:
            addresses = self._pinned(pinned(pod.annotations[PINNED]), handle, attributes)
        else:
            found = [self._ipam.assign(self._node, version, handle, attributes) for version in (4, 6)]
            addresses = [address for address in found if address is not None]
        if not addresses:
            raise NetworkNotReady(f"{FAILED}no configured Calico pools")
        interface = interface_name(pod.namespace, pod.name)
        groups = wire(self._namespace, pod.netns, interface, self._mtu, addresses)
        for failures in self._agent.batches(groups):
            if failures:
                self._ipam.release(handle)
                raise AgentError(f"{failures[0].text}: {failures[0].message}")
        return PodAddresses(tuple(str(address) for address in addresses), interface)

    def _pinned(self, wanted: Sequence[Address], handle: str, attributes: dict[str, str]) -> list[Address]:
        """One after the other; what the pod got before one is refused is given back."""
        try:
            for address in wanted:
                self._ipam.assign_address(self._node, address, handle, attributes)
        except NoAddress as refused:
            self._ipam.release(handle)
            raise NetworkNotReady(f"{FAILED}error getting IP from IPAM: {refused.message}") from None
        return sorted(wanted, key=lambda address: address.version)

    def delete(self, pod: PodRef) -> None:
        self._agent.batch(self._namespace, [Op("ip", f"link del {interface_name(pod.namespace, pod.name)}")])
        self._ipam.release(handle_of(pod))


def pinned(text: str) -> list[Address]:
    """The addresses of the annotation. Raises `NetworkNotReady` in Calico's words."""
    try:
        listed = json.loads(text)
    except ValueError as error:
        raise NetworkNotReady(f'{FAILED}failed to parse IPs {text} for annotation "{PINNED}": {error}') from None
    if not isinstance(listed, list) or not all(isinstance(row, str) for row in listed):
        raise NetworkNotReady(f'{FAILED}failed to parse IPs {text} for annotation "{PINNED}": it is no list of texts')
    if not listed:
        raise NetworkNotReady(f'{FAILED}annotation "{PINNED}" specified but empty')
    found: list[Address] = []
    for row in listed:
        try:
            address = ip_address(row)
        except ValueError:
            raise NetworkNotReady(f"{FAILED}invalid IP format: {row}") from None
        if any(address.version == other.version for other in found):
            raise NetworkNotReady(
                f'{FAILED}cannot have more than one IPv{address.version} address for "{PINNED}" annotation'
            )
        found.append(address)
    return found


def handle_of(pod: PodRef) -> str:
    """The allocation's handle: network name and sandbox id."""
    return f"k8s-pod-network.{pod.uid}"


def wire(
    namespace: str, netns: str, interface: str, mtu: int, addresses: Sequence[Address]
) -> list[tuple[str, list[Op]]]:
    """Operations in the node's and in the pod's namespace."""
    first = [
        Op("ip", f"link add {interface} address {HOST_MAC} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {netns}"),
        Op("sysctl", f"net/ipv4/neigh/{interface}/proxy_delay=0"),
        Op("sysctl", f"net/ipv4/conf/{interface}/proxy_arp=1"),
        Op("sysctl", f"net/ipv4/conf/{interface}/route_localnet=1"),
        Op("sysctl", f"net/ipv4/conf/{interface}/forwarding=1"),
        Op("sysctl", f"net/ipv6/conf/{interface}/accept_dad=0"),
        Op("sysctl", f"net/ipv6/conf/{interface}/forwarding=1"),
        Op("sysctl", f"net/ipv6/conf/{interface}/proxy_ndp=1"),
        Op("ip", f"link set {interface} up"),
    ]
    pod = [Op("sysctl", "net/ipv6/conf/eth0/accept_dad=0"), Op("ip", "link set eth0 up")]
    for address in addresses:
        if address.version == 4:
            pod += [
                Op("ip", f"addr add {address}/32 dev eth0"),
                Op("ip", f"route add {GATEWAY} dev eth0 scope link"),
                Op("ip", f"route add default via {GATEWAY} dev eth0"),
            ]
        else:
            pod += [
                Op("ip", f"addr add {address}/128 dev eth0 nodad"),
                Op("ip", f"route add default via {GATEWAY6} dev eth0"),
            ]
    last = [
        Op("ip", f"route add {address}/{address.max_prefixlen} dev {interface} scope link") for address in addresses
    ]
    return [(namespace, first), (netns, pod), (namespace, last)]
