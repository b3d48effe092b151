"""kube-proxy's iptables mode, pure: Services and EndpointSlices → chains.

Source of the rules: kubernetes/kubernetes, pkg/proxy/iptables/proxier.go.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from labctl.kube.api import Json
from labctl.standin.cluster.firewall import Chains

MASQUERADE_MARK = "0x4000/0x4000"


def chain_name(prefix: str, port_name: str, protocol: str, endpoint: str = "") -> str:
    """``KUBE-SVC-KQKWYO5NTU2OZGXM``: base32 of a SHA-256 over port name, protocol and endpoint, 16 characters."""
    digest = sha256((port_name + protocol + endpoint).encode()).digest()
    return prefix + base64.b32encode(digest).decode()[:16]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A ready endpoint of one family."""

    address: str
    port: int
    node: str | None

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service in one family."""

    name: str
    """``namespace/service:port``, without colon for a port without name."""
    family: int
    protocol: str
    cluster_ip: str
    port: int
    node_port: int | None
    external_ips: tuple[str, ...]
    local_external: bool
    local_internal: bool
    endpoints: tuple[Endpoint, ...]


def service_ports(services: Sequence[Json], slices: Sequence[Json]) -> list[ServicePort]:
    """Every port of every Service that has a cluster IP, by name."""
    by_service: dict[tuple[str, str], list[Json]] = {}
    for item in slices:
        name = (item["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        if name:
            by_service.setdefault((item["metadata"]["namespace"], name), []).append(item)
    result: list[ServicePort] = []
    for service in services:
        meta, spec = service["metadata"], service["spec"]
        if spec.get("type") == "ExternalName":
            continue
        addresses = spec.get("clusterIPs") or [spec.get("clusterIP")]
        for cluster_ip in addresses:
            if cluster_ip in (None, "", "None"):
                continue
            family = 6 if ":" in cluster_ip else 4
            mine = by_service.get((meta["namespace"], meta["name"]), [])
            result.extend(_port(service, port, cluster_ip, family, mine) for port in spec.get("ports") or [])
    return sorted(result, key=lambda port: (port.name, port.family))


def _port(service: Json, port: Json, cluster_ip: str, family: int, slices: Sequence[Json]) -> ServicePort:
    meta, spec = service["metadata"], service["spec"]
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    outside = [*(spec.get("externalIPs") or []), *(row["ip"] for row in ingress if row.get("ip"))]
    name = f"{meta['namespace']}/{meta['name']}" + (f":{port['name']}" if port.get("name") else "")
    return ServicePort(
        name,
        family,
        port.get("protocol", "TCP").lower(),
        cluster_ip,
        port["port"],
        port.get("nodePort"),
        tuple(ip for ip in outside if (":" in ip) == (family == 6)),
        spec.get("externalTrafficPolicy") == "Local",
        spec.get("internalTrafficPolicy") == "Local",
        tuple(sorted(_endpoints(port, family, slices), key=str)),
    )


def _endpoints(port: Json, family: int, slices: Sequence[Json]) -> set[Endpoint]:
    found = set()
    for item in slices:
        if item.get("addressType") != f"IPv{family}":
            continue
        number = next(
            (row["port"] for row in item.get("ports") or [] if (row.get("name") or "") == (port.get("name") or "")),
            None,
        )
        for endpoint in item.get("endpoints") or []:
            if number and (endpoint.get("conditions") or {}).get("ready") in (None, True):
                found |= {Endpoint(address, number, endpoint.get("nodeName")) for address in endpoint["addresses"]}
    return found


def chains(ports: Sequence[ServicePort], node: str, cluster_cidrs: Sequence[str]) -> list[Chains]:
    """All chains of a node, both families."""
    result = []
    for family in (4, 6):
        cidr = next((text for text in cluster_cidrs if (":" in text) == (family == 6)), None)
        nat = _Tables(node, cidr)
        rejects: dict[str, list[str]] = {"KUBE-SERVICES": [], "KUBE-EXTERNAL-SERVICES": []}
        for port in ports:
            if port.family == family:
                nat.add(port, rejects)
        result.append(Chains(family, "nat", nat.chains()))
        result.append(Chains(family, "filter", _filter(rejects)))
    return result


def _filter(rejects: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {
        "INPUT": ["-m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES"],
        "FORWARD": [
            "-j KUBE-FORWARD",
            "-m conntrack --ctstate NEW -j KUBE-SERVICES",
            "-m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES",
        ],
        "OUTPUT": ["-m conntrack --ctstate NEW -j KUBE-SERVICES"],
        "KUBE-FORWARD": [
            "-m conntrack --ctstate INVALID -j DROP",
            f"-m mark --mark {MASQUERADE_MARK} -j ACCEPT",
            "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ],
        **rejects,
    }


def _comment(text: str) -> str:
    return f'-m comment --comment "{text}"'


def _matching(port: ServicePort, number: int | None) -> str:
    return f"-p {port.protocol} -m {port.protocol} --dport {number}"


def _node_port(port: ServicePort) -> str:
    return f"-m addrtype --dst-type LOCAL {_matching(port, port.node_port)}"


def _refuse(port: ServicePort, rejects: Mapping[str, list[str]]) -> None:
    """A port with nothing behind it: refused at once at each of its addresses."""
    comment, match = _comment(f"{port.name} has no endpoints"), _matching(port, port.port)
    rejects["KUBE-SERVICES"].append(f"{comment} -d {port.cluster_ip} {match} -j REJECT")
    outside = [f"-d {address} {match}" for address in port.external_ips]
    if port.node_port:
        outside.append(_node_port(port))
    rejects["KUBE-EXTERNAL-SERVICES"].extend(f"{comment} {where} -j REJECT" for where in outside)


class _Tables:
    """Collects the nat table of one family."""

    def __init__(self, node: str, cluster_cidr: str | None) -> None:
        self._node = node
        self._cidr = cluster_cidr
        self._services: list[str] = []
        self._node_ports: list[str] = []
        self._chains: dict[str, list[str]] = {}

    def chains(self) -> dict[str, Sequence[str]]:
        return {
            "PREROUTING": ["-j KUBE-SERVICES"],
            "OUTPUT": ["-j KUBE-SERVICES"],
            "POSTROUTING": ["-j KUBE-POSTROUTING"],
            "KUBE-MARK-MASQ": ["-j MARK --or-mark 0x4000"],
            "KUBE-POSTROUTING": [
                f"-m mark ! --mark {MASQUERADE_MARK} -j RETURN",
                "-j MARK --xor-mark 0x4000",
                "-j MASQUERADE --random-fully",
            ],
            "KUBE-SERVICES": [*self._services, "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"],
            "KUBE-NODEPORTS": self._node_ports,
            **self._chains,
        }

    def add(self, port: ServicePort, rejects: Mapping[str, list[str]]) -> None:
        """One port: its dispatch rules and chains, or rejects when nothing is behind it."""
        if not port.endpoints:
            _refuse(port, rejects)
            return
        service = chain_name("KUBE-SVC-", port.name, port.protocol)
        local = tuple(endpoint for endpoint in port.endpoints if endpoint.node == self._node)
        external = bool(port.external_ips or port.node_port)
        if external or not port.local_internal:
            self._chains[service] = self._balance(port, port.endpoints)
        self._internal(port, service, local, rejects)
        for endpoint in port.endpoints if service in self._chains else local:
            self._endpoint(port, endpoint)
        if external:
            self._external(port, service, local, rejects)

    def _internal(
        self, port: ServicePort, service: str, local: Sequence[Endpoint], rejects: Mapping[str, list[str]]
    ) -> None:
        """What comes to the cluster IP: to every endpoint, or under a local policy to those of this node alone."""
        chain = service
        match = f"-d {port.cluster_ip} {_matching(port, port.port)}"
        if port.local_internal and not local:
            rejects["KUBE-SERVICES"].append(f"{_comment(f'{port.name} has no local endpoints')} {match} -j DROP")
            return
        if port.local_internal:
            chain = chain_name("KUBE-SVL-", port.name, port.protocol)
            self._chains[chain] = self._balance(port, local)
        self._services.append(f"{_comment(port.name)} {match} -j {chain}")
        if self._cidr:
            self._chains[chain].insert(0, f"{_comment(port.name)} ! -s {self._cidr} {match} -j KUBE-MARK-MASQ")

    def _external(
        self, port: ServicePort, service: str, local: Sequence[Endpoint], rejects: Mapping[str, list[str]]
    ) -> None:
        external = chain_name("KUBE-EXT-", port.name, port.protocol)
        match, comment = _matching(port, port.port), _comment(port.name)
        for address in port.external_ips:
            self._services.append(f"{comment} -d {address} {match} -j {external}")
        if port.node_port:
            self._node_ports.append(f"{comment} {_matching(port, port.node_port)} -j {external}")
        if not port.local_external:
            self._chains[external] = ["-j KUBE-MARK-MASQ", f"-j {service}"]
            return
        rules = [f"-s {self._cidr} -j {service}"] if self._cidr else []
        rules += ["-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ", f"-m addrtype --src-type LOCAL -j {service}"]
        if local:
            to_local = chain_name("KUBE-SVL-", port.name, port.protocol)
            self._chains.setdefault(to_local, self._balance(port, local))
            rules.append(f"-j {to_local}")
        else:
            drop = _comment(f"{port.name} has no local endpoints")
            for address in port.external_ips:
                rejects["KUBE-EXTERNAL-SERVICES"].append(f"{drop} -d {address} {match} -j DROP")
            if port.node_port:
                rejects["KUBE-EXTERNAL-SERVICES"].append(f"{drop} {_node_port(port)} -j DROP")
        self._chains[external] = rules

    def _balance(self, port: ServicePort, endpoints: Sequence[Endpoint]) -> list[str]:
        rules = []
        for index, endpoint in enumerate(endpoints):
            chain = chain_name("KUBE-SEP-", port.name, port.protocol, str(endpoint))
            left = len(endpoints) - index
            chance = f"-m statistic --mode random --probability {1 / left:.10f} " if left > 1 else ""
            rules.append(f"{_comment(f'{port.name} -> {endpoint}')} {chance}-j {chain}")
        return rules

    def _endpoint(self, port: ServicePort, endpoint: Endpoint) -> None:
        chain = chain_name("KUBE-SEP-", port.name, port.protocol, str(endpoint))
        comment = _comment(port.name)
        self._chains[chain] = [
            f"{comment} -s {endpoint.address} -j KUBE-MARK-MASQ",
            f"{comment} -p {port.protocol} -m {port.protocol} -j DNAT --to-destination {endpoint}",
        ]
