"""The step ``fault``: what can be broken."""

from __future__ import annotations

from pydantic import Field

from labctl.verify.steps.forms import LABEL, SERVICE, Names, StepModel, StepName


class Port(StepModel):
    """Interfaces of a switch."""

    switch: str
    interface: Names = Field(description="one, or a list")


class Leg(StepModel):
    """An interface of a node or host."""

    node: str
    interface: Names = Field(description="one, or a list")


class Neighbor(StepModel):
    """A BGP neighbor of a switch."""

    switch: str
    neighbor: str
    vrf: str | None = Field(default=None, description="the VRF of the lab's sessions where it is left out")


class PodOf(StepModel):
    """A pod by its label."""

    pod: str = Field(pattern=LABEL)
    namespace: str = "default"
    node: str | None = Field(default=None, description="the node that it is on")


class Drain(StepModel):
    """The endpoints of a Service on one node."""

    service: str = Field(pattern=SERVICE, description="`namespace/name`")
    node: str


class Fault(StepModel):
    """What is broken: exactly one of these, under a name by which it is healed."""

    name: StepName
    shutdown: Port | None = Field(default=None, description="`shutdown` on the interfaces of a switch")
    isolate: str | None = Field(
        default=None,
        description="a switch is cut off: `shutdown` on each of its Ethernet ports. It keeps running, its management "
        "too; for its neighbors it is gone",
    )
    unplug: Leg | None = Field(default=None, description="`ip link set … down` in a node or host")
    node_down: str | None = Field(
        default=None, description="a node is cut off: both legs of its bond are down. It keeps running"
    )
    keepalive: str | None = Field(
        default=None,
        description="a leaf's vPC keepalive goes to an address where nobody is (192.0.2.1, RFC 5737)",
    )
    peer_link: str | None = Field(
        default=None,
        description="a leaf's vPC peer-link: `shutdown` on the members of a physical one, `no virtual peer-link "
        "destination …` for fabric peering",
    )
    clear_bgp: Neighbor | None = Field(default=None, description="`clear ip bgp vrf … NEIGHBOR`: the session is reset")
    restart_pod: PodOf | None = Field(default=None, description="a pod is deleted; its controller makes another")
    move_pod: PodOf | None = Field(
        default=None, description="a pod's node takes no new pods, the pod is deleted: it comes up on another node"
    )
    drain: Drain | None = Field(
        default=None,
        description="a node takes no new pods, and a Service's pods on it are deleted: its endpoints are elsewhere",
    )

    @property
    def kind(self) -> str:
        return next(kind for kind in FAULTS if getattr(self, kind) is not None)


FAULTS = tuple(name for name in Fault.model_fields if name != "name")
