"""A ping that goes on while things are broken, captured at its sender's interface from before its first packet on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from ipaddress import ip_interface

from labctl.guest.api import ExecStream
from labctl.kube.api import Json
from labctl.kube.exec import PodSession
from labctl.kube.resources import NODES, PODS
from labctl.restore.client import NotDone
from labctl.verify import expectation
from labctl.verify.capture.loss import Loss, measure
from labctl.verify.capture.packet import decode
from labctl.verify.capturing import Reader, Recording
from labctl.verify.lab import LabUnderTest
from labctl.verify.steps.model import Pod, Traffic
from labctl.verify.topics.nodes import interface_of
from labctl.waiting import Deadline, NotYet, wait_for

VERSION = {"ipv4": 4, "ipv6": 6}
SIGINT = 2
COUNTS = re.compile(r"(\d+) packets transmitted, (\d+)(?: packets)? received")
ANSWER = re.compile(r"\bttl=\d+")


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a ping leaves from and goes to; ``sender`` for a person. ``pod``: the sending pod's name."""

    sender: str
    node: str
    interface: str
    source: str
    target: str
    pod: str | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a traffic. ``sent`` and ``received``: ping's own sums, None when it printed none."""

    ends: Ends
    loss: Loss
    pcap: bytes
    sent: int | None
    received: int | None

    @property
    def doubt(self) -> str | None:
        """Why the capture cannot be counted on; None when it can.

        ping counts for itself: where it sent or received more than was captured, the capture dropped packets.
        """
        if self.sent is None or self.received is None:
            return "the ping ended before it was stopped"
        if self.loss.requests < self.sent:
            return f"ping sent {self.sent} requests, and the capture has {self.loss.requests} of them"
        if self.loss.answered < self.received:
            return f"ping received {self.received} replies, and the capture has {self.loss.answered} of them"
        return None


class Running:
    """A traffic under way. Made by `begin`."""

    def __init__(self, ends: Ends, recording: Recording, ping: ExecStream | PodSession) -> None:
        self.ends, self.name = ends, f"{ends.sender} to {ends.target}"
        self._recording = recording
        self._ping = ping
        self._output = Reader(lambda: piece[1] if (piece := ping.read()) is not None else None)

    @property
    def output(self) -> str:
        """What ping has printed so far."""
        return self._output.text

    def answered(self) -> bool | NotYet:
        """Whether the first reply came. Raises `NotDone` when ping has ended."""
        text = self.output
        if ANSWER.search(text):
            return True
        last = text.strip().splitlines()[-1:] or ["no reply yet"]
        if self._output.over:
            raise NotDone(f"{self.name}: ping ended: {last[0]}")
        return NotYet(f"{self.name}: {last[0]}")

    def stop(self) -> Measured:
        """End ping, then the capture; count."""
        if isinstance(self._ping, PodSession):
            self._ping.write(b"\n")  # the shell in the pod then ends ping
        else:
            self._ping.signal(SIGINT)
        self._output.join()
        self._ping.close()
        data = self._recording.stop()
        sums = COUNTS.search(self.output)
        sent, received = (int(sums[1]), int(sums[2])) if sums else (None, None)
        return Measured(self.ends, measure(decode(data), self.ends.source, self.ends.target), data, sent, received)

    def close(self) -> None:
        """Give it up, whatever state it is in."""
        self._ping.close()
        self._recording.close()


def begin(lab: LabUnderTest, row: Traffic, deadline: Deadline) -> Running:
    """Find both ends, capture, ping, and wait for the first reply.

    Raises `DeadlinePassed` with the reason when none comes, and what the runtime raises when it cannot capture.
    """
    ends = wait_for(lambda: _ends(lab, row), deadline, every=0.2, cancel=lab.cancel)
    capture = lab.observer.endpoints.capture(ends.node, ends.interface, f"(icmp or icmp6) and host {ends.target}")
    recording = Recording(capture)
    opened: Recording | Running = recording
    try:
        opened = running = Running(ends, recording, _ping(lab, row, ends))
        wait_for(running.answered, deadline, every=0.05, cancel=lab.cancel)
    except BaseException:
        opened.close()
        raise
    return running


def _ends(lab: LabUnderTest, row: Traffic) -> Ends | NotYet:
    version = VERSION[row.family]
    try:
        target = row.target.address or _address(lab, row.target, version)
        if row.sender.pod is None:
            node = str(row.sender.node)
            return Ends(node, node, *_way(lab, node, target), target)
        pod, source = _pod(lab, row.sender), _address(lab, row.sender, version)
    except NotDone as error:
        return NotYet(str(error))
    name, node = pod["metadata"]["name"], pod["spec"]["nodeName"]
    names = {kubernetes: known for known, kubernetes in lab.folder.lab.kubernetes.items()}
    return Ends(f"pod {name}", names.get(node, node), interface_of(pod), source, target, name)


def _address(lab: LabUnderTest, end: Pod, version: int) -> str:
    """Of a pod, or a node's own, from the node. Raises `NotDone` for none."""
    if end.pod is not None:
        pod = _pod(lab, end)
        address = expectation.pod_address(pod, version)
        if address is None:
            raise NotDone(f"pod {pod['metadata']['name']} has no address of IPv{version}")
        return address
    node = str(end.node)
    interface = "bond0" if node in lab.folder.lab.kube_nodes else next(iter(lab.folder.lab.interfaces(node)), "eth1")
    text = lab.hands.run(node, ["ip", "-j", f"-{version}", "addr", "show", "dev", interface, "scope", "global"])
    for info in (info for row in json.loads(text or "[]") for info in row.get("addr_info", [])):
        if "local" in info:
            return str(ip_interface(info["local"]).ip)
    raise NotDone(f"{interface} of {node} has no address of IPv{version}")


def _pod(lab: LabUnderTest, end: Pod) -> Json:
    cluster = lab.cluster(NODES, PODS)
    nodes = [lab.kube_name(end.node)] if end.node else [item["metadata"]["name"] for item in cluster.nodes]
    for node in nodes:
        pod = expectation.pod_at(cluster.pods, node, end.namespace, selector=end.pod)
        if pod is not None:
            return pod
    raise NotDone(f"no pod {end.pod} runs{f' on {end.node}' if end.node else ''}")


def _way(lab: LabUnderTest, node: str, target: str) -> tuple[str, str]:
    """(interface, source address) by which a node sends to a target, as its kernel decides. Raises `NotDone`."""
    for row in json.loads(lab.hands.run(node, ["ip", "-j", "route", "get", target]) or "[]"):
        if row.get("dev") and row.get("prefsrc"):
            return str(row["dev"]), str(row["prefsrc"])
    raise NotDone(f"{node} has no way to {target}")


def _ping(lab: LabUnderTest, row: Traffic, ends: Ends) -> ExecStream | PodSession:
    """Of a node: ping itself. Of a pod: under a shell that ends it when its own input ends, so that none is left."""
    argv = ["ping", f"-{VERSION[row.family]}", "-i", f"{row.interval_ms / 1000:g}", ends.target]
    if ends.pod is None:
        return lab.observer.endpoints.stream(ends.node, argv)
    script = f"{' '.join(argv)} & p=$!; read _; kill -INT $p; wait $p"
    return lab.observer.pods.start(row.sender.namespace, ends.pod, ["sh", "-c", script])
