"""The seams between the node agent (kubelet) and what gives pods addresses and nodes their functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from labctl.errors import LabError
from labctl.guest.client import Agent
from labctl.standin.cluster.spec import NodeSpec


class NetworkNotReady(LabError):
    """No pod network on this node (yet); the message is what ``kubectl describe`` shows."""

    code = "network-not-ready"


@dataclass(frozen=True, slots=True)
class PodRef:
    """A pod as its network needs it."""

    namespace: str
    name: str
    uid: str
    netns: str
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What a person may ask of the network by (Calico: addresses)."""


@dataclass(frozen=True, slots=True)
class PodAddresses:
    """What a pod got; IPv4 first."""

    addresses: tuple[str, ...]
    host_interface: str


class PodNetwork(Protocol):
    """CNI's ADD and DEL."""

    def add(self, pod: PodRef) -> PodAddresses:
        """Wire the pod's namespace. Raises `NetworkNotReady` or a LabError."""

    def delete(self, pod: PodRef) -> None:
        """Take it off; one that is not there is fine."""


class SystemFunction(Protocol):
    """A container that is a function of the node agent (calico-node, kube-proxy, calico-kube-controllers)."""

    def start(self) -> None:
        """Begin; returns at once. What goes wrong later shows in `failure`."""

    def stop(self) -> None:
        """End it and every program that it started."""

    def ready(self) -> bool: ...

    def failure(self) -> str | None:
        """Why it has ended; None while it runs."""

    def logs(self) -> bytes: ...

    def process(self) -> int | None:
        """The program whose files and namespaces a command in the container sees; None: the node's own."""


@dataclass(frozen=True, slots=True)
class FunctionContext:
    """What a function is given."""

    node: NodeSpec
    agent: Agent
    environment: Mapping[str, str]
    version: str
    """Of its image's tag, without ``v``; empty when the tag is no version."""
    changed: Callable[[], None]
    """To be called when `SystemFunction.ready` or `failure` may have changed."""


FunctionFactory = Callable[[FunctionContext], SystemFunction]
