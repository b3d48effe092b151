"""What a leaf's configuration says once templates are followed and filters are evaluated. Pure.

Written for the check of a running configuration; the renderer does not use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network

from labctl.nxos.tree import ConfigTree, Section, normalise, parse

EMPTY = Section("")


@lru_cache(maxsize=8)
def running(text: str) -> ConfigTree:
    """A running configuration in canonical lines; many checks read the same text."""
    return ConfigTree(normalise(parse(text).sections, ()))


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A BGP neighbor of a VRF with the template that it inherits; what the neighbor says itself goes before."""

    own: Section
    template: Section

    def setting(self, *prefix: str) -> str | None:
        """What follows ``prefix``; None when neither says it."""
        for section in (self.own, self.template):
            found = section.rest(*prefix)
            if found is not None:
                return " ".join(found)
        return None

    def family(self, family: str) -> list[Section]:
        """Its address family, own lines first."""
        name = ("address-family", family, "unicast")
        return [found for section in (self.own, self.template) if (found := section.find(*name)) is not None]

    def has(self, family: str, line: str) -> bool:
        """Whether a line holds in an address family."""
        for section in self.family(family):
            if section.has(line):
                return True
            if section.has(f"no {line}"):
                return False
        return False

    def route_map(self, family: str, direction: str) -> str | None:
        """The name of the route-map in a direction."""
        for section in self.family(family):
            for child in section.all("route-map"):
                if child.words[2:] == (direction,):
                    return child.words[1]
        return None


def neighbor(tree: ConfigTree, asn: int, vrf: str, address: str) -> Neighbor | None:
    """A neighbor; None when it is not configured."""
    router = tree.find("router", "bgp", str(asn))
    if router is None:
        return None
    found = (router.find("vrf", vrf) or EMPTY).find("neighbor", address)
    if found is None:
        return None
    name = found.rest("inherit", "peer")
    template = router.find("template", "peer", *name) if name else None
    return Neighbor(found, template or EMPTY)


def trouble_of_filter(tree: ConfigTree, name: str, hidden: Iterable[str]) -> str | None:
    """Why a route-map is no filter that keeps these prefixes in: not defined, or it permits one."""
    entries = tree.all("route-map", name)
    if not entries:
        return f"route-map {name} is not defined"
    for entry in entries:
        for words in _lists(entry):
            if not tree.all(words[1], "prefix-list", words[-1]):
                return f"route-map {name} matches {words[1]} prefix-list {words[-1]}, which is not defined"
    passed = [prefix for prefix in hidden if _permits(tree, entries, prefix)]
    return f"route-map {name} permits {', '.join(passed)}" if passed else None


def _lists(entry: Section) -> Iterator[tuple[str, ...]]:
    """``match ip address prefix-list NAME``; one line may name several."""
    for child in entry.all("match"):
        words = child.words
        if words[1] in ("ip", "ipv6") and words[2:4] == ("address", "prefix-list"):
            for name in words[4:]:
                yield (*words[:4], name)


def _permits(tree: ConfigTree, entries: Iterable[Section], prefix: str) -> bool:
    """The first entry that matches decides. What an entry matches beside prefix-lists may match: that is no filter."""
    family = "ipv6" if ":" in prefix else "ip"
    for entry in sorted(entries, key=lambda section: int(section.words[3])):
        lists = list(_lists(entry))
        mine = [words for words in lists if words[1] == family]
        if lists and not mine:
            continue
        if not lists or any(_listed(tree, words[1], words[-1], prefix) for words in mine):
            return entry.words[2] == "permit"
    return False


def _listed(tree: ConfigTree, family: str, name: str, prefix: str) -> bool:
    """Whether a prefix-list permits a prefix; the first line that matches decides, without one it is denied."""
    network = ip_network(prefix)
    rows = [line.words for line in tree.all(family, "prefix-list", name)]
    for words in sorted(rows, key=lambda row: int(row[row.index("seq") + 1]) if "seq" in row else 0):
        at = next(index for index, word in enumerate(words) if word in ("permit", "deny"))
        outer = ip_network(words[at + 1], strict=False)
        bounds = dict(zip(words[at + 2 :: 2], map(int, words[at + 3 :: 2]), strict=False))
        low, high = _lengths(outer.prefixlen, outer.max_prefixlen, bounds)
        inside = network.version == outer.version and network.subnet_of(outer)  # type: ignore[arg-type]
        if inside and low <= network.prefixlen <= high:
            return words[at] == "permit"
    return False


def _lengths(own: int, longest: int, bounds: dict[str, int]) -> tuple[int, int]:
    """Prefix lengths that a line matches (NX-OS ``eq``, ``ge``, ``le``)."""
    if "eq" in bounds:
        return bounds["eq"], bounds["eq"]
    low = bounds.get("ge", own)
    return low, bounds.get("le", longest if "ge" in bounds else own)
