"""What the rules of a spec share: a collector of problems, and the words of a near miss."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from labctl.design.design import Design, Target
from labctl.design.fabric import border_names, leaf_pairs
from labctl.design.plan import design, node_specs
from labctl.errors import Problem, did_you_mean
from labctl.peers import WRITTEN_FOR
from labctl.spec.keys import Images, Spec, Traffic
from labctl.yamldoc import Document, Path

NETWORK: Path = ("fabric", "vrfs", 0, "networks", 0)
GATEWAY: Path = (*NETWORK, "gateway")
PEERING: Path = ("fabric", "vrfs", 0, "peering_loopbacks")
ADDRESSES: Path = ("fabric", "addresses")
POOLS: Path = ("cluster", "calico", "pools")
EXTERNAL_IPS: Path = ("cluster", "calico", "external_ips")


class Judge:
    """Collects problems of one spec. ``unsound``: paths at which something stands in for what is malformed."""

    def __init__(
        self,
        spec: Spec,
        found: Document,
        target: tuple[str, str],
        unsound: AbstractSet[Path] = frozenset(),
        containerlab: str | None = None,
    ) -> None:
        self.spec = spec
        self.found = found
        self.switch_target, self.cluster_target = target
        self.containerlab = containerlab or WRITTEN_FOR
        self.unsound = unsound
        self.problems: list[Problem] = []
        self.codes: set[str] = set()
        """Of all that was found, of what stands in for a malformed value, too."""

    @cached_property
    def plan(self) -> Design:
        """Of what has addresses; what has no place in the fabric, and is told of elsewhere, takes none."""
        spec, pairs, borders = self.spec, len(leaf_pairs(self.spec)), border_names(self.spec)
        parts: dict[str, object] = {"images": Images(), "traffic": Traffic(), "workloads": ()}
        parts["external"] = tuple(external for external in spec.external if external.attach in borders)
        if spec.cluster != "none" and not isinstance(spec.cluster.nodes, int):
            nodes = (n if (n.pair or 1) <= pairs else n.model_copy(update={"pair": None}) for n in node_specs(spec))
            parts["cluster"] = spec.cluster.model_copy(update={"nodes": tuple(nodes)})
        return design(spec.model_copy(update=parts), Target())

    def say(self, code: str, message: str, path: Path, hint: str | None = None, *, key: bool = False) -> None:
        """What cannot work."""
        self._add(Problem(code, message, self.found.place(path, key=key), hint), path)

    def warn(self, code: str, message: str, path: Path, hint: str | None = None) -> None:
        """What works and is probably not meant."""
        self._add(Problem(code, message, self.found.place(path), hint, "warning"), path)

    def _add(self, problem: Problem, path: Path) -> None:
        self.codes.add(problem.code)
        if self.sound(path) and problem not in self.problems:
            self.problems.append(problem)

    def sound(self, path: Path) -> bool:
        """Whether somebody wrote what the spec has there, or labctl's default stands there."""
        return not any(path[: len(bad)] == bad for bad in self.unsound)

    def planned(self, path: Path) -> bool:
        """Whether nothing is written there."""
        return path not in self.found.values

    def item(self, path: Path, index: int) -> Path:
        """The path of one of a list that a person may have written without brackets."""
        return (*path, index) if (*path, index) in self.found.values else path

    def taken_once(self, rows: Iterable[tuple[str, str, Path]], code: str = "duplicate-address") -> None:
        """Rows of (value, whose it is, where): says of each second use whose it was first.

        Told of is what a person wrote, and the later one where both are theirs.
        """
        seen: dict[str, tuple[str, Path]] = {}
        for value, owner, path in sorted(
            (row for row in rows if self.sound(row[2])), key=lambda row: not self.planned(row[2])
        ):
            first, where = seen.setdefault(value.lower(), (owner, path))
            if where != path:
                hint = "that one is planned: take another"
                hint += f", or write one for {first}" if code == "duplicate-address" else ""
                self.say(code, f"{value} is {first} already", path, hint if self.planned(where) else None)


def near(name: str, known: Iterable[str]) -> str:
    """``did you mean spine1?``, or what there is."""
    options = list(known)
    there_are = f"there are {', '.join(options)}" if options else "there are none"
    return did_you_mean(name, options, cutoff=0.5) or there_are


SPECIAL = tuple((ip_network(network), what) for network, what in (
    ("0.0.0.0/8", "the unspecified address"), ("::/128", "the unspecified address"),
    ("127.0.0.0/8", "a loopback address of every host"), ("::1/128", "a loopback address of every host"),
    ("169.254.0.0/16", "a link-local address"), ("fe80::/10", "a link-local address"),
    ("224.0.0.0/4", "a multicast address"), ("ff00::/8", "a multicast address"),
    ("240.0.0.0/4", "a reserved address"),
))  # fmt: skip
"""What can be nobody's (RFC 6890)."""


def no_host(given: IPv4Address | IPv6Address | IPv4Network | IPv6Network) -> str | None:
    """Why an address, or one of a range, can be nobody's: ``a multicast address``."""
    network = ip_network(given) if isinstance(given, IPv4Address | IPv6Address) else given
    found = (what for special, what in SPECIAL if special.version == network.version and special.overlaps(network))
    return next(found, None)
