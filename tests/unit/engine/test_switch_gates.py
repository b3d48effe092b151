"""Gates on switches: a login, then every wired port and all modules; and what a person hears meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from labctl.engine import proving, switches
from labctl.engine.switches import Booting
from labctl.errors import ExitCode, GateMissed, InconclusiveError
from labctl.folder import Folder, Topology
from labctl.nxos.session import NxosSession
from labctl.runtime.api import SshEndpoint
from tests.scripted_switch import Script, ScriptedSwitch, script, switch
from tests.unit.engine.running import a_running, context
from tests.unit.folder.labs import a_lab, node

OK = '{"TABLE_modinfo": {"ROW_modinfo": [{"modinf": "1", "status": "ok"}, {"modinf": "27", "status": "active *"}]}}\n'
CYCLED = OK.replace('"ok"', '"pwr-cycld"')
TEXT = """\
Mod Ports             Module-Type                      Model           Status
--- ----- ------------------------------------- --------------------- ---------
1    64   Nexus 9000v 64 port Ethernet Module   N9K-X9364v            ok
"""


def listing(*names: str) -> str:
    rows = ", ".join(f'{{"interface": "{name}"}}' for name in names)
    return f'{{"TABLE_interface": {{"ROW_interface": [{rows}]}}}}\n'


def brain(ports_answer: str, modules: str = OK, **more: str) -> Script:
    return script({"show interface brief | json": ports_answer, "show module | json": modules, **more})


class Endpoints:
    """Switch → port of a scripted server."""

    def __init__(self, **servers: ScriptedSwitch) -> None:
        self._ports = {name: server.port for name, server in servers.items()}
        self.password = "admin"

    def ssh(self, name: str) -> SshEndpoint:
        return SshEndpoint("127.0.0.1", self._ports.get(name, 1), "admin", self.password)


def gate(server: ScriptedSwitch, wanted: tuple[str, ...] = ("Ethernet1/1",), seconds: float = 5.0) -> str:
    endpoints: Any = Endpoints(leaf1=server)
    sessions = {"leaf1": proving.open_session("leaf1", endpoints, {})}
    return _await(sessions, endpoints, wanted, seconds)


def _await(sessions: dict[str, NxosSession], endpoints: Any, wanted: tuple[str, ...], seconds: float) -> str:
    links = [[f"leaf1:{port}", f"n:eth{number}"] for number, port in enumerate(wanted)]
    nodes = {"leaf1": node("switch", "leaf", "leaf1"), "n": node("host", "external", "n")}
    lab = a_running(None, endpoints, nodes=nodes, links=links)
    lab.sessions = sessions
    return switches.await_ports(lab, context(seconds))


def test_a_switch_with_its_ports_and_modules() -> None:
    with switch(brain(listing("mgmt0", "Ethernet1/1", "Ethernet1/2"))) as server:
        assert gate(server, ("Ethernet1/1", "Ethernet1/2")) == "2 wired ports on 1 switches are there, modules ok"


def test_ports_that_come_a_minute_after_the_prompt() -> None:
    slow = brain(listing("mgmt0"))
    asked = []

    def later(line: str) -> str:
        asked.append(line)
        slow.answers = {  # type: ignore[assignment]
            **slow.answers,
            "show interface brief | json": listing(*(["Ethernet1/1"] if len(asked) > 8 else [])),
        }
        return Script.__call__(slow, line)

    with switch(SimpleBrain(slow, later)) as server:
        assert gate(server).startswith("1 wired ports")
    assert asked.count("show interface brief | json") > 1


class SimpleBrain:
    """A script with another way to answer."""

    def __init__(self, script: Script, answer: Callable[[str], str]) -> None:
        self.greeting, self._answer = script.greeting, answer

    def __call__(self, line: str) -> str:
        return self._answer(line)


@pytest.mark.parametrize(
    ("found", "modules", "words"),
    [
        (listing("mgmt0"), OK, "leaf1: it does not list Ethernet1/1 and 1 more"),
        (listing("Ethernet1/1"), OK, "leaf1: it does not list Ethernet1/2"),
        (listing("Ethernet1/1", "Ethernet1/2"), CYCLED, "leaf1: module 1 is pwr-cycld"),
        (listing("mgmt0"), CYCLED, "leaf1: it does not list Ethernet1/1 and 1 more, module 1 is pwr-cycld"),
    ],
)
def test_a_missed_gate_says_why(found: str, modules: str, words: str) -> None:
    with switch(brain(found, modules)) as server, pytest.raises(GateMissed) as caught:
        gate(server, ("Ethernet1/1", "Ethernet1/2"), 0.2)
    assert (caught.value.code, caught.value.exit_code) == ("ports-gate", ExitCode.INCONCLUSIVE)
    assert words in caught.value.message
    assert ("QEMU_MEMORY" in (caught.value.hint or "")) == ("module" in words)


def test_a_switch_without_json_is_read_by_its_text() -> None:
    no_json = "% Invalid command at '^' marker.\n"
    texts = {"show module": TEXT, "show interface brief": "Eth1/1   1   eth  access up  none\n"}
    with switch(brain(no_json, no_json, **texts)) as server:
        assert gate(server).startswith("1 wired ports")


def test_a_switch_that_restarts_is_logged_in_to_again() -> None:
    with switch(brain(listing("Ethernet1/1"))) as server:
        endpoints: Any = Endpoints(leaf1=server)
        sessions = {"leaf1": proving.open_session("leaf1", endpoints, {})}
        first = sessions["leaf1"]
        first.close()
        assert _await(sessions, endpoints, ("Ethernet1/1",), 5.0)
        assert sessions["leaf1"] is not first


def test_a_switch_that_is_gone_is_named() -> None:
    with switch(brain(listing("Ethernet1/1"))) as server:
        sessions = {"leaf1": proving.open_session("leaf1", Endpoints(leaf1=server), {})}  # type: ignore[arg-type]
        sessions["leaf1"].close()
        with pytest.raises(GateMissed, match="leaf1: "):
            _await(sessions, Endpoints(), ("Ethernet1/1",), 0.2)


def login(endpoints: Any, seconds: float) -> Mapping[str, NxosSession]:
    lab = a_running(None, endpoints, nodes={"leaf1": node("switch", "leaf", "leaf1")})
    assert switches.await_ssh(lab, context(seconds)) == "1 switches"
    return lab.sessions


def test_a_login() -> None:
    with switch(script()) as server:
        sessions = login(Endpoints(leaf1=server), 5.0)
    assert list(sessions) == ["leaf1"]
    switches.close_sessions(sessions.values())


def test_no_login_by_the_deadline() -> None:
    with pytest.raises(GateMissed, match="no SSH login: leaf1: ") as caught:
        login(Endpoints(), 0.2)
    assert caught.value.code == "ssh-gate"
    assert isinstance(caught.value, InconclusiveError)


def test_a_switch_that_keeps_refusing_the_login_is_not_waited_for_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switches, "LOGIN_PATIENCE", 0.0)
    with switch(script()) as server:
        endpoints = Endpoints(leaf1=server)
        endpoints.password = "wrong"
        with pytest.raises(GateMissed, match=r"leaf1: Authentication failed.* \(for 0 s\)"):
            login(endpoints, 60.0)


def test_ports_are_those_of_the_topology() -> None:
    nodes = {
        "leaf1": node("switch", "leaf", "leaf1"),
        "spine1": node("switch", "spine", "spine1"),
        "n": node("kube-node", "worker", "l-worker"),
    }
    links = (
        (("leaf1", "Ethernet1/49"), ("n", "eth1")),
        (("n", "eth2"), ("leaf1", "Ethernet1/2")),
    )
    folder = Folder(Path(), a_lab(nodes=nodes, links=links), Topology())
    assert switches.wired_ports(folder) == {
        "leaf1": ("Ethernet1/49", "Ethernet1/2"), "spine1": ("Ethernet1/1",),
    }  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_a_person_hears_while_switches_boot() -> None:
    clock, told, asked = Clock(), [], []

    def last_line(name: str) -> str:
        asked.append(name)
        return f"  {name} loads its image\n" if name != "leaf3" else ""

    told_to: Any = told.append
    progress = Booting(6, "switches take logins", told_to, last_line, estimate="a 9000v takes 5 to 15 min", now=clock)
    progress.heard("spine1", None)
    for number in range(1, 6):
        progress.heard(f"leaf{number}", f"leaf{number}: connection refused")
    assert told == [], "what is ready within seconds is told by its end alone"
    clock.now = 250.0
    progress.heard("leaf1", "leaf1: connection refused")
    assert told == [
        "1 of 6 switches take logins after 4 min 10 s, a 9000v takes 5 to 15 min"
        + "".join(f"; leaf{number}: leaf{number} loads its image" for number in (1, 2))
        + "; leaf3: connection refused; and 2 more"
    ]
    clock.now += 4.0
    progress.heard("leaf2", "x")
    assert len(told) == 1
    clock.now += 1.0
    progress.heard("leaf2", "x")
    assert (len(told), len(asked)) == (2, 6), "consoles are asked every few seconds"


def test_a_console_that_cannot_be_read_is_told() -> None:
    clock, told = Clock(), []

    def broken(_name: str) -> str:
        raise InconclusiveError("no such container")

    told_to: Any = told.append
    progress = Booting(1, "switches", told_to, broken, now=clock)
    clock.now = 60.0
    progress.heard("leaf1", "x")
    assert "leaf1: (its console cannot be read: no such container)" in told[0]


def test_a_9000v_gets_one_line_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = []
    monkeypatch.setattr(proving, "NxosSession", lambda *_login, window, **_more: windows.append(window))
    for kind in ("n9kv", "standin"):
        proving.open_session("leaf1", Endpoints(), {"switch": kind})  # type: ignore[arg-type]
    assert windows[0] == 1 < windows[1]
