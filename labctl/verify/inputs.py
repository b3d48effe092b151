"""``checks.yaml`` as frozen models: what a person may edit, refused with file and line where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from labctl.errors import Place, Problem, SpecError
from labctl.verify.clusterinputs import ClusterInput
from labctl.verify.inputmodel import Model as _Model
from labctl.verify.leafinputs import LeafsInput
from labctl.yamldoc import parse

SCHEMA = "labctl.checks/v1"
FILE = "checks.yaml"


class AdvertisedBy(_Model):
    """As many prefixes as Calico's rules let this node advertise now."""

    advertised_by: str


class EndpointsOf(_Model):
    """The nodes (as next hops) or addresses (as targets) of a Service's endpoints, ``namespace/name``.

    ``behind``: nodes of other leafs → the VTEPs by which they are reached, when none of the leaf's own has an endpoint.
    """

    endpoints_of: str
    behind: Mapping[str, tuple[str, ...]] = {}


class ClusterIpOf(_Model):
    """The ClusterIP of a Service as a host prefix."""

    cluster_ip_of: str


class BlockOf(_Model):
    """A node's own address block (IPv4)."""

    block_of: str


class PortChannelOf(_Model):
    """The leaf's port-channel towards a node."""

    port_channel_of: str


class ReportedBy(_Model):
    """A MAC that the leaf itself calls a gateway's."""

    reported_by: Literal["leaf"]


class PodAt(_Model):
    """The address of the pod that sends or receives."""

    pod: Literal["from", "to"]


class LacpInput(_Model):
    node: str
    bond: str
    members: tuple[str, ...]


class ChannelInput(_Model):
    channel: int
    members: tuple[str, ...]


class PortChannelsInput(_Model):
    switch: str
    channels: tuple[ChannelInput, ...]


class VpcInput(_Model):
    switch: str
    domain: int
    vpcs: tuple[int, ...]


class UnderlayInput(_Model):
    """OSPF neighbours of a switch, by router id."""

    switch: str
    neighbors: tuple[str, ...]


class LinksInput(_Model):
    lacp: tuple[LacpInput, ...] = ()
    port_channels: tuple[PortChannelsInput, ...] = ()
    vpc: tuple[VpcInput, ...] = ()
    underlay: tuple[UnderlayInput, ...] = ()


class EvpnInput(_Model):
    switch: str
    neighbors: tuple[str, ...]


class SessionInput(_Model):
    switch: str
    vrf: str
    family: Literal["ipv4", "ipv6"]
    neighbor: str
    asn: int
    node: str
    prefixes: AdvertisedBy | int | None = None


class RouteInput(_Model):
    """A route; ``preference`` and ``tag`` (the neighbor's AS) as ``show ip route`` prints them, where asked."""

    switch: str
    vrf: str
    prefix: ClusterIpOf | BlockOf | str
    next_hops: EndpointsOf | tuple[str, ...]
    segment: int | None = None
    preference: int | None = None
    tag: int | None = None


class PeersInput(_Model):
    """How many neighbors a leaf is to have configured in a family of a VRF, all of them capable."""

    switch: str
    vrf: str
    family: Literal["ipv4", "ipv6"]
    count: int


class CopyInput(_Model):
    """An address that other leafs have, too: their copy must never be reached. ``others``: VTEP → whose it is."""

    switch: str
    vrf: str
    prefix: str
    others: Mapping[str, str]


class BgpInput(_Model):
    evpn: tuple[EvpnInput, ...] = ()
    sessions: tuple[SessionInput, ...] = ()
    peers: tuple[PeersInput, ...] = ()
    routes: tuple[RouteInput, ...] = ()
    copies: tuple[CopyInput, ...] = ()


class StackInput(_Model):
    """Addresses of one header; ``protocol`` and ``port`` of the innermost."""

    source: PodAt | str
    target: PodAt | EndpointsOf | str
    protocol: Literal["icmp", "tcp", "ipip"] | None = None
    port: int | None = None


class ExpectInput(_Model):
    """What a captured packet must be. ``vlan`` None: no tag is asked for."""

    inner: StackInput
    outer: StackInput | None = None
    vlan: int | None = None
    source_mac: ReportedBy | None = None
    encapsulated: bool | None = None


class CaptureInput(_Model):
    at: str | tuple[str, ...]
    interface: PortChannelOf | str
    expect: ExpectInput

    @property
    def places(self) -> tuple[str, ...]:
        return (self.at,) if isinstance(self.at, str) else self.at


class PodInput(_Model):
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


class PingInput(_Model):
    name: str
    family: Literal["ipv4", "ipv6"]
    sender: Annotated[PodInput, Field(alias="from")]
    target: Annotated[PodInput, Field(alias="to")]
    count: int
    ttl: int
    captures: tuple[CaptureInput, ...] = ()


class HostInput(_Model):
    node: str


class CurlInput(_Model):
    name: str
    sender: Annotated[HostInput, Field(alias="from")]
    service: str
    port: int
    contains: str
    endpoint: str | None = None
    """The pod that is to be seen answering: the page is fetched until it was that one's."""
    captures: tuple[CaptureInput, ...] = ()


class ModeInput(_Model):
    bgp: BgpInput = BgpInput()
    ping: tuple[PingInput, ...] = ()
    curl: tuple[CurlInput, ...] = ()


class ScaleRoutesInput(_Model):
    """``count`` prefixes of a length, the first ones of a range, as static routes via an external host."""

    family: Literal["ipv4", "ipv6"]
    range: str
    length: int
    count: int
    via: str
    next_hop: str
    """The VTEP by which the leafs reach them."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """In their order. A range that has not so many gives all that it has."""
        return tuple(
            str(network) for network in islice(ip_network(self.range).subnets(new_prefix=self.length), self.count)
        )


class ScaleInput(_Model):
    switch: str
    vrf: str
    tag: int
    routes: tuple[ScaleRoutesInput, ...]
    leafs: tuple[str, ...]
    nodes: tuple[str, ...] = ()


class ModesInput(_Model):
    routed: ModeInput = ModeInput()
    ipip: ModeInput = ModeInput()


class ChecksInput(_Model):
    schema_: Annotated[Literal["labctl.checks/v1"], Field(alias="schema")]
    links: LinksInput = LinksInput()
    modes: ModesInput = ModesInput()
    cluster: ClusterInput | None = None
    leafs: LeafsInput = LeafsInput()
    scale: ScaleInput | None = None

    def mode(self, name: str) -> ModeInput:
        return self.modes.ipip if name == "ipip" else self.modes.routed


def load_checks(folder: Path) -> ChecksInput:
    """Read ``checks.yaml`` of a folder. Raises `SpecError` with every problem."""
    try:
        text = (folder / FILE).read_text()
    except OSError as error:
        raise SpecError([Problem("unreadable", f"{FILE} cannot be read: {error.strerror}", Place(FILE))]) from None
    document, problems = parse(FILE, text)
    if document is None or problems:
        raise SpecError(problems)
    try:
        return ChecksInput.model_validate(document.data)
    except ValidationError as error:
        found = []
        for row in error.errors():
            path = tuple(part for part in row["loc"] if isinstance(part, int) or part in _keys(document.keys))
            found.append(Problem("bad-check", f"{'.'.join(map(str, row['loc']))}: {row['msg']}", document.place(path)))
        raise SpecError(found) from None


def _keys(keys: object) -> set[object]:
    return {part for path in keys for part in path}  # type: ignore[attr-defined]
