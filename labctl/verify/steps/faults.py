"""Faults: what a step ``fault`` does to the lab, each as journalled changes with the data that undo them.

Those of switches are made at the command line: they work on a 9000v as on a stand-in (Cisco Nexus 9000 NX-OS
configuration guides 10.x, Interfaces and Unicast Routing). Those of nodes are ``ip link set … down`` through the
runtime, as a pulled cable looks from there; those of pods go through the Kubernetes API (Kubernetes documentation,
"Safely Drain a Node": a drain cordons first).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any

from labctl.kube.api import Json
from labctl.kube.resources import ENDPOINT_SLICES, NODES, PODS
from labctl.nxos.tree import parse
from labctl.restore.client import NotDone
from labctl.verify.expectation import labelled, pods_with, running
from labctl.verify.lab import LabUnderTest
from labctl.verify.steps.model import Drain, Fault, Leg, Neighbor, PodOf, Port
from labctl.verify.topics.bgp import BgpInput

Planned = tuple[str, Mapping[str, Any], Callable[[], object]]
"""One change: its healer and the data that undo it (`labctl.restore.changes`), and what makes it."""
Plan = tuple[str, Sequence[Planned]]
"""A fault that is ready to be made: a sentence for the report, and its changes in their order."""
NOBODY = "192.0.2.1"
"""An address of TEST-NET-1 (RFC 5737): routed nowhere."""
RUNNING = "show running-config"


def shutdown(lab: LabUnderTest, row: Port) -> Plan:
    """``shutdown`` on interfaces."""
    closed = [name for name in row.interface if _is_shut(lab, row.switch, name)]
    if closed:
        raise NotDone(f"{row.switch}: {', '.join(closed)} is shut already: healing would open it")
    return f"{row.switch}: shutdown of {', '.join(row.interface)}", [_shut(lab, row.switch, row.interface)]


def isolate(lab: LabUnderTest, switch: str) -> Plan:
    """``shutdown`` on each Ethernet port that has a link and is not shut."""
    ports = [name for name in lab.folder.lab.interfaces(switch) if not _is_shut(lab, switch, name)]
    if not ports:
        raise NotDone(f"{switch} has no port that is not shut already")
    sentence = f"{switch} is cut off: shutdown of its {len(ports)} Ethernet ports (it runs on)"
    return sentence, [_shut(lab, switch, ports)]


def _shut(lab: LabUnderTest, switch: str, ports: Sequence[str]) -> Planned:
    def lines(word: str) -> list[str]:
        return [line for port in ports for line in (f"interface {port}", word)]

    made = partial(lab.client.configure, switch, lines("shutdown"))
    return "switch-lines", {"switch": switch, "lines": lines("no shutdown")}, made


def _is_shut(lab: LabUnderTest, switch: str, interface: str) -> bool:
    text = lab.client.command(switch, f"{RUNNING} interface {interface}")
    return re.search(r"^\s+shutdown\s*$", text, re.MULTILINE) is not None


def keepalive(lab: LabUnderTest, leaf: str) -> Plan:
    """The keepalive's destination becomes an address where nobody is."""
    domain, lines = vpc_domain(lab.client.command(leaf, RUNNING))
    line = next((text for text in lines if text.startswith("peer-keepalive destination ")), None)
    if line is None:
        raise NotDone(f"{leaf} has no vPC keepalive")
    made = partial(lab.client.configure, leaf, [domain, re.sub(r"destination \S+", f"destination {NOBODY}", line)])
    healed = {"switch": leaf, "lines": [domain, line]}
    return f"{leaf}: its keepalive goes to {NOBODY}", [("switch-lines", healed, made)]


def peer_link(lab: LabUnderTest, leaf: str) -> Plan:
    """The members of a physical peer-link, or the line that makes a virtual one."""
    running = lab.client.command(leaf, RUNNING)
    domain, lines = vpc_domain(running)
    for line in (text for text in lines if text.startswith("virtual peer-link destination ")):
        made = partial(lab.client.configure, leaf, [domain, f"no {line}"])
        return f"{leaf}: no {line}", [("switch-lines", {"switch": leaf, "lines": [domain, line]}, made)]
    members = peer_link_members(running)
    if not members:
        raise NotDone(f"{leaf} has no peer-link with members, and no virtual one")
    return shutdown(lab, Port(switch=leaf, interface=tuple(members)))


def clear_bgp(lab: LabUnderTest, row: Neighbor) -> Plan:
    """A session is reset; both sides make it again by themselves."""
    family = "ip" if ip_address(row.neighbor).version == 4 else "ipv6"
    line = f"clear {family} bgp vrf {row.vrf or default_vrf(lab)} {row.neighbor}"
    return f"{row.switch}: {line}", [("by-itself", {}, partial(lab.client.command, row.switch, line))]


def default_vrf(lab: LabUnderTest) -> str:
    """The VRF of the lab's sessions with nodes, else of its routes; NX-OS's default where it has neither."""
    bgp = lab.section(BgpInput)
    return next((row.vrf for rows in (bgp.sessions, bgp.all_routes) for row in rows), "default")


def vpc_domain(running: str) -> tuple[str, list[str]]:
    """The line of the vPC domain and those below it; nothing without one. Pure."""
    domain = parse(running).find("vpc", "domain")
    return ("", []) if domain is None else (domain.line, [child.line for child in domain.children])


def peer_link_members(running: str) -> list[str]:
    """Ethernet ports in the channel that is the vPC peer-link. Pure."""
    interfaces = [section for section in parse(running).all("interface") if len(section.words) == 2]
    channels = {section.words[1] for section in interfaces if section.has("vpc peer-link")}
    return [
        section.words[1]
        for section in interfaces
        if (group := section.rest("channel-group")) and f"port-channel{group[0]}" in channels
    ]


def unplug(lab: LabUnderTest, row: Leg) -> Plan:
    """Interfaces of a node."""
    return f"{row.node}: {', '.join(row.interface)} down", [_down(lab, row.node, row.interface)]


def node_down(lab: LabUnderTest, node: str) -> Plan:
    """Every link of a node: it runs on, and nobody reaches it but over the management network."""
    links = lab.folder.lab.interfaces(node)
    return f"{node} is cut off: {', '.join(links)} down (it runs on)", [_down(lab, node, links)]


def _down(lab: LabUnderTest, node: str, interfaces: Sequence[str]) -> Planned:
    closed = [name for name in interfaces if not _is_up(lab, node, name)]
    if closed:
        raise NotDone(f"{node}: {', '.join(closed)} is down already: healing would bring it up")

    def commands(state: str) -> list[list[str]]:
        return [["ip", "link", "set", "dev", name, state] for name in interfaces]

    def make() -> None:
        for argv in commands("down"):
            lab.client.run(node, argv)

    return "node-commands", {"node": node, "commands": commands("up")}, make


def _is_up(lab: LabUnderTest, node: str, interface: str) -> bool:
    rows = json.loads(lab.client.run(node, ["ip", "-j", "link", "show", "dev", interface]) or "[]")
    return any("UP" in row.get("flags", []) for row in rows)


def restart_pod(lab: LabUnderTest, row: PodOf) -> Plan:
    """Deleted; its controller makes another."""
    pod = _pod(lab, row)
    name = pod["metadata"]["name"]
    return f"pod {name} on {pod['spec'].get('nodeName')} is deleted", [_delete(lab, row.namespace, name)]


def move_pod(lab: LabUnderTest, row: PodOf) -> Plan:
    """The pod's node is cordoned, the pod deleted."""
    pod = _pod(lab, row)
    return _moved(lab, pod["spec"]["nodeName"], row.namespace, [pod["metadata"]["name"]])


def drain(lab: LabUnderTest, row: Drain) -> Plan:
    """The node is cordoned, each pod on it that is an endpoint of the Service deleted."""
    node, (namespace, _, service) = lab.kube_name(row.node), row.service.partition("/")
    slices = lab.client.cluster.list(ENDPOINT_SLICES, namespace)
    there = [endpoint for item in slices if labelled(item, f"kubernetes.io/service-name={service}")
             for endpoint in item.get("endpoints") or [] if endpoint.get("nodeName") == node]  # fmt: skip
    targets = [endpoint.get("targetRef") or {} for endpoint in there]
    names = sorted({str(target["name"]) for target in targets if target.get("kind") == "Pod"})
    if not names:
        raise NotDone(f"{row.service} has no endpoint on {row.node}")
    return _moved(lab, node, namespace, names)


def _moved(lab: LabUnderTest, node: str, namespace: str, names: Sequence[str]) -> Plan:
    """A node that takes no pods already is not cordoned: healing must leave it so."""
    api, path = lab.client.cluster, NODES.path(name=node)
    changes = [_delete(lab, namespace, name) for name in names]
    if not (api.get(path).get("spec") or {}).get("unschedulable"):
        heal = {"path": path, "patch": {"spec": {"unschedulable": None}}}
        changes.insert(0, ("kube-patch", heal, partial(api.patch, path, {"spec": {"unschedulable": True}})))
    return f"{node} takes no new pods, {', '.join(names)} on it deleted", changes


def _pod(lab: LabUnderTest, row: PodOf) -> Json:
    node = lab.kube_name(row.node) if row.node is not None else None
    pods = pods_with(lab.client.cluster.list(PODS, row.namespace), row.namespace, row.pod)
    found = [pod for pod in pods if running(pod) and node in {None, pod["spec"].get("nodeName")}]
    if len(found) != 1:
        where = f" on {row.node}" if row.node else ""
        hint = "; say which by node" if len(found) > 1 and row.node is None else ""
        raise NotDone(f"{len(found) or 'no'} running pods {row.pod}{where} in {row.namespace}, one is wanted{hint}")
    return found[0]


def _delete(lab: LabUnderTest, namespace: str, name: str) -> Planned:
    return "by-itself", {}, partial(lab.client.cluster.delete, PODS.path(namespace, name))


def plan(lab: LabUnderTest, fault: Fault) -> Plan:
    """Look what is there now and say what to do and how to undo it; nothing is touched.

    Raises `labctl.restore.client.NotDone` when the fault cannot be made (a port that is shut already).
    """
    makers: Mapping[str, Callable[[LabUnderTest, Any], Plan]] = {
        "shutdown": shutdown, "isolate": isolate, "keepalive": keepalive, "peer_link": peer_link,
        "clear_bgp": clear_bgp, "unplug": unplug, "node_down": node_down, "restart_pod": restart_pod,
        "move_pod": move_pod, "drain": drain,
    }  # fmt: skip
    return makers[fault.kind](lab, getattr(fault, fault.kind))
