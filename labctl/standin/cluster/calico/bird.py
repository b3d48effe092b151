"""A node's BIRD 2 configuration with the behaviour of Calico's (BIRD 1.6) templates, pure.

Source of the rules: projectcalico/calico, node/filesystem/etc/calico/confd/templates. Calico's ``krt_tunnel`` (a patch
of its BIRD) becomes a private table in which mesh peers are reached through tunl0: the kernel gets the same routes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from labctl.standin.cluster.calico.blocks import Network

BLACKHOLED = (
    "an IPIP pool's route whose next hop is a leaf is a black hole on a real node: the leaf does not decapsulate"
)


@dataclass(frozen=True, slots=True)
class Peer:
    """One BGP session of a node. ``kind`` is Calico's prefix of the protocol's name."""

    kind: Literal["Global", "Node", "Mesh"]
    address: str
    asn: int
    passive: bool = False
    next_hop_keep: bool = False
    allow_local_as: int | None = None
    password: str | None = None

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.address.replace('.', '_').replace(':', '_')}"

    @property
    def version(self) -> int:
        return 6 if ":" in self.address else 4


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool as routing needs it."""

    cidr: Network
    ipip: bool
    exported: bool = True


@dataclass(frozen=True, slots=True)
class Timers:
    """BIRD's own timers, seconds; the defaults are Calico's."""

    connect_delay: str = "2"
    connect_retry: str = "5"
    error_wait: str = "5,30"

    @staticmethod
    def of(environment: Mapping[str, str]) -> Timers:
        default = Timers()
        return Timers(
            environment.get("LABCTL_BIRD_CONNECT_DELAY", default.connect_delay),
            environment.get("LABCTL_BIRD_CONNECT_RETRY", default.connect_retry),
            environment.get("LABCTL_BIRD_ERROR_WAIT", default.error_wait),
        )


@dataclass(frozen=True, slots=True)
class RouterView:
    """Everything that the text depends on."""

    log: str
    router_id: str
    asn: int
    address: str | None
    address6: str | None
    blocks: tuple[Network, ...]
    borrowed: tuple[Network, ...]
    """Host routes to addresses that this node took out of other nodes' blocks."""
    advertised: tuple[Network, ...]
    service_ranges: tuple[Network, ...]
    pools: tuple[PoolView, ...]
    peers: tuple[Peer, ...]
    mesh_nodes: tuple[str, ...]
    """IPv4 addresses of the other nodes of the mesh, for IPIP."""
    route_metric: int | None = None
    timers: Timers = Timers()
    felix_tunnels: bool = False
    """The kernel's routes of IPIP pools are Felix's (`felix.tunnel_routes`), and not made here."""

    @property
    def tunnels(self) -> bool:
        """Whether BIRD sends anything through tunl0."""
        return not self.felix_tunnels and any(pool.ipip for pool in self.pools)


def config(view: RouterView) -> str:
    """The text of bird.conf."""
    lines = [
        f'log "{view.log}" all;',
        f"router id {view.router_id};",
        "protocol device { scan time 2; }",
        'protocol direct { ipv4; ipv6; interface -"cali*", -"kube-ipvs*", "*"; }',
    ]
    if view.tunnels and view.mesh_nodes:
        lines += _tunnel_table(view)
    for version in (4, 6):
        lines += _statics(view, version)
        lines += _filters(view, version)
        lines += _kernel(version)
    for peer in view.peers:
        lines += _session(view, peer)
    return "\n".join(lines) + "\n"


def _tunnel_table(view: RouterView) -> list[str]:
    routes = [f"  route {address}/32 via {address}%tunl0 onlink;" for address in view.mesh_nodes]
    return ["ipv4 table tunnels4;", "protocol static tunnels { ipv4 { table tunnels4; };", *routes, "}"]


def _statics(view: RouterView, version: int) -> list[str]:
    blocks = [network for network in view.blocks if network.version == version and network.num_addresses > 1]
    networks = [*blocks, *(network for network in view.advertised if network.version == version)]
    routes = [f"  route {network} blackhole;" for network in networks]
    return [f"protocol static aggregates{version} {{ ipv{version};", *routes, "}"]


def _filters(view: RouterView, version: int) -> list[str]:
    export = _exported(view, version)
    inner = ['  if ifname ~ "cali*" then reject;']
    if version == 4 and view.felix_tunnels:
        inner.append('  if ifname = "tunl0" then reject;')
    kernel = _into_kernel(view, version)
    return [
        f"filter to_ebgp{version} {{", *export, "  reject;", "}",
        f"filter to_ibgp{version} {{", *inner, *export, "  reject;", "}",
        f"filter to_kernel{version} {{", "  if source = RTS_DEVICE then reject;", *kernel, "  accept;", "}",
    ]  # fmt: skip


def _exported(view: RouterView, version: int) -> list[str]:
    """Rules for what goes out to any peer: the first that decides counts."""
    pools = [pool for pool in view.pools if pool.cidr.version == version]
    exported = [pool.cidr for pool in pools if pool.exported]
    own = [network for network in view.blocks if network.version == version and network.num_addresses > 1]
    return [
        *(f"  if net ~ {pool.cidr} then reject;" for pool in pools if not pool.exported),
        *([f"  bgp_local_pref = {2147483647 - view.route_metric};"] if view.route_metric else []),
        *(f"  if net ~ {network} then {{ if net = {network} then accept; reject; }}" for network in own),
        *(f"  if net ~ {network} then accept;" for network in view.advertised if network.version == version),
        *_own_hosts(view, version, exported),
        *(f"  if net ~ {cidr} then accept;" for cidr in exported),
    ]


def _into_kernel(view: RouterView, version: int) -> list[str]:
    """Rules for what the kernel gets, beside its own: no service range, and IPIP pools only through a tunnel."""
    rules = [f"  if net ~ {network} then reject;" for network in view.service_ranges if network.version == version]
    if view.route_metric:
        rules.append(f"  if source = RTS_BGP then krt_metric = {view.route_metric};")
    for pool in view.pools if version == 4 else ():
        if pool.ipip and view.felix_tunnels:
            rules.append(f"  if source = RTS_BGP && net ~ {pool.cidr} then reject;")
        elif pool.ipip:  # see BLACKHOLED
            rules.append(f'  if source = RTS_BGP && net ~ {pool.cidr} && proto !~ "Mesh_*" then dest = RTD_BLACKHOLE;')
    return rules


def _own_hosts(view: RouterView, version: int, pools: Sequence[Network]) -> list[str]:
    """Only what IPAM calls borrowed, and blocks of one address, go out as host routes.

    An address is in use a moment before its block is in this file. Its own route would pass for a borrowed one and go
    out as a /32 that outlives the block's coming; nodes prefer it to the block, and in IPIP mode it is a black hole (it
    was seen).
    """
    hosts = [network for network in (*view.borrowed, *view.blocks) if network.num_addresses == 1]
    named = [str(network) for network in hosts if network.version == version]
    unless = f" && !(net ~ [ {', '.join(named)} ])" if named else ""
    return [
        f"  if source != RTS_BGP && net ~ [ {cidr}{{{cidr.max_prefixlen},{cidr.max_prefixlen}}} ]{unless} then reject;"
        for cidr in pools
    ]


def _kernel(version: int) -> list[str]:
    return [
        # BIRD 2 would give every route metric 32 and ignore krt_metric; Calico's has no metric but that of a filter
        f"protocol kernel kernel{version} {{ learn; persist; scan time 2; merge paths on; metric 0;",
        f"  ipv{version} {{ import all; export filter to_kernel{version}; }};",
        "}",
    ]


def _session(view: RouterView, peer: Peer) -> list[str]:
    version = peer.version
    local = view.address if version == 4 else view.address6
    if local is None:
        return []
    internal = peer.asn == view.asn
    options = [
        f"local {local} as {view.asn};",
        f"neighbor {peer.address} as {peer.asn};",
        "multihop;",
        "graceful restart;",
    ]
    timers = view.timers
    options += [
        f"connect delay time {timers.connect_delay};",
        f"connect retry time {timers.connect_retry};",
        f"error wait time {timers.error_wait};",
    ]
    if peer.passive:
        options.append("passive on;")
    if peer.allow_local_as is not None:
        options.append(f"allow local as {peer.allow_local_as};")
    if peer.password is not None:
        options.append(f'password "{peer.password}";')
    channel = ["gateway recursive;", "import all;", f"export filter to_{'ibgp' if internal else 'ebgp'}{version};"]
    if version == 6:
        channel.insert(0, "next hop prefer global;")
    if peer.next_hop_keep:
        channel.insert(0, "next hop keep;")
    if version == 4 and peer.kind == "Mesh" and view.tunnels:
        channel.insert(0, "igp table tunnels4;")
    return [f"protocol bgp {peer.name} {{", f"  {' '.join(options)}", f"  ipv{version} {{ {' '.join(channel)} }};", "}"]
