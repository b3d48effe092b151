"""The step ``expect``: what can be asked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from labctl.verify.inputs import ClusterIpOf, EndpointsOf
from labctl.verify.steps.forms import LABEL, Family, Limit, Names, Seconds, StepModel, StepName, listed


class LossOf(StepModel):
    """What a traffic lost at the most, counted in its capture. This stops the traffic."""

    of: str
    packets: Limit | None = Field(default=None, description="requests without a reply")
    ms: Limit | None = Field(
        default=None, description="the longest outage: from the last answered request before it to the first after it"
    )

    @model_validator(mode="after")
    def _limited(self) -> LossOf:
        if self.packets is None and self.ms is None:
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


class Nodes(StepModel):
    """The addresses of nodes (as next hops)."""

    nodes: Names


class Route(StepModel):
    """The next hops of a route on a switch."""

    switch: Names
    prefix: ClusterIpOf | str = Field(description="a prefix, or `{cluster_ip_of: namespace/name}`")
    next_hops: EndpointsOf | Nodes | Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
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

    switch: Names
    peer: Literal["ok", "down"] | None = None
    keepalive: Literal["alive", "down"] | None = None


class PodsAt(StepModel):
    """Running pods with a label."""

    pod: str = Field(pattern=LABEL)
    namespace: str = "default"
    node: str | None = Field(default=None, description="they are on this node")
    not_on: str | None = Field(default=None, description="none of them is on this node")
    count: int = Field(default=1, ge=0)


class Packets(StepModel):
    """Packets of a capture. This stops it."""

    of: str
    source: str
    target: str
    protocol: Literal["icmp", "tcp", "udp"] | None = None
    at_least: int | None = Field(default=None, ge=1)
    at_most: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _bounded(self) -> Packets:
        if self.at_least is None and self.at_most is None:
            raise ValueError("say how many: at_least, at_most, or both")
        return self


class Expect(StepModel):
    """What must be: exactly one of these. Asked until it is so (`within`), or again and again over a time (`hold`)."""

    name: StepName
    within: Seconds | None = Field(default=None, description="seconds until it must be so; the lab's own limit else")
    hold: Seconds | None = Field(default=None, description="seconds over which it must be so at every look")
    loss: LossOf | None = None
    sessions: Sessions | None = None
    evpn: Evpn | None = None
    route: Route | None = None
    bond: Bond | None = None
    port_channel: PortChannel | None = None
    vpc: VpcState | None = None
    pods: PodsAt | None = None
    packets: Packets | None = None

    @property
    def kind(self) -> str:
        return next(kind for kind in EXPECTATIONS if getattr(self, kind) is not None)


EXPECTATIONS = tuple(name for name in Expect.model_fields if name not in {"name", "within", "hold"})
MEASURED = ("loss", "packets")
"""Judged once, from what was captured: neither `within` nor `hold` means anything there."""
