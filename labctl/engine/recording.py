"""A session with every switch of a lab as a test case: each line that labctl sends, with its raw answer, redacted.

The body has schema ``labctl.record/v1``; `labctl.engine.recordfile` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labctl import __version__
from labctl.engine.actions.ports import trouble, wired_ports
from labctl.engine.atonce import on_every_switch
from labctl.errors import LabctlError
from labctl.folder import Folder
from labctl.nxos.inventory import MODULES, PORTS
from labctl.nxos.push import push
from labctl.nxos.redact import Redactor, known_of
from labctl.nxos.session import Exchange, NxosSession, Tap
from labctl.pace import paced
from labctl.verify.scenarios import switch_commands

SCHEMA = "labctl.record/v1"
RUNNING = "show running-config"
LIMIT = 600.0
ALWAYS = ("show version", MODULES, PORTS)
"""Asked in text, too: what labctl falls back to, and what tells an image from another."""
Login = Callable[[str, Tap], NxosSession]


@dataclass(frozen=True, slots=True)
class Row:
    """One line that was sent. ``phase``: login, gates, checks, push, read-back."""

    phase: str
    command: str
    answer: str
    prompt: str
    seconds: float


@dataclass(slots=True)
class Recorder:
    """Collects a switch's exchanges under the phase that it is in."""

    phase: str = "login"
    rows: list[Row] = field(default_factory=list)

    def __call__(self, exchange: Exchange) -> None:
        self.rows.append(Row(self.phase, exchange.line, exchange.answer, exchange.prompt, round(exchange.seconds, 3)))


@dataclass(frozen=True, slots=True)
class Recording:
    """What is written: the transcript, what went wrong by switch, what was taken out by kind."""

    body: Mapping[str, Any]
    wrong: Mapping[str, LabctlError]
    redacted: Mapping[str, int]


def record(folder: Folder, login: Login, *, push_again: bool) -> Recording:
    """Ask every switch all that labctl asks; a switch that fails in the middle keeps what it answered."""
    commands, wanted = switch_commands(folder), wired_ports(folder)
    recorders = {name: Recorder() for name in folder.lab.switches}

    def one(switch: str) -> None:
        recorder = recorders[switch]
        session = login(switch, recorder)
        try:
            recorder.phase = "gates"
            trouble(session, wanted[switch])
            recorder.phase = "checks"
            for command in (*ALWAYS, *commands[switch]):
                session.ask(command, timeout=paced(LIMIT))
                if command not in ALWAYS:
                    session.ask(f"{command} | json", timeout=paced(LIMIT))
            recorder.phase = "push" if push_again else "read-back"
            if push_again:
                file = f"nxos/{switch}.cfg"
                push(session, file, (folder.path / file).read_text(), timeout=paced(LIMIT))
            else:
                session.ask(RUNNING, timeout=paced(LIMIT))
        finally:
            session.close()

    _, wrong = on_every_switch(folder.lab.switches, one)
    redactor = Redactor(known_of(_texts(folder.path)))
    switches = [_switch(folder, name, recorders[name], redactor) for name in folder.lab.switches]
    body = {
        "schema": SCHEMA,
        "generator": f"labctl {__version__}",
        "target": dict(folder.lab.target),
        "versions": dict(folder.lab.versions),
        "pushed": push_again,
        "switches": switches,
    }
    return Recording(body, wrong, dict(sorted(redactor.counts.items())))


def _texts(path: Path) -> list[str]:
    return [file.read_text(errors="replace") for file in sorted(path.rglob("*")) if file.is_file()]


def _switch(folder: Folder, name: str, recorder: Recorder, redactor: Redactor) -> dict[str, Any]:
    rows = [
        {**asdict(row), "command": redactor.text(row.command), "answer": redactor.text(row.answer)}
        for row in recorder.rows
    ]
    first = rows.pop(0) if rows else {"answer": "", "prompt": ""}
    return {
        "name": name,
        "role": folder.lab.nodes[name].role,
        "ports": list(wired_ports(folder)[name]),
        "configuration": redactor.text((folder.path / f"nxos/{name}.cfg").read_text()),
        "greeting": first["answer"],
        "prompt": first["prompt"],
        "exchanges": rows,
    }
