"""The configuration tree read as a switch: what each line means, in plain types. Each class reads its own section."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from labctl.nxos.normal import vlan_list
from labctl.nxos.tree import ConfigTree, Section


def _word(section: Section | None, *prefix: str) -> str | None:
    """The word behind some words of one of a section's lines; None without such a line."""
    found = section.rest(*prefix) if section else None
    return found[0] if found else None


def _number(section: Section, *prefix: str) -> int | None:
    """The same as a number; None for any other word, too."""
    found = _word(section, *prefix)
    return int(found) if found and found.isdigit() else None


def _tag(words: tuple[str, ...]) -> int:
    return int(words[words.index("tag") + 1]) if "tag" in words else 0


def _timers(words: tuple[str, ...] | None) -> tuple[int, int] | None:
    return (int(words[0]), int(words[1])) if words else None


class Address(NamedTuple):
    """An interface address with its route tag (0: none)."""

    value: str
    tag: int = 0
    secondary: bool = False


class Interface:
    """Any interface; what does not apply to its kind is at its default."""

    def __init__(self, section: Section) -> None:
        self.name = section.words[1]
        self.description = " ".join(section.rest("description") or ())
        self.up = not section.has("shutdown") and (section.has("no shutdown") or not self.name.startswith("Vlan"))
        self.mtu = _number(section, "mtu") or 1500
        self.vrf = _word(section, "vrf", "member")
        self.routed = section.has("no switchport")
        self.addresses = tuple(_addresses(section, "ip"))
        self.addresses6 = tuple(_addresses(section, "ipv6"))
        native = _number(section, "switchport", "trunk", "native", "vlan")
        self.native_vlan = native or _number(section, "switchport", "access", "vlan")
        self.allowed_vlans = _allowed(_word(section, "switchport", "trunk", "allowed", "vlan") or "all")
        self.mode = _word(section, "switchport", "mode") or "access"
        self.channel = _number(section, "channel-group")
        self.vpc = _number(section, "vpc")
        self.peer_link = section.has("vpc peer-link")
        self.anycast = section.has("fabric forwarding mode anycast-gateway")
        self.ip_forward = section.has("ip forward")
        self.redirects = not section.has("no ip redirects")
        self.redirects6 = not section.has("no ipv6 redirects")
        self.ospf = _word(section, "ip", "router", "ospf")
        self.ospf_area = (section.rest("ip", "router", "ospf") or ("0.0.0.0",))[-1]  # noqa: S104 - an OSPF area
        self.ospf_hello = _number(section, "ip", "ospf", "hello-interval") or 10
        self.ospf_dead = _number(section, "ip", "ospf", "dead-interval") or 40
        self.ospf_point_to_point = section.has("ip ospf network point-to-point")
        self.ospf_passive = section.has("ip ospf passive-interface")

    @property
    def number(self) -> int:
        """The number behind the kind: 3001 of Vlan3001."""
        return int("".join(c for c in self.name.rpartition("/")[2] if c.isdigit()))


def _addresses(section: Section, family: str) -> Iterator[Address]:
    for words in (line.words for line in section.all(family, "address")):
        if words[2] != "use-link-local-only":
            yield Address(words[2], _tag(words), "secondary" in words)


def _allowed(text: str) -> tuple[int, ...] | None:
    """None: all."""
    return () if text == "none" else None if text == "all" else tuple(vlan_list(text))


class Static(NamedTuple):
    """A static route."""

    prefix: str
    via: str
    tag: int


class VrfModel:
    """A VRF context."""

    def __init__(self, section: Section) -> None:
        self.name = section.words[2]
        self.vni = _number(section, "vni")
        routes = [line.words for family in ("ip", "ipv6") for line in section.all(family, "route")]
        self.statics = [Static(words[2], words[3], _tag(words)) for words in routes]
        families = section.all("address-family")
        self.export_maps = {it.words[1]: name for it in families if (name := _word(it, "export", "map"))}
        targets = [line.words for family in families for line in family.all("route-target")]
        found = (words[2] for words in targets if words[1] in {"import", "both"} and words[-1] == "evpn")
        self.imports = tuple(dict.fromkeys(target for target in found if target != "auto"))
        """Route targets of EVPN imported beside the automatic one (IPv4 and IPv6 together)."""


class Neighbor:
    """A BGP neighbor with its template already applied."""

    def __init__(self, section: Section, templates: Mapping[str, Section]) -> None:
        inherited = templates.get(_word(section, "inherit", "peer") or "")
        layers = [section, *([inherited] if inherited else [])]

        def value(*prefix: str) -> tuple[str, ...] | None:
            return next((found for layer in layers if (found := layer.rest(*prefix)) is not None), None)

        self.address = section.words[1]
        remote = value("remote-as") or section.words[3:4]
        self.remote_as = int(remote[0]) if remote else None
        self.update_source = (value("update-source") or (None,))[0]
        hops = value("ebgp-multihop")
        self.multihop = int(hops[0]) if hops else None
        self.timers = _timers(value("timers"))
        self.shutdown = section.has("shutdown")
        lines: dict[str, dict[Section, None]] = {}
        for family in (family for layer in layers for family in layer.all("address-family")):
            lines.setdefault(" ".join(family.words[1:]), {}).update(dict.fromkeys(map(_line, family.children)))
        self.families = {name: Section(name, tuple(children)) for name, children in lines.items()}


def _line(section: Section) -> Section:
    return Section(section.line)


class BgpFamily:
    """An address family of a BGP instance."""

    def __init__(self, section: Section) -> None:
        self.name = " ".join(section.words[1:])
        self.networks = [line.line for line in section.all("network")]
        self.redistribute = tuple((line.words[1], line.words[3]) for line in section.all("redistribute"))
        self.advertise_evpn = section.has("advertise l2vpn evpn")
        paths = (line.words[1] for line in section.all("maximum-paths"))
        self.paths = next((int(word) for word in paths if word != "ibgp"), 1)
        self.paths_ibgp = _number(section, "maximum-paths", "ibgp") or 1


class BgpInstance:
    """BGP in one VRF (None: the default one)."""

    def __init__(self, section: Section, vrf: str | None, templates: Mapping[str, Section]) -> None:
        self.vrf = vrf
        self.router_id = _word(section, "router-id")
        self.timers = _timers(section.rest("timers", "bgp"))
        self.relax = section.has("bestpath as-path multipath-relax")
        self.families = tuple(map(BgpFamily, section.all("address-family")))
        neighbors = (Neighbor(line, templates) for line in section.all("neighbor"))
        self.neighbors = tuple(neighbor for neighbor in neighbors if neighbor.remote_as is not None)
        """Those that have a remote AS: a session needs one."""


class VpcModel:
    """The vPC domain."""

    def __init__(self, section: Section) -> None:
        self.domain = int(section.words[2])
        virtual = section.rest("virtual", "peer-link")
        self.virtual = (virtual[1], virtual[3]) if virtual else None
        """(destination, source) of a virtual peer-link."""
        self.arp_sync = section.has("ip arp synchronize")
        self.nd_sync = section.has("ipv6 nd synchronize")
        keepalive = section.rest("peer-keepalive", "destination")
        # NX-OS sends it in the VRF management unless another one is named
        vrf = keepalive[keepalive.index("vrf") + 1] if keepalive and "vrf" in keepalive else "management"
        self.keepalive = (keepalive[0], vrf) if keepalive else None
        """(destination, VRF) of the peer-keepalive."""


class SwitchModel:
    """The whole switch."""

    def __init__(self, tree: ConfigTree) -> None:
        nve, mac = tree.find("interface", "nve1"), _word(tree.root, "fabric", "forwarding", "anycast-gateway-mac")
        ospf, bgp, vpc = tree.find("router", "ospf"), tree.find("router", "bgp"), tree.find("vpc", "domain")
        self.hostname = _word(tree.root, "hostname") or "switch"
        self.features = frozenset(" ".join(section.words[1:]) for section in tree.all("feature"))
        self.anycast_mac = _mac(mac) if mac else None
        self.vlans = _vlans(tree)
        """VLAN → VNI (None: none)."""
        self.vlan_names = _vlan_names(tree)
        self.interfaces = tuple(map(Interface, _but(tree.all("interface"), "nve1")))
        self.vrfs = tuple(map(VrfModel, _but(tree.all("vrf", "context"), "management")))
        self.vpc = VpcModel(vpc) if vpc else None
        self.nve_source = _word(nve, "source-interface")
        self.nve_up = nve is not None and nve.has("no shutdown")
        members = [line.words for line in nve.all("member", "vni")] if nve else []
        self.nve_members = {int(words[2]): "associate-vrf" in words for words in members}
        """VNI → whether it is a VRF's (associate-vrf)."""
        self.prefix_lists = [line.line for family in ("ip", "ipv6") for line in tree.all(family, "prefix-list")]
        self.route_maps = tree.all("route-map")
        """Their clauses, as sections."""
        self.ospf_router_id = _word(ospf, "router-id")
        self.ospf_name = ospf.words[2] if ospf else None
        self.asn = int(bgp.words[2]) if bgp else None
        self.bgp = tuple(_instances(bgp)) if bgp else ()

    def interface(self, name: str) -> Interface | None:
        return next((interface for interface in self.interfaces if interface.name == name), None)

    def kind(self, prefix: str) -> list[Interface]:
        return [interface for interface in self.interfaces if interface.name.startswith(prefix)]

    def vtep(self) -> str | None:
        """The NVE source's primary address."""
        source = self.interface(self.nve_source or "")
        primary = [address for address in source.addresses if not address.secondary] if source else []
        return primary[0].value.split("/")[0] if primary else None

    def vrf_vni(self, name: str) -> int | None:
        return next((vrf.vni for vrf in self.vrfs if vrf.name == name), None)


def _but(sections: Iterable[Section], name: str) -> Iterator[Section]:
    """The sections without the one of a name."""
    return (section for section in sections if section.words[-1] != name)


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


def _vlan_names(tree: ConfigTree) -> dict[int, str]:
    named = ((section.words[1], _word(section, "name")) for section in tree.all("vlan"))
    return {vlan: name for vlans, name in named if name for vlan in vlan_list(vlans)}


def _instances(bgp: Section) -> Iterator[BgpInstance]:
    templates = {section.words[2]: section for section in bgp.all("template", "peer")}
    yield BgpInstance(bgp, None, templates)
    yield from (BgpInstance(vrf, vrf.words[1], templates) for vrf in bgp.all("vrf"))
