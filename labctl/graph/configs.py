"""What a picture needs to know of a switch's configuration: addresses, AS, vPC, port-channels, sources of sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labctl.errors import Place, Problem, SpecError
from labctl.nxos.tree import ConfigTree, Section, parse


@dataclass(frozen=True, slots=True)
class SwitchConfig:
    """Of one switch. ``loopbacks``: interface → addresses without length; ``channels``: port → its port-channel."""

    asn: str
    loopbacks: Mapping[str, tuple[str, ...]]
    channels: Mapping[str, int]
    domain: int | None
    peer_address: str | None
    """Where a virtual peer-link goes; None for a physical one."""
    peer_link: int | None
    """Its port-channel."""
    sources: Mapping[str, str]
    """BGP neighbor → the interface that its session comes from."""


def read_configs(folder: Path, switches: tuple[str, ...]) -> dict[str, SwitchConfig]:
    """Every switch's configuration in a folder. Raises `SpecError` with every file that cannot be read."""
    found, problems = {}, []
    for name in switches:
        file = f"nxos/{name}.cfg"
        try:
            found[name] = _config(parse((folder / file).read_text()))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            problems.append(Problem("unreadable", f"{file} cannot be read: {reason}", Place(file)))
    if problems:
        raise SpecError(problems)
    return found


def _config(tree: ConfigTree) -> SwitchConfig:
    interfaces = {section.words[1]: section for section in tree.all("interface") if len(section.words) == 2}
    bgp = tree.find("router", "bgp")
    vpc = tree.find("vpc", "domain")
    link = vpc.rest("virtual", "peer-link", "destination") if vpc else None
    return SwitchConfig(
        bgp.words[2] if bgp and len(bgp.words) > 2 else "",
        {name: _addresses(section) for name, section in interfaces.items() if name.startswith("loopback")},
        {name: number for name, section in interfaces.items() if (number := _number(section.rest("channel-group")))},
        _number(vpc.words[2:]) if vpc else None,
        link[0] if link else None,
        next((_number((name.removeprefix("port-channel"),)) for name, section in interfaces.items()
              if name.startswith("port-channel") and section.has("vpc peer-link")), None),
        _sources(bgp) if bgp else {},
    )  # fmt: skip


def _addresses(section: Section) -> tuple[str, ...]:
    lines = (*section.all("ip", "address"), *section.all("ipv6", "address"))
    return tuple(line.words[2].partition("/")[0] for line in lines if len(line.words) > 2)


def _number(words: tuple[str, ...] | None) -> int | None:
    return int(words[0]) if words and words[0].isdecimal() else None


def _sources(bgp: Section) -> dict[str, str]:
    templates = {section.words[2]: section for section in bgp.all("template", "peer") if len(section.words) > 2}
    found = {}
    for scope in (bgp, *bgp.all("vrf")):
        for neighbor in scope.all("neighbor"):
            inherited = neighbor.rest("inherit", "peer")
            template = templates.get(inherited[0]) if inherited else None
            source = neighbor.rest("update-source") or (template.rest("update-source") if template else None)
            if source and len(neighbor.words) > 1:
                found[neighbor.words[1]] = source[0]
    return found
