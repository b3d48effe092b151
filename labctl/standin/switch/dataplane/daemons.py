"""FRR's daemons of one switch: started in the foreground in its namespace, spoken to over their vty sockets."""

from __future__ import annotations

from collections.abc import Sequence

from labctl.guest.api import AgentError, Isolation
from labctl.guest.client import Agent
from labctl.pace import limit, paced
from labctl.standin.switch.dataplane.frr import FrrTexts, difference
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

    @property
    def running(self) -> frozenset[str]:
        return frozenset(self._pids)

    def apply(self, texts: FrrTexts) -> list[str]:
        """Start what is new with its whole text, change what runs line by line; returns what FRR refused."""
        wanted = texts.daemons()
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
            return NotYet("zebra still has EVPN's VNIs") if self.show("zebra", "show evpn")[0].strip() else True

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
        """zebra first, mgmtd beside it, the routing daemons as soon as zebra listens."""
        for daemon in sorted(fresh, key=lambda name: {"zebra": 0, "mgmtd": 1}.get(name, 2)):
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
                    words = self._agent.read_file(f"/var/log/labctl/{self._name}/{daemon}.log").decode(errors="replace")
                    raise AgentError(f"{daemon} ended: {words[-400:]}") from None
                return NotYet(error.message)
            return True

        try:
            wait_for(listens, Deadline(limit("start")), every=0.02)
        except DeadlinePassed as passed:
            raise AgentError(f"{daemon} does not listen: {passed}") from None

    def _change(self, daemon: str, text: str) -> list[str]:
        refused = []
        if daemon == "mgmtd":
            groups = [["configure terminal file-lock", "XFRR_start_configuration"]]
            groups += [[*group, "exit"] for group in difference(self._texts[daemon], text)]
            commands = [line for group in groups for line in group] + ["XFRR_end_configuration", "end"]
        else:
            commands = [
                line
                for group in difference(self._texts[daemon], text)
                for line in ("configure terminal", *group, "end")
            ]
        self._await(daemon)
        for command, reply in zip(commands, self._agent.vty(self.vty_path(daemon), commands), strict=True):
            if reply.status not in {0, 1} and command not in {"exit", "end"}:
                refused.append(f"{daemon}: {command}: {reply.text.strip() or f'status {reply.status}'}")
        return refused

    def show(self, daemon: str, *commands: str) -> list[str]:
        """Answers to show commands; empty texts when the daemon does not run."""
        if daemon not in self._pids:
            return ["" for _ in commands]
        self._await(daemon)
        return [reply.text for reply in self._agent.vty(self.vty_path(daemon), commands)]

    def stop(self) -> None:
        for pid in self._pids.values():
            self._agent.signal(pid, 15)
        self._pids.clear()
        self._texts.clear()
