"""What the rules of a spec share: a collector of problems, and the words of a near miss."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from labctl.errors import Problem, did_you_mean
from labctl.spec.model import Spec
from labctl.yamldoc import Document, Path

NETWORK: Path = ("fabric", "vrfs", 0, "networks", 0)
GATEWAY: Path = (*NETWORK, "gateway")
PEERING: Path = ("fabric", "vrfs", 0, "peering_loopbacks")
ADDRESSES: Path = ("fabric", "addresses")
POOLS: Path = ("cluster", "calico", "pools")
EXTERNAL_IPS: Path = ("cluster", "calico", "external_ips")


class Judge:
    """Collects problems of one spec."""

    def __init__(self, spec: Spec, found: Document, target: tuple[str, str]) -> None:
        self.spec = spec
        self.found = found
        self.switch_target, self.cluster_target = target
        self.problems: list[Problem] = []

    def say(self, code: str, message: str, path: Path, hint: str | None = None, *, key: bool = False) -> None:
        self.problems.append(Problem(code, message, self.found.place(path, key=key), hint))

    def warn(self, code: str, message: str, path: Path, hint: str | None = None) -> None:
        """What works and is probably not meant."""
        self.problems.append(Problem(code, message, self.found.place(path), hint, "warning"))

    def item(self, path: Path, index: int) -> Path:
        """The path of one of a list that a person may have written without brackets."""
        return (*path, index) if (*path, index) in self.found.values else path

    def taken_once(self, rows: Iterable[tuple[str, str, Path]]) -> None:
        """Rows of (value, whose it is, where): says of each second use whose it was first."""
        seen: dict[str, str] = {}
        for value, owner, path in rows:
            if value in seen:
                self.say("duplicate-address", f"{value} is {seen[value]} already", path)
            seen.setdefault(value, owner)


def near(name: str, known: Iterable[str]) -> str:
    """``did you mean spine1?``, or what there is."""
    options = list(known)
    there_are = f"there are {', '.join(options)}" if options else "there are none"
    return did_you_mean(name, options, cutoff=0.5) or there_are


def no_host(address: IPv4Address | IPv6Address) -> str | None:
    """Why an address can be nobody's (RFC 6890): ``a multicast address``."""
    kinds = (
        (address.is_unspecified, "the unspecified address"),
        (address.is_loopback, "a loopback address of every host"),
        (address.is_multicast, "a multicast address"),
        (address.is_link_local, "a link-local address"),
        (isinstance(address, IPv4Address) and address.is_reserved, "a reserved address"),
    )
    return next((what for true, what in kinds if true), None)
