"""What is typed at the prompt besides configuration: a table of verbs, and what the configuration itself shows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from labctl.nxos.tree import ConfigTree, Section
from labctl.standin.switch.config import RunningConfig
from labctl.standin.switch.filters import section
from labctl.standin.switch.grammar import Node, compile_pattern


class Do(Enum):
    """What a session does for a verb."""

    CONFIGURE = auto()
    LEAVE = auto()
    TERMINAL = auto()
    COPY = auto()
    CLEAR = auto()
    """Something is begun anew: nothing of the configuration changes."""
    OWN_SHOW = auto()
    """Told from the configuration and the session."""
    SHOW = auto()
    """Asked of the machine."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One row."""

    pattern: str
    do: Do
    key: int = 0
    start: Node = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", compile_pattern(self.pattern))


PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "bgp": (("feature bgp", "router bgp"), ()),
    "ospf": (("feature ospf", "router ospf"), ("ip router ospf", "ip ospf")),
    "vpc": (("feature vpc", "vpc domain"), ("vpc",)),
    "vlan": (("vlan",), ()),
    "vrf": (("vrf context",), ("vrf member",)),
    "rpm": (("ip prefix-list", "ipv6 prefix-list", "route-map"), ()),
    "nv overlay": (("nv overlay", "feature nv overlay", "vlan", "evpn", "interface nve"), ("vn-segment",)),
    "interface-vlan": (("feature interface-vlan", "interface Vlan"), ()),
}
"""``show running-config PART``: lines of the top level, and of interfaces, by how they begin."""

VERBS: tuple[Verb, ...] = (
    Verb("configure [terminal]", Do.CONFIGURE),
    Verb("end", Do.LEAVE),
    Verb("exit", Do.LEAVE),
    Verb("copy running-config startup-config", Do.COPY),
    *(
        Verb(f"clear {family} bgp {rest}", Do.CLEAR)
        for family, kind in (("ip", "<ip4>"), ("ipv6", "<ip6>"))
        for rest in (f"vrf <name> {kind}", "vrf <name> *", f"{kind} [vrf <name>]", "* [vrf <name>]")
    ),
    Verb("terminal length <lines>", Do.TERMINAL),
    Verb("terminal width <columns>", Do.TERMINAL),
    Verb("terminal session-timeout <int>", Do.TERMINAL),
    Verb("terminal (dont-ask|monitor)", Do.TERMINAL),
    Verb("terminal no (dont-ask|monitor)", Do.TERMINAL),
    Verb("no terminal (dont-ask|monitor)", Do.TERMINAL),
    Verb("show terminal", Do.OWN_SHOW),
    Verb("show running-config", Do.OWN_SHOW),
    Verb("show running-config interface [<interface>]", Do.OWN_SHOW),
    Verb("show running-config section <line>", Do.OWN_SHOW),
    *(Verb(f"show running-config {part}", Do.OWN_SHOW) for part in PARTS),
    Verb("show startup-config", Do.OWN_SHOW),
    Verb("show labctl (ignored|log)", Do.OWN_SHOW),
)


def verbs(shows: Iterable[str]) -> tuple[Verb, ...]:
    """The table with the machine's own show commands (patterns without ``show``)."""
    return (*VERBS, *(Verb(f"show {pattern}", Do.SHOW) for pattern in shows))


def now() -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime())


def own_show(config: RunningConfig, log: Sequence[str], words: tuple[str, ...]) -> str:
    """``words``: in full, behind ``show``."""
    match words:
        case ("running-config", *part):
            text = _part(config.tree(), tuple(part))
            return _headed(f"running-config {' '.join(part)}".rstrip(), config, text)
        case ("startup-config",):
            if config.startup is None:
                return "No startup configuration"
            return _headed("startup-config", config, config.startup)
        case ("labctl", "ignored"):
            rows = config.ignored()
            width = max((len(line) for line, _ in rows), default=0)
            return "\n".join(f"{line.ljust(width)}  {reason}" for line, reason in rows) or "no line is without effect"
        case _:
            return "\n".join(log) or "nothing was logged"


def _headed(what: str, config: RunningConfig, text: str) -> str:
    saved = f"!Startup config saved at: {config.saved}\n" if what == "startup-config" else ""
    return (
        f"\n!Command: show {what}\n!Running configuration last done at: {config.last_change}\n{saved}!Time: {now()}\n\n"
        f"version {config.version} Bios:version\n{text.rstrip()}\n"
    )


def _part(tree: ConfigTree, words: tuple[str, ...]) -> str:
    match words:
        case ():
            return tree.text()
        case ("interface",):
            return ConfigTree(tuple(tree.all("interface"))).text()
        case ("interface", name):
            return ConfigTree(tuple(s for s in tree.all("interface") if s.words[1] == name)).text()
        case ("section", *pattern):
            return section(tree.text(), pattern)
        case _:
            return _of(tree, *PARTS[" ".join(words)])


def _of(tree: ConfigTree, top: tuple[str, ...], inside: tuple[str, ...]) -> str:
    kept = []
    for item in tree.sections:
        if item.line.startswith(top):
            kept.append(item)
        elif item.line.startswith("interface "):
            children = tuple(child for child in item.children if child.line.startswith(inside)) if inside else ()
            if children:
                kept.append(Section(item.line, children))
    return ConfigTree(tuple(kept)).text()
