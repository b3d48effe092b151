"""Values that several topics of ``checks.yaml`` are said in: frozen models, and rules resolved when a check runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Model(BaseModel):
    """A mapping of ``checks.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Flow(Model):
    """The input of one ping or one page."""

    name: str


class EndpointsOf(Model):
    """The nodes (as next hops) or addresses (as targets) of a Service's endpoints, ``namespace/name``."""

    endpoints_of: str


def listed(value: Any) -> Any:
    """A single text as a list of it."""
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(listed), Field(min_length=1)]


class NodesOf(Model):
    """The addresses of nodes (as next hops)."""

    nodes: Names


class ClusterIpOf(Model):
    """The ClusterIP of a Service as a host prefix."""

    cluster_ip_of: str


class BlockOf(Model):
    """A node's own address block (IPv4)."""

    block_of: str


class PortChannelOf(Model):
    """The leaf's port-channel towards a node."""

    port_channel_of: str


class ReportedBy(Model):
    """A MAC that the leaf itself calls a gateway's."""

    reported_by: Literal["leaf"]


class PodAt(Model):
    """The address of the pod that sends or receives."""

    pod: Literal["from", "to"]


class StackInput(Model):
    """Addresses of one header; ``protocol`` and ``port`` of the innermost."""

    source: PodAt | str
    target: PodAt | EndpointsOf | str
    protocol: Literal["icmp", "tcp", "ipip"] | None = None
    port: int | None = None


class ExpectInput(Model):
    """What a captured packet must be. ``vlan`` None: no tag is asked for."""

    inner: StackInput
    outer: StackInput | None = None
    vlan: int | None = None
    source_mac: ReportedBy | None = None
    encapsulated: bool | None = None


class CaptureInput(Model):
    at: Names
    interface: PortChannelOf | str
    expect: ExpectInput


class PodInput(Model):
    """A pod on a node: by its name, or by a label."""

    node: str
    namespace: str
    selector: str | None = None
    pod: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> PodInput:
        if (self.pod is None) == (self.selector is None):
            raise ValueError("a pod is said by its name (pod) or by a label (selector): one of both")
        return self


class ChannelInput(Model):
    channel: int
    members: tuple[str, ...]


class PortChannelsInput(Model):
    """Of a leaf: judged by ``links``, looked up by captures."""

    switch: str
    channels: tuple[ChannelInput, ...]
