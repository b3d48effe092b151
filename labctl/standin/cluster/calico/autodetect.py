"""Which address of a node Calico takes (Calico documentation, "Configuring calico/node", IP autodetection methods)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network
from typing import Any

from labctl.errors import LabError

SKIPPED = re.compile(
    r"^(docker.*|cbr.*|dummy.*|podman.*|virbr.*|lxcbr.*|veth.*|lo|br-.*|cali.*|tunl.*|flannel.*|kube-ipvs.*|cni.*"
    r"|vxlan\.calico.*|vxlan-v6\.calico.*|wireguard\.cali.*|wg-v6\.cali.*|nodelocaldns.*)$"
)


class NoAddressYet(LabError):
    """No interface fits (yet)."""

    code = "autodetect"


def detect(text: str, method: str, version: int) -> IPv4Interface | IPv6Interface:
    """From ``ip -j addr``. Raises `NoAddressYet`."""
    kind, _, argument = method.partition("=")
    rows: list[dict[str, Any]] = json.loads(text or "[]")
    for row in reversed(rows):  # Calico walks from the highest index down
        name = str(row.get("ifname", ""))
        if not _interface_fits(kind, argument, name):
            continue
        for info in row.get("addr_info", []):
            if info.get("family") != ("inet" if version == 4 else "inet6") or info.get("scope") != "global":
                continue
            address = ip_interface(f"{info['local']}/{info['prefixlen']}")
            if kind != "cidr" or any(address.ip in ip_network(part, strict=False) for part in argument.split(",")):
                return address
    raise NoAddressYet(f"no IPv{version} address by method {method}")


def _interface_fits(kind: str, argument: str, name: str) -> bool:
    if kind == "interface":
        return any(re.search(part, name) for part in argument.split(","))
    if kind == "skip-interface":
        return not SKIPPED.match(name) and not any(re.search(part, name) for part in argument.split(","))
    if kind in ("first-found", "cidr", ""):
        return not SKIPPED.match(name)
    raise NoAddressYet(f"autodetection method {kind} is not done by a stand-in node")


def methods(environment: Mapping[str, str]) -> dict[int, str]:
    """Family → method, of the families that are switched on."""
    result = {}
    if environment.get("IP", "autodetect") == "autodetect":
        result[4] = environment.get("IP_AUTODETECTION_METHOD", "first-found")
    if environment.get("IP6", "none") == "autodetect":
        result[6] = environment.get("IP6_AUTODETECTION_METHOD", "first-found")
    return result
