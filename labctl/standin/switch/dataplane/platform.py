"""The stand-in's platform: applies a configuration tree to FRR and Linux, answers show commands from them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from functools import partial
from hashlib import sha256
from ipaddress import ip_interface

from labctl.guest.api import AgentError, Isolation, Op
from labctl.guest.client import Agent
from labctl.nxos.tree import ConfigTree
from labctl.pace import limit, paced
from labctl.standin.switch.dataplane import frr, linux
from labctl.standin.switch.dataplane.frr import difference
from labctl.standin.switch.dataplane.horizon import SplitHorizon
from labctl.standin.switch.dataplane.names import in_vrf, kernel_name
from labctl.standin.switch.dataplane.settings import SwitchModel
from labctl.standin.switch.platform import MANAGEMENT, SwitchIdentity
from labctl.standin.switch.shows.table import TABLE, show
from labctl.waiting import Deadline, DeadlinePassed, NotYet, wait_for

LIBRARY = "/usr/lib/frr"
WITHDRAW_LIMIT = 5.0
EVPN = "advertise-all-vni"
"""The line by which bgpd tells zebra to speak to it of VNIs and segments."""
NETLINK_BUFFER = 64 * 1024 * 1024
"""Bytes that zebra's netlink socket may hold, taken for what waits there alone: with FRR's own size zebra heard of four
fifths of 8,000 routes that came at once."""


class FrrDaemons:
    """The daemons of one switch. Not thread-safe: the platform serialises."""

    def __init__(self, agent: Agent, name: str, namespace: str | None) -> None:
        self._agent = agent
        self._name = name
        self._namespace = namespace
        self._pids: dict[str, int] = {}
        self._texts: dict[str, str] = {}

    def vty_path(self, daemon: str) -> str:
        return f"/run/frr/{self._name}/{daemon}.vty"

    def apply(self, wanted: dict[str, str]) -> list[str]:
        """Start what is new with its whole text, change what runs line by line; returns what FRR refused."""
        if wanted.keys() <= {"zebra"} and not self._pids:
            return []  # nothing routes yet: no process
        log = []
        for daemon in [daemon for daemon in self._pids if daemon not in wanted]:
            if daemon == "bgpd":
                log += self._withdraw_evpn()
            self._agent.signal(self._pids.pop(daemon), 15)
            self._texts.pop(daemon, None)
        fresh = [daemon for daemon in wanted if daemon not in self._pids]
        if "zebra" in fresh:
            self._prepare()
        self._start(fresh, wanted)
        for daemon, text in wanted.items():
            if daemon not in fresh and text != self._texts[daemon]:
                log += self._change(daemon, text)
            self._texts[daemon] = text
        return log

    def _withdraw_evpn(self) -> list[str]:
        """Before bgpd ends: zebra forgets what it told of VNIs and segments, else a later bgpd would not be told all.

        zebra tells a new bgpd of the segments before their VNIs, so it refuses their EVIs, unless zebra made all anew
        (FRR before July 2026). A bgpd that is ended says so itself, but its last words to zebra can be lost.
        """
        rest = "\n".join(line for line in self._texts["bgpd"].splitlines() if line.strip() != EVPN)
        if rest == self._texts["bgpd"].rstrip("\n"):
            return []
        log = self._change("bgpd", rest)

        def forgotten() -> bool | NotYet:
            return NotYet("zebra still has EVPN's VNIs") if self.show("zebra", "show evpn").strip() else True

        try:
            wait_for(forgotten, Deadline(paced(WITHDRAW_LIMIT)), every=0.02)
        except DeadlinePassed as passed:
            log.append(f"zebra: {passed}")
        return log

    def _prepare(self) -> None:
        folder = f"/run/frr/{self._name}"
        done = self._agent.run(
            ["install", "-d", "-o", "frr", "-g", "frr", "-m", "0750", "/run/frr", folder, f"/etc/frr/{self._name}"]
        )
        if done.code != 0:
            raise AgentError(f"{folder}: {done.stderr.decode(errors='replace')}")

    def _start(self, fresh: Sequence[str], wanted: dict[str, str]) -> None:
        """zebra first, mgmtd beside it, the routing daemons as soon as zebra listens: the order of `frr.texts`."""
        for daemon in fresh:
            if daemon not in {"zebra", "mgmtd"}:
                self._await("zebra")
            file = "zebra" if daemon == "mgmtd" else daemon
            folder = f"/etc/frr/{self._name}" + ("/mgmtd" if daemon == "mgmtd" else "")
            self._agent.write_file(f"{folder}/{file}.conf", wanted[daemon].encode(), mode=0o640, owner="frr:frr")
            # mgmtd has no -f and reads /etc/frr/zebra.conf whatever its name: it gets a private view of that folder
            isolation = Isolation(binds=((folder, "/etc/frr"),)) if daemon == "mgmtd" else None
            given = [] if daemon == "mgmtd" else ["-f", f"{folder}/{file}.conf"]
            given += ["-s", str(NETLINK_BUFFER)] if daemon == "zebra" else []
            argv = [f"{LIBRARY}/{daemon}", "-N", self._name, *given, "-u", "frr", "-g", "frr", "-P", "0"]
            log = f"/var/log/labctl/{self._name}/{daemon}.log"
            self._pids[daemon] = self._agent.start(argv, ns=self._namespace, log=log, isolation=isolation)

    def _await(self, daemon: str) -> None:
        def listens() -> bool | NotYet:
            try:
                self._agent.vty(self.vty_path(daemon), [])
                self._agent.vty(self.vty_path(daemon), ["show version"])
            except AgentError as error:
                if self._agent.wait(self._pids[daemon], timeout=0.0) is not None:
                    log = self._agent.read_file(f"/var/log/labctl/{self._name}/{daemon}.log").decode(errors="replace")
                    raise AgentError(f"{daemon} ended: {log[-400:]}") from None
                return NotYet(error.message)
            return True

        try:
            wait_for(listens, Deadline(limit("start")), every=0.02)
        except DeadlinePassed as passed:
            raise AgentError(f"{daemon} does not listen: {passed}") from None

    def _change(self, daemon: str, text: str) -> list[str]:
        refused, groups = [], difference(self._texts[daemon], text)
        if daemon == "mgmtd":
            lines = (line for group in groups for line in (*group, "exit"))
            begin, end = ("configure terminal file-lock", "XFRR_start_configuration"), ("XFRR_end_configuration", "end")
            commands = [*begin, *lines, *end]
        else:
            commands = [line for group in groups for line in ("configure terminal", *group, "end")]
        self._await(daemon)
        for command, reply in zip(commands, self._agent.vty(self.vty_path(daemon), commands), strict=True):
            if reply.status not in {0, 1} and command not in {"exit", "end"}:
                refused.append(f"{daemon}: {command}: {reply.text.strip() or f'status {reply.status}'}")
        return refused

    def show(self, daemon: str, command: str) -> str:
        """The answer to a show command; nothing when the daemon does not run."""
        if daemon not in self._pids:
            return ""
        self._await(daemon)
        return self._agent.vty(self.vty_path(daemon), [command])[0].text


def router_mac(name: str) -> str:
    """A MAC of the switch's own, locally administered, the same at every start."""
    digest = sha256(name.encode()).digest()
    return "02:" + ":".join(f"{byte:02x}" for byte in digest[:5])


class FrrPlatform:
    """What makes the configuration true, on FRR 10 and Linux, and answers show commands from what the machine does."""

    patterns = tuple(row.pattern for row in TABLE)
    """The show commands that it answers, as the grammar writes them, without ``show``."""

    def __init__(self, agent: Agent, identity: SwitchIdentity) -> None:
        self.agent = agent
        self.identity = identity
        self.mac = router_mac(identity.name)
        self.daemons = FrrDaemons(agent, identity.name, identity.namespace)
        self.model = SwitchModel(ConfigTree())
        self._told: list[str] = []
        """What the split horizon could not do since the last change."""
        self._objects: list[linux.KernelObject] = []
        self._tree = ConfigTree()
        self._lock = threading.RLock()
        segments = partial(self.daemons.show, "zebra", "show evpn es json")
        self._horizon = SplitHorizon(agent, identity.namespace, segments, self._told.append)

    def start(self) -> None:
        """Prepare the empty box (management interface, loopback); no routing process runs yet."""
        identity = self.identity
        ops = [
            Op("sysctl", "net/ipv6/conf/all/accept_dad=0"),
            Op("sysctl", "net/ipv6/conf/default/accept_dad=0"),
            Op("sysctl", "net/ipv6/conf/default/accept_ra=0"),
            Op("ip", "link set lo up"),
        ]
        if identity.management:
            gateway = identity.gateway or next(iter(ip_interface(identity.management).network.hosts()))
            # a listener that is bound to no VRF hears what comes in over any (Linux: networking/vrf.rst)
            ops += [Op("sysctl", "net/ipv4/tcp_l3mdev_accept=1")] if identity.serves else []
            ops += [
                Op("ip", "link add management type vrf table 999"),
                Op("ip", "link set management up"),
                Op("ip", f"link set {MANAGEMENT} master management up"),
                Op("ip", f"addr replace {identity.management} dev {MANAGEMENT}"),
                Op("ip", f"route replace default via {gateway} vrf management"),
            ]
        self._do(ops)

    def apply(self, tree: ConfigTree) -> list[str]:
        """Make the machine do what the whole tree says, by the difference; returns what could not be done, with the
        reason. Blocks until done."""
        with self._lock:
            self._tree = tree
            model = SwitchModel(tree)
            objects = linux.desired(model, self.mac)
            anew = linux.changed(self._objects, objects)
            routes = linux.new_routes(self._objects, objects)
            log = self._do(linux.difference(self._objects, objects))
            self._objects, self.model = objects, model
            try:
                log += self.daemons.apply(frr.texts(model))
            except AgentError as error:
                log.append(f"FRR: {error.message}")
            # last: bgpd would look through all of them again for each entry of their filter that comes
            log += self._do(routes)
            legs = {leg.name: kernel_name(leg.name) for leg in linux.vpc_channels(model)}
            fresh = frozenset(port for name, port in legs.items() if f"interface {name}" in anew)
            uplinks = [kernel_name(i.name) for i in model.kind("Ethernet") if i.routed and i.ospf and i.vrf is None]
            self._horizon.configure(frozenset(legs.values()), uplinks, fresh)
            told = self._told[:]
            del self._told[: len(told)]
            return told + log

    def replugged(self, devices: Collection[str]) -> list[str]:
        """Wires came anew under names that were there before: what was made on the old ones is made again."""
        with self._lock:
            self._objects = [linux.stale(item) if linux.touches(item, devices) else item for item in self._objects]
            return self.apply(self._tree)

    def show(self, words: tuple[str, ...], *, as_json: bool) -> str:
        with self._lock:
            return show(self, words, as_json=as_json)

    def clear(self, words: tuple[str, ...]) -> str:
        """``ip bgp …``: sessions of one VRF and family are reset by bgpd. Empty when it was done, else what it said."""
        vrf = words[words.index("vrf") + 1] if "vrf" in words else "default"
        family = "ipv4" if words[0] == "ip" else "ipv6"
        neighbor = next(word for index, word in enumerate(words[2:], 2) if "vrf" not in words[index - 1 : index + 1])
        with self._lock:
            # of one neighbor FRR resets the session, of all of them those with the family
            what = neighbor if neighbor != "*" else f"{family} unicast *"
            said = self.daemons.show("bgpd", f"clear bgp {in_vrf(vrf)}{what}").strip()
        return f"ERROR: {said.removeprefix('% ')}" if said else ""

    def run(self, *argv: str) -> str:
        """A read-only command in the switch's namespace, for a show command."""
        done = self.agent.run(argv, ns=self.identity.namespace)
        if done.code != 0:
            raise AgentError(f"{argv[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")

    def _do(self, ops: list[Op]) -> list[str]:
        if not ops:
            return []
        return [f"{failure.text}: {failure.message}" for failure in self.agent.batch(self.identity.namespace, ops)]
