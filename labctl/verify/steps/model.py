"""A scenario file as frozen models: its names and forms, and the steps traffic, fault, expect, capture, heal, stop.

``docs/scenarios.md`` is made of the words in here, `labctl.verify.steps.load` reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from labctl.verify.values import ClusterIpOf, EndpointsOf, Names, NodesOf, listed

SCHEMA = "labctl.scenario/v1"
NAME = r"^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$"
LABEL = r"^[^=\s]+=[^=\s]+$"
SERVICE = r"^[^/\s]+/[^/\s]+$"
Family = Literal["ipv4", "ipv6"]
Platform = Literal["standin", "n9kv"]


NameOf = Literal["switch", "node", "node or host", "leaf", "any"]


class StepModel(BaseModel):
    """A mapping of a scenario file. ``names``: fields that name something of the lab, and what."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    names: ClassVar[Mapping[str, NameOf]] = {"switch": "switch", "node": "node"}


def as_place(value: Any) -> Any:
    """A bare word is a node's name, or an address."""
    if not isinstance(value, str):
        return value
    try:
        ip_address(value)
    except ValueError:
        return {"node": value}
    return {"address": value}


def as_limit(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"standin": value, "n9kv": value} if number else value


Limit = Annotated[dict[Platform, Annotated[float, Field(ge=0)]], BeforeValidator(as_limit), Field(min_length=1)]
"""A number, or one for each platform of the switches: ``{standin: 2500, n9kv: 5000}``."""
Seconds = Annotated[float, Field(gt=0, le=3600)]
StepName = Annotated[str, Field(pattern=NAME)]


def said(description: str | None, **more: Any) -> Any:
    """A key that may be left out."""
    return Field(default=None, description=description, **more)


class Pod(StepModel):
    """A pod by its label, ``key=value``; ``node`` says which where there are several."""

    pod: str | None = said("its label, `app=pingtest`", pattern=LABEL)
    namespace: str = "default"
    node: str | None = said("the node that it runs on; alone: the node or host itself")
    address: str | None = said("an IP address, as a target")

    @model_validator(mode="after")
    def _one(self) -> Pod:
        if (self.pod is None and self.node is None) == (self.address is None):
            raise ValueError("say pod (with a label), node, or address")
        return self


End = Annotated[Pod, BeforeValidator(as_place)]
"""A node, a host, a pod or an address."""


class Port(StepModel):
    """Interfaces of a switch."""

    switch: str
    interface: Names = Field(description="one, or a list")


class Leg(StepModel):
    """An interface of a node or host."""

    names = {"node": "node or host"}
    node: str
    interface: Names = Field(description="one, or a list")


class Neighbor(StepModel):
    """A BGP neighbor of a switch."""

    switch: str
    neighbor: str
    vrf: str | None = said("the VRF of the lab's sessions where it is left out")


class PodOf(StepModel):
    """A pod by its label."""

    pod: str = Field(pattern=LABEL)
    namespace: str = "default"
    node: str | None = said("the node that it is on")


class Drain(StepModel):
    """The endpoints of a Service on one node."""

    service: str = Field(pattern=SERVICE, description="`namespace/name`")
    node: str


class OneOf(StepModel):
    """Exactly one of its keys is said, beside those that all have."""

    common: ClassVar[tuple[str, ...]] = ("name",)
    name: StepName

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """The keys of which one is said."""
        return tuple(key for key in cls.model_fields if key not in cls.common)

    @property
    def kind(self) -> str:
        """That one."""
        return next(kind for kind in self.kinds() if getattr(self, kind) is not None)


class Fault(OneOf):
    """What is broken: exactly one of these, under a name by which it is healed."""

    names = {"isolate": "switch", "node_down": "node", "keepalive": "leaf", "peer_link": "leaf"}
    shutdown: Port | None = said("`shutdown` on the interfaces of a switch")
    isolate: str | None = said(
        "a switch is cut off: `shutdown` on each of its Ethernet ports. It keeps running, its management "
        "too; for its neighbors it is gone",
    )
    unplug: Leg | None = said("`ip link set … down` in a node or host")
    node_down: str | None = said("a node is cut off: both legs of its bond are down. It keeps running")
    keepalive: str | None = said(
        "a leaf's vPC keepalive goes to an address where nobody is (192.0.2.1, RFC 5737)",
    )
    peer_link: str | None = said(
        "a leaf's vPC peer-link: `shutdown` on the members of a physical one, `no virtual peer-link "
        "destination …` for fabric peering",
    )
    clear_bgp: Neighbor | None = said("`clear ip bgp vrf … NEIGHBOR`: the session is reset")
    restart_pod: PodOf | None = said("a pod is deleted; its controller makes another")
    move_pod: PodOf | None = said("a pod's node takes no new pods, the pod is deleted: it comes up on another node")
    drain: Drain | None = said(
        "a node takes no new pods, and a Service's pods on it are deleted: its endpoints are elsewhere",
    )


class LossOf(StepModel):
    """What a traffic lost at the most, counted in its capture. This stops the traffic."""

    of: str
    packets: Limit | None = said("requests without a reply")
    ms: Limit | None = said("the longest outage: from the last answered request before it to the first after it")

    @property
    def limits(self) -> Mapping[str, Mapping[Any, float]]:
        """By unit, those that are said."""
        return {unit: limit for unit in ("packets", "ms") if (limit := getattr(self, unit)) is not None}

    @model_validator(mode="after")
    def _limited(self) -> LossOf:
        if not self.limits:
            raise ValueError("say what may be lost: packets, ms, or both")
        return self


class Sessions(StepModel):
    """Sessions between leafs and nodes: all of the lab's, or those of some leafs and nodes."""

    switch: Names | None = None
    node: Names | None = None
    family: Family | None = None
    are: Literal["up", "down", "unbroken", "reset"] = Field(
        description="`unbroken`: Established, and the leaf counts no connection more, and none dropped, than when the "
        "scenario began; `reset`: Established, by a newer connection"
    )


class Evpn(StepModel):
    """EVPN sessions of switches with the spines."""

    switch: Names | None = None
    neighbor: Names | None = None
    are: Literal["up", "down"]


class Route(StepModel):
    """The next hops of a route on a switch."""

    switch: Names
    prefix: ClusterIpOf | str = Field(description="a prefix, or `{cluster_ip_of: namespace/name}`")
    next_hops: EndpointsOf | NodesOf | Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        description="addresses, `{nodes: […]}`, or `{endpoints_of: namespace/name}`; `[]`: there must be no such route"
    )
    vrf: str | None = None


class Bond(StepModel):
    """Members of a node's bond0: which distribute, which do not."""

    node: str
    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()


class PortChannel(StepModel):
    """A leaf's port-channel towards a node."""

    switch: Names
    node: str
    state: Literal["up", "down"] = Field(alias="is")


class VpcState(StepModel):
    """The vPC domain of a leaf, as it says itself."""

    names = {"switch": "leaf"}
    switch: Names
    peer: Literal["ok", "down"] | None = None
    keepalive: Literal["alive", "down"] | None = None


class PodsAt(StepModel):
    """Running pods with a label."""

    names = {"node": "node", "not_on": "node"}
    pod: str = Field(pattern=LABEL)
    namespace: str = "default"
    node: str | None = said("they are on this node")
    not_on: str | None = said("none of them is on this node")
    count: int = Field(default=1, ge=0)


class Packets(StepModel):
    """Packets of a capture. This stops it."""

    of: str
    source: str
    target: str
    protocol: Literal["icmp", "tcp", "udp"] | None = None
    at_least: int | None = said(None, ge=1)
    at_most: int | None = said(None, ge=0)

    @model_validator(mode="after")
    def _bounded(self) -> Packets:
        if self.at_least is None and self.at_most is None:
            raise ValueError("say how many: at_least, at_most, or both")
        return self


class Expect(OneOf):
    """What must be: exactly one of these. Asked until it is so (`within`), or again and again over a time (`hold`)."""

    common = ("name", "within", "hold")
    within: Seconds | None = said("seconds until it must be so; the lab's own limit else")
    hold: Seconds | None = said("seconds over which it must be so at every look")
    loss: LossOf | None = None
    sessions: Sessions | None = None
    evpn: Evpn | None = None
    route: Route | None = None
    bond: Bond | None = None
    port_channel: PortChannel | None = None
    vpc: VpcState | None = None
    pods: PodsAt | None = None
    packets: Packets | None = None


MEASURED = ("loss", "packets")
"""Judged once, from what was captured: neither `within` nor `hold` means anything there."""


class Traffic(StepModel):
    """A ping that goes on until it is stopped, captured at its sender's interface; begins when one was answered."""

    name: StepName
    sender: End = Field(alias="from", description="`node01`, `ext1`, or `{pod: app=pingtest, node: node01}`")
    target: End = Field(alias="to", description="the same, or an address")
    family: Family = "ipv4"
    interval_ms: int = Field(default=20, ge=10, le=1000)


class Capture(StepModel):
    """Packets at an interface, kept as evidence; judged by `packets`."""

    names = {"at": "any"}
    name: StepName
    at: str = Field(description="a switch, node or host")
    interface: str = Field(description="as the lab names it: `Ethernet1/4`, `port-channel11`, `bond0`, `eth1`")
    filter: str = Field(default="", description="a pcap filter")


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends a traffic or a capture by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Heal:
    """Undoes a fault by its name; None: all of them."""

    name: str | None


Step = Traffic | Capture | Fault | Expect | Stop | Heal
STEPS: Mapping[str, tuple[type[Traffic | Fault | Expect | Capture] | None, str]] = {
    "traffic": (Traffic, "a mapping"), "fault": (Fault, "a mapping"), "expect": (Expect, "a mapping"),
    "capture": (Capture, "a mapping"), "heal": (None, "the name of a fault, or all"),
    "stop": (None, "the name of a traffic or a capture"),
}  # fmt: skip
"""Its model, and what it must be."""


@dataclass(frozen=True, slots=True)
class ScenarioFile:
    """A scenario as it is written. ``objects``: Kubernetes objects that are there while it runs."""

    name: str
    title: str
    steps: tuple[Step, ...]
    objects: tuple[Mapping[str, Any], ...] = field(default=())
