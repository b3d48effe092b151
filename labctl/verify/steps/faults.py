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
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Any

from labctl.kube.api import Json
from labctl.kube.resources import ENDPOINT_SLICES, NODES, PODS
from labctl.nxos.tree import parse
from labctl.restore.changes import Change
from labctl.restore.client import NotDone
from labctl.verify.expectation import labelled, pods_with, running
from labctl.verify.lab import LabUnderTest
from labctl.verify.steps.model import Drain, Fault, Leg, Neighbor, PodOf, Port
from labctl.verify.topics.bgp import BgpInput


@dataclass(frozen=True, slots=True)
class Planned:
    """One change: what undoes it (kind and data, see `labctl.restore.changes`), and what makes it."""

    healer: str
    data: Mapping[str, Any]
    make: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """A fault that is ready to be made: its changes in their order, and a sentence for the report."""

    sentence: str
    changes: Sequence[Planned]

    def named(self, name: str) -> list[tuple[Change, Callable[[], None]]]:
        """The changes under names of the fault's own."""

        def silent(planned: Planned) -> Callable[[], None]:
            def make() -> None:
                planned.make()

            return make

        return [
            (Change(name if not index else f"{name}.{index + 1}", row.healer, row.data), silent(row))
            for index, row in enumerate(self.changes)
        ]


NOBODY = "192.0.2.1"
"""An address of TEST-NET-1 (RFC 5737): routed nowhere."""
RUNNING = "show running-config"


def shutdown(lab: LabUnderTest, row: Port) -> Plan:
    """``shutdown`` on interfaces."""
    closed = [name for name in row.interface if _is_shut(lab, row.switch, name)]
    if closed:
        raise NotDone(f"{row.switch}: {', '.join(closed)} is shut already: healing would open it")
    return Plan(f"{row.switch}: shutdown of {', '.join(row.interface)}", [_shut(lab, row.switch, row.interface)])


def isolate(lab: LabUnderTest, switch: str) -> Plan:
    """``shutdown`` on each Ethernet port that has a link and is not shut."""
    wired = lab.folder.lab.interfaces(switch)
    ports = [name for name in wired if not _is_shut(lab, switch, name)]
    if not ports:
        raise NotDone(f"{switch} has no port that is not shut already")
    what = f"{switch} is cut off: shutdown of its {len(ports)} Ethernet ports (it runs on)"
    return Plan(what, [_shut(lab, switch, ports)])


def _shut(lab: LabUnderTest, switch: str, ports: Sequence[str]) -> Planned:
    def lines(word: str) -> list[str]:
        return [line for port in ports for line in (f"interface {port}", word)]

    configure = lab.hands.configure
    return Planned("switch-lines", {"switch": switch, "lines": lines("no shutdown")},
                   lambda: configure(switch, lines("shutdown")))  # fmt: skip


def _is_shut(lab: LabUnderTest, switch: str, interface: str) -> bool:
    text = lab.hands.command(switch, f"{RUNNING} interface {interface}")
    return re.search(r"^\s+shutdown\s*$", text, re.MULTILINE) is not None


def keepalive(lab: LabUnderTest, leaf: str) -> Plan:
    """The keepalive's destination becomes an address where nobody is."""
    domain, lines = vpc_domain(lab.hands.command(leaf, RUNNING))
    line = next((text for text in lines if text.startswith("peer-keepalive destination ")), None)
    if domain is None or line is None:
        raise NotDone(f"{leaf} has no vPC keepalive")
    elsewhere = re.sub(r"destination \S+", f"destination {NOBODY}", line)
    return _domain_lines(lab, leaf, domain, [elsewhere], [line], f"{leaf}: its keepalive goes to {NOBODY}")


def peer_link(lab: LabUnderTest, leaf: str) -> Plan:
    """The members of a physical peer-link, or the line that makes a virtual one."""
    running = lab.hands.command(leaf, RUNNING)
    domain, lines = vpc_domain(running)
    virtual = next((text for text in lines if text.startswith("virtual peer-link destination ")), None)
    if domain is not None and virtual is not None:
        return _domain_lines(lab, leaf, domain, [f"no {virtual}"], [virtual], f"{leaf}: no {virtual}")
    members = peer_link_members(running)
    if not members:
        raise NotDone(f"{leaf} has no peer-link with members, and no virtual one")
    return shutdown(lab, Port(switch=leaf, interface=tuple(members)))


def _domain_lines(
    lab: LabUnderTest, leaf: str, domain: str, made: Sequence[str], healed: Sequence[str], sentence: str
) -> Plan:
    enter, configure = f"vpc domain {domain}", lab.hands.configure
    data = {"switch": leaf, "lines": [enter, *healed]}
    return Plan(sentence, [Planned("switch-lines", data, partial(configure, leaf, [enter, *made]))])


def clear_bgp(lab: LabUnderTest, row: Neighbor) -> Plan:
    """A session is reset; both sides make it again by themselves."""
    vrf = row.vrf or default_vrf(lab)
    word = "ip" if ip_address(row.neighbor).version == 4 else "ipv6"
    line = f"clear {word} bgp vrf {vrf} {row.neighbor}"
    done = partial(lab.hands.command, row.switch, line)
    return Plan(f"{row.switch}: {line}", [Planned("by-itself", {}, done)])


def default_vrf(lab: LabUnderTest) -> str:
    """The VRF of the lab's sessions with nodes, else of its routes; NX-OS's default where it has neither."""
    bgp = lab.section(BgpInput)
    return next(iter([*(row.vrf for row in bgp.sessions), *(row.vrf for row in bgp.all_routes)]), "default")


def vpc_domain(running: str) -> tuple[str | None, list[str]]:
    """The number of the vPC domain and its lines; None without one. Pure."""
    domain = parse(running).find("vpc", "domain")
    return (None, []) if domain is None else (domain.words[2], [child.line for child in domain.children])


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
    return Plan(f"{row.node}: {', '.join(row.interface)} down", [_down(lab, row.node, row.interface)])


def node_down(lab: LabUnderTest, node: str) -> Plan:
    """Every link of a node: it runs on, and nobody reaches it but over the management network."""
    links = lab.folder.lab.interfaces(node)
    return Plan(f"{node} is cut off: {', '.join(links)} down (it runs on)", [_down(lab, node, links)])


def _down(lab: LabUnderTest, node: str, interfaces: Sequence[str]) -> Planned:
    closed = [name for name in interfaces if not _is_up(lab, node, name)]
    if closed:
        raise NotDone(f"{node}: {', '.join(closed)} is down already: healing would bring it up")

    def commands(state: str) -> list[list[str]]:
        return [["ip", "link", "set", "dev", name, state] for name in interfaces]

    def make() -> None:
        for argv in commands("down"):
            lab.hands.run(node, argv)

    return Planned("node-commands", {"node": node, "commands": commands("up")}, make)


def _is_up(lab: LabUnderTest, node: str, interface: str) -> bool:
    rows = json.loads(lab.hands.run(node, ["ip", "-j", "link", "show", "dev", interface]) or "[]")
    return any("UP" in row.get("flags", []) for row in rows)


def restart_pod(lab: LabUnderTest, row: PodOf) -> Plan:
    """Deleted; its controller makes another."""
    pod = _pod(lab, row)
    name = pod["metadata"]["name"]
    return Plan(f"pod {name} on {pod['spec'].get('nodeName')} is deleted", [_delete(lab, row.namespace, name)])


def move_pod(lab: LabUnderTest, row: PodOf) -> Plan:
    """The pod's node is cordoned, the pod deleted."""
    pod = _pod(lab, row)
    name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
    changes = [*_cordon(lab, node), _delete(lab, row.namespace, name)]
    return Plan(f"{node} takes no new pods, {name} on it is deleted", changes)


def drain(lab: LabUnderTest, row: Drain) -> Plan:
    """The node is cordoned, each pod on it that is an endpoint of the Service deleted."""
    node, namespace = lab.kube_name(row.node), row.service.partition("/")[0]
    names = _endpoint_pods(lab, row.service, node)
    if not names:
        raise NotDone(f"{row.service} has no endpoint on {row.node}")
    changes = [*_cordon(lab, node), *(_delete(lab, namespace, name) for name in names)]
    return Plan(f"{node} takes no new pods, {', '.join(names)} on it deleted", changes)


def _pod(lab: LabUnderTest, row: PodOf) -> Json:
    node = lab.kube_name(row.node) if row.node is not None else None
    found = [
        pod
        for pod in pods_with(lab.hands.cluster.list(PODS, row.namespace), row.namespace, row.pod)
        if running(pod) and node in {None, pod["spec"].get("nodeName")}
    ]
    if len(found) != 1:
        where = f" on {row.node}" if row.node else ""
        hint = "; say which by node" if len(found) > 1 and row.node is None else ""
        raise NotDone(f"{len(found) or 'no'} running pods {row.pod}{where} in {row.namespace}, one is wanted{hint}")
    return found[0]


def _endpoint_pods(lab: LabUnderTest, service: str, node: str) -> list[str]:
    namespace, _, name = service.partition("/")
    return sorted(
        {
            str(endpoint["targetRef"]["name"])
            for item in lab.hands.cluster.list(ENDPOINT_SLICES, namespace)
            if labelled(item, f"kubernetes.io/service-name={name}")
            for endpoint in item.get("endpoints") or []
            if endpoint.get("nodeName") == node and (endpoint.get("targetRef") or {}).get("kind") == "Pod"
        }
    )


def _cordon(lab: LabUnderTest, node: str) -> Sequence[Planned]:
    """None where it takes no pods already: healing must leave it so."""
    api, path = lab.hands.cluster, NODES.path(name=node)
    if (api.get(path).get("spec") or {}).get("unschedulable"):
        return []
    heal = {"path": path, "patch": {"spec": {"unschedulable": None}}}
    return [Planned("kube-patch", heal, partial(api.patch, path, {"spec": {"unschedulable": True}}))]


def _delete(lab: LabUnderTest, namespace: str, name: str) -> Planned:
    return Planned("by-itself", {}, partial(lab.hands.cluster.delete, PODS.path(namespace, name)))


def plan(lab: LabUnderTest, fault: Fault) -> Plan:
    """Look what is there now and say what to do and how to undo it; nothing is touched.

    Raises `labctl.restore.client.NotDone` when the fault cannot be made (a port that is shut already).
    """
    makers: Mapping[str, Callable[[LabUnderTest, Any], Plan]] = {
        "shutdown": shutdown,
        "isolate": isolate,
        "keepalive": keepalive,
        "peer_link": peer_link,
        "clear_bgp": clear_bgp,
        "unplug": unplug,
        "node_down": node_down,
        "restart_pod": restart_pod,
        "move_pod": move_pod,
        "drain": drain,
    }
    return makers[fault.kind](lab, getattr(fault, fault.kind))
