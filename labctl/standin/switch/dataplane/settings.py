"""The configuration tree read as a switch: what each line means, in plain types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from labctl.nxos.normal import vlan_list
from labctl.nxos.tree import ConfigTree, Section


@dataclass(frozen=True, slots=True)
class Address:
    """An interface address with its route tag (0: none)."""

    value: str
    tag: int = 0
    secondary: bool = False


@dataclass(frozen=True, slots=True)
class Interface:
    """Any interface; what does not apply to its kind stays at its default."""

    name: str
    description: str = ""
    up: bool = True
    mtu: int = 1500
    vrf: str | None = None
    routed: bool = False
    addresses: tuple[Address, ...] = ()
    addresses6: tuple[Address, ...] = ()
    native_vlan: int | None = None
    allowed_vlans: tuple[int, ...] | None = None
    """None: all."""
    mode: str = "access"
    channel: int | None = None
    vpc: int | None = None
    peer_link: bool = False
    anycast: bool = False
    ip_forward: bool = False
    redirects: bool = True
    redirects6: bool = True
    ospf: str | None = None
    ospf_area: str = "0.0.0.0"  # noqa: S104 - an OSPF area, not an address to bind
    ospf_hello: int = 10
    ospf_dead: int = 40
    ospf_point_to_point: bool = False
    ospf_passive: bool = False

    @property
    def number(self) -> int:
        """The number behind the kind: 3001 of Vlan3001."""
        return int("".join(c for c in self.name.rpartition("/")[2] if c.isdigit()))


@dataclass(frozen=True, slots=True)
class Static:
    """A static route."""

    prefix: str
    via: str
    tag: int


@dataclass(frozen=True, slots=True)
class VrfModel:
    """A VRF context."""

    name: str
    vni: int | None
    statics: tuple[Static, ...]
    imports: tuple[str, ...]
    """Route targets of EVPN imported beside the automatic one (IPv4 and IPv6 together)."""
    export_maps: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NeighborFamily:
    """A neighbor's address family."""

    name: str
    lines: tuple[str, ...]

    def has(self, line: str) -> bool:
        return line in self.lines

    def value(self, *prefix: str) -> tuple[str, ...] | None:
        for line in self.lines:
            words = tuple(line.split())
            if words[: len(prefix)] == prefix:
                return words[len(prefix) :]
        return None


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A BGP neighbor with its template already applied."""

    address: str
    remote_as: int | None
    update_source: str | None
    multihop: int | None
    timers: tuple[int, int] | None
    shutdown: bool
    families: tuple[NeighborFamily, ...]


@dataclass(frozen=True, slots=True)
class BgpFamily:
    """An address family of a BGP instance."""

    name: str
    networks: tuple[tuple[str, str | None], ...]
    redistribute: tuple[tuple[str, str], ...]
    advertise_evpn: bool
    paths: int
    paths_ibgp: int


@dataclass(frozen=True, slots=True)
class BgpInstance:
    """BGP in one VRF (None: the default one)."""

    vrf: str | None
    router_id: str | None
    timers: tuple[int, int] | None
    relax: bool
    families: tuple[BgpFamily, ...]
    neighbors: tuple[Neighbor, ...]

    def family(self, name: str) -> BgpFamily | None:
        return next((family for family in self.families if family.name == name), None)


@dataclass(frozen=True, slots=True)
class VpcModel:
    """The vPC domain."""

    domain: int
    virtual: tuple[str, str] | None
    """(destination, source) of a virtual peer-link."""
    arp_sync: bool
    nd_sync: bool
    keepalive: tuple[str, str] | None = None
    """(destination, VRF) of the peer-keepalive."""


@dataclass(frozen=True, slots=True)
class RouteMapClause:
    """One clause."""

    name: str
    action: str
    sequence: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SwitchModel:
    """The whole switch."""

    hostname: str
    features: frozenset[str]
    anycast_mac: str | None
    vlans: dict[int, int | None]
    """VLAN → VNI (None: none)."""
    vlan_names: dict[int, str]
    interfaces: tuple[Interface, ...]
    vrfs: tuple[VrfModel, ...]
    vpc: VpcModel | None
    nve_source: str | None
    nve_up: bool
    nve_members: dict[int, bool]
    """VNI → whether it is a VRF's (associate-vrf)."""
    prefix_lists: tuple[tuple[str, str, int, str], ...]
    """(ip|ipv6, name, sequence, ``permit 10.0.0.0/8 le 24``)."""
    route_maps: tuple[RouteMapClause, ...]
    ospf_router_id: str | None
    ospf_name: str | None
    asn: int | None
    bgp: tuple[BgpInstance, ...]

    def interface(self, name: str) -> Interface | None:
        return next((interface for interface in self.interfaces if interface.name == name), None)

    def kind(self, *prefixes: str) -> list[Interface]:
        return [interface for interface in self.interfaces if interface.name.startswith(prefixes)]

    def vtep(self) -> str | None:
        """The NVE source's primary address."""
        source = self.interface(self.nve_source) if self.nve_source else None
        primary = [a for a in source.addresses if not a.secondary] if source else []
        return primary[0].value.split("/")[0] if primary else None

    def vrf_vni(self, name: str) -> int | None:
        return next((vrf.vni for vrf in self.vrfs if vrf.name == name), None)


def read(tree: ConfigTree) -> SwitchModel:
    """The tree as a switch."""
    nve = tree.find("interface", "nve1")
    mac = _word(tree.root, "fabric", "forwarding", "anycast-gateway-mac")
    ospf = tree.find("router", "ospf")
    bgp = tree.find("router", "bgp")
    return SwitchModel(
        hostname=_word(tree.root, "hostname") or "switch",
        features=frozenset(" ".join(section.words[1:]) for section in tree.all("feature")),
        anycast_mac=_mac(mac) if mac else None,
        vlans=_vlans(tree),
        vlan_names={int(s.words[1]): name for s in tree.all("vlan") if (name := _word(s, "name"))},
        interfaces=tuple(map(_interface, _but(tree.all("interface"), "nve1"))),
        vrfs=tuple(map(_vrf, _but(tree.all("vrf", "context"), "management"))),
        vpc=_vpc(tree.find("vpc", "domain")),
        nve_source=_word(nve, "source-interface"),
        nve_up=nve is not None and nve.has("no shutdown"),
        nve_members=_members(nve) if nve else {},
        prefix_lists=tuple(_prefix_list(s) for family in ("ip", "ipv6") for s in tree.all(family, "prefix-list")),
        route_maps=tuple(map(_clause, tree.all("route-map"))),
        ospf_router_id=_word(ospf, "router-id"),
        ospf_name=ospf.words[2] if ospf else None,
        asn=int(bgp.words[2]) if bgp else None,
        bgp=tuple(_bgp(bgp)) if bgp else (),
    )


def _word(section: Section | None, *prefix: str) -> str | None:
    """The word behind some words of one of a section's lines; None without such a line."""
    found = section.rest(*prefix) if section else None
    return found[0] if found else None


def _number(section: Section, *prefix: str) -> int | None:
    """The same as a number; None for any other word, too."""
    found = _word(section, *prefix)
    return int(found) if found and found.isdigit() else None


def _but(sections: Iterable[Section], name: str) -> Iterable[Section]:
    """The sections without the one of a name."""
    return (section for section in sections if section.words[-1] != name)


def _members(nve: Section) -> dict[int, bool]:
    return {int(line.words[2]): "associate-vrf" in line.words for line in nve.all("member", "vni")}


def _prefix_list(section: Section) -> tuple[str, str, int, str]:
    words = section.words
    return words[0], words[2], int(words[4]), " ".join(words[5:])


def _clause(section: Section) -> RouteMapClause:
    _, name, action, sequence = section.words
    return RouteMapClause(name, action, int(sequence), tuple(child.line for child in section.children))


def _mac(text: str) -> str:
    digits = text.replace(".", "")
    return ":".join(digits[index : index + 2] for index in range(0, 12, 2))


def _vlans(tree: ConfigTree) -> dict[int, int | None]:
    vlans: dict[int, int | None] = {}
    for section in tree.all("vlan"):
        segment = _number(section, "vn-segment")
        for vlan in vlan_list(section.words[1]):
            vlans[vlan] = vlans.get(vlan) if segment is None else segment
    return vlans


def _interface(section: Section) -> Interface:
    addresses = [_address(s) for s in section.all("ip", "address")]
    addresses6 = [_address(s) for s in section.all("ipv6", "address") if s.words[2] != "use-link-local-only"]
    name = section.words[1]
    allowed = _word(section, "switchport", "trunk", "allowed", "vlan")
    native = _number(section, "switchport", "trunk", "native", "vlan")
    ospf = section.rest("ip", "router", "ospf")
    return Interface(
        name=name,
        description=" ".join(section.rest("description") or ()),
        up=not section.has("shutdown") and (section.has("no shutdown") or not name.startswith(("Vlan",))),
        mtu=int(_word(section, "mtu") or 1500),
        vrf=_word(section, "vrf", "member"),
        routed=section.has("no switchport"),
        addresses=tuple(addresses),
        addresses6=tuple(addresses6),
        native_vlan=native or _number(section, "switchport", "access", "vlan"),
        allowed_vlans=_allowed(allowed) if allowed else None,
        mode=_word(section, "switchport", "mode") or "access",
        channel=_number(section, "channel-group"),
        vpc=_number(section, "vpc"),
        peer_link=section.has("vpc peer-link"),
        anycast=section.has("fabric forwarding mode anycast-gateway"),
        ip_forward=section.has("ip forward"),
        redirects=not section.has("no ip redirects"),
        redirects6=not section.has("no ipv6 redirects"),
        ospf=ospf[0] if ospf else None,
        ospf_area=ospf[2] if ospf else "0.0.0.0",  # noqa: S104 - an OSPF area
        ospf_hello=int(_word(section, "ip", "ospf", "hello-interval") or 10),
        ospf_dead=int(_word(section, "ip", "ospf", "dead-interval") or 40),
        ospf_point_to_point=section.has("ip ospf network point-to-point"),
        ospf_passive=section.has("ip ospf passive-interface"),
    )


def _allowed(text: str) -> tuple[int, ...] | None:
    return () if text == "none" else None if text == "all" else tuple(vlan_list(text))


def _address(section: Section) -> Address:
    words = section.words
    tag = int(words[words.index("tag") + 1]) if "tag" in words else 0
    return Address(words[2], tag, "secondary" in words)


def _vrf(section: Section) -> VrfModel:
    imports: list[str] = []
    exports: dict[str, str] = {}
    for family in section.all("address-family"):
        imports.extend(
            target.words[2]
            for target in family.all("route-target")
            if target.words[1] in {"import", "both"} and target.words[2] != "auto" and target.words[-1] == "evpn"
        )
        exported = _word(family, "export", "map")
        if exported:
            exports[family.words[1]] = exported
    return VrfModel(
        section.words[2], _number(section, "vni"), tuple(_statics(section)), tuple(dict.fromkeys(imports)), exports
    )


def _statics(section: Section) -> Iterable[Static]:
    for family in ("ip", "ipv6"):
        for route in section.all(family, "route"):
            words = route.words
            tag = int(words[words.index("tag") + 1]) if "tag" in words else 0
            yield Static(words[2], words[3], tag)


def _vpc(section: Section | None) -> VpcModel | None:
    if section is None:
        return None
    virtual = section.rest("virtual", "peer-link")
    ends = (virtual[1], virtual[3]) if virtual else None
    return VpcModel(
        int(section.words[2]), ends, section.has("ip arp synchronize"), section.has("ipv6 nd synchronize"),
        _keepalive(section),
    )  # fmt: skip


def _keepalive(section: Section) -> tuple[str, str] | None:
    """NX-OS sends it in the VRF management unless another one is named."""
    words = section.rest("peer-keepalive", "destination")
    if not words:
        return None
    return words[0], words[words.index("vrf") + 1] if "vrf" in words else "management"


def _bgp(section: Section) -> Iterable[BgpInstance]:
    templates = {s.words[2]: s for s in section.all("template", "peer")}
    yield _instance(section, None, templates)
    for vrf in section.all("vrf"):
        yield _instance(vrf, vrf.words[1], templates)


def _instance(section: Section, vrf: str | None, templates: dict[str, Section]) -> BgpInstance:
    timers = section.rest("timers", "bgp")
    return BgpInstance(
        vrf=vrf,
        router_id=_word(section, "router-id"),
        timers=(int(timers[0]), int(timers[1])) if timers else None,
        relax=section.has("bestpath as-path multipath-relax"),
        families=tuple(_family(s) for s in section.all("address-family")),
        neighbors=tuple(_neighbor(s, templates) for s in section.all("neighbor")),
    )


def _family(section: Section) -> BgpFamily:
    networks = tuple((s.words[1], s.words[3] if len(s.words) > 3 else None) for s in section.all("network"))
    redistribute = tuple((s.words[1], s.words[3]) for s in section.all("redistribute"))
    paths = next((int(s.words[1]) for s in section.all("maximum-paths") if s.words[1] != "ibgp"), 1)
    return BgpFamily(
        " ".join(section.words[1:]),
        networks,
        redistribute,
        section.has("advertise l2vpn evpn"),
        paths,
        int(_word(section, "maximum-paths", "ibgp") or 1),
    )


def _neighbor(section: Section, templates: dict[str, Section]) -> Neighbor:
    inherited = section.rest("inherit", "peer")
    layers = [section, *([templates[inherited[0]]] if inherited and inherited[0] in templates else [])]

    def value(*prefix: str) -> tuple[str, ...] | None:
        return next((found for layer in layers if (found := layer.rest(*prefix)) is not None), None)

    families: dict[str, list[str]] = {}
    for layer in layers:
        for family in layer.all("address-family"):
            lines = families.setdefault(" ".join(family.words[1:]), [])
            lines.extend(child.line for child in family.children if child.line not in lines)
    remote = value("remote-as") or (section.words[3:4] if len(section.words) > 3 else None)
    source, hops, timers = value("update-source"), value("ebgp-multihop"), value("timers")
    return Neighbor(
        address=section.words[1],
        remote_as=int(remote[0]) if remote else None,
        update_source=source[0] if source else None,
        multihop=int(hops[0]) if hops else None,
        timers=(int(timers[0]), int(timers[1])) if timers else None,
        shutdown=section.has("shutdown"),
        families=tuple(NeighborFamily(name, tuple(lines)) for name, lines in families.items()),
    )
