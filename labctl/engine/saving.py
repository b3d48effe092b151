"""``labctl save``: every switch's configuration, or a whole session with each as a test case.

A configuration becomes the switch's startup configuration and a copy on this machine. A test case is each line that
labctl sends, with its raw answer, redacted: ``transcript.json`` (schema ``labctl.record/v1``) and a README that says
what was taken out.
"""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labctl import __version__
from labctl.engine.switches import trouble, wired_ports
from labctl.errors import CheckFailed, LabctlError, UsageError
from labctl.folder import Folder
from labctl.nxos.inventory import MODULES, PORTS
from labctl.nxos.push import push, save
from labctl.nxos.redact import Redactor, known_of
from labctl.nxos.session import Exchange, NxosSession, Tap
from labctl.pace import limit, paced
from labctl.parallel import raise_all, tried
from labctl.state import write_private
from labctl.troubles import unwritten
from labctl.verify.scenarios import switch_commands

SCHEMA = "labctl.record/v1"
RUNNING = "show running-config"
LIMIT = 600.0
ALWAYS = ("show version", MODULES, PORTS)
"""Asked in text, too: what labctl falls back to, and what tells an image from another."""
README = """\
# A session with the switches of a lab, recorded by labctl

`transcript.json` ({schema}, {generator}) holds every line that labctl sent to each switch ({target}), with the raw
answer, the prompt behind it and seconds, and the configuration that the lab was rendered with. Phases: {phases}.

| switch | role | lines |
|---|---|---|
{rows}

## What was taken out

{taken}

Passwords, hashes, keys, SNMP communities and serial numbers are `<redacted>`. MAC addresses of makers, public addresses
that are not in the lab's folder, users and names of other machines are replaced by others, the same ones everywhere.
Private addresses, names of the lab and banners are as they were: **read it before you send it.**
"""
Login = Callable[[str, Tap], NxosSession]


def save_all(switches: Sequence[str], login: Callable[[str], NxosSession], target: Path) -> dict[str, tuple[Path, int]]:
    """(file written here, its lines) by switch, whose running configuration is saved there, too. All at once.

    What could be saved is saved; then all that went wrong is raised together, as by `raise_all`, or `HostError` or
    `UsageError` when the folder cannot be written.
    """

    def one(switch: str) -> tuple[Path, int]:
        with closing(login(switch)) as session:
            unsaved = save(session)
            text = session.show(RUNNING, timeout=limit("prompt")).strip("\n") + "\n"
        file = target / f"{switch}.cfg"
        try:
            write_private(file, text)
        except OSError as error:
            raise unwritten(file, error) from None
        if unsaved is not None:
            raise CheckFailed(f"{switch} did not save its startup configuration: {unsaved}", code="not-saved")
        return file, text.count("\n")

    try:
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise unwritten(target, error) from None
    good, wrong = tried(switches, one)
    raise_all(wrong)
    return good


@dataclass(frozen=True, slots=True)
class Recording:
    """What is written: the transcript, what went wrong by switch, what was taken out by kind."""

    body: Mapping[str, Any]
    wrong: Mapping[str, LabctlError]
    redacted: Mapping[str, int]


def record(folder: Folder, login: Login, *, push_again: bool) -> Recording:
    """Ask every switch all that labctl asks; a switch that fails in the middle keeps what it answered."""
    commands, wired = switch_commands(folder), wired_ports(folder)
    files = sorted(path for path in folder.path.rglob("*") if path.is_file())
    redactor = Redactor(known_of([path.read_text(errors="replace") for path in files]))
    sent: dict[str, list[dict[str, Any]]] = {name: [] for name in folder.lab.switches}

    def one(switch: str) -> None:
        phase = "login"

        def heard(exchange: Exchange) -> None:
            said = {"command": exchange.line, "answer": exchange.answer}
            rest = {"prompt": exchange.prompt, "seconds": round(exchange.seconds, 3)}
            sent[switch].append({"phase": phase, **said, **rest})

        with closing(login(switch, heard)) as session:
            phase = "gates"
            trouble(session, wired[switch])
            phase = "checks"
            for command in (*ALWAYS, *commands[switch]):
                session.ask(command, timeout=paced(LIMIT))
                if command not in ALWAYS:
                    session.ask(f"{command} | json", timeout=paced(LIMIT))
            phase = "push" if push_again else "read-back"
            if push_again:
                file = f"nxos/{switch}.cfg"
                push(session, file, (folder.path / file).read_text(), timeout=paced(LIMIT))
            else:
                session.ask(RUNNING, timeout=paced(LIMIT))

    def told(switch: str) -> dict[str, Any]:
        rows = [{**row, **{key: redactor.text(row[key]) for key in ("command", "answer")}} for row in sent[switch]]
        first = rows.pop(0) if rows else {"answer": "", "prompt": ""}
        return {
            "name": switch,
            "role": folder.lab.nodes[switch].role,
            "ports": list(wired[switch]),
            "configuration": redactor.text((folder.path / f"nxos/{switch}.cfg").read_text()),
            "greeting": first["answer"],
            "prompt": first["prompt"],
            "exchanges": rows,
        }

    _, wrong = tried(folder.lab.switches, one)
    body = {
        "schema": SCHEMA,
        "generator": f"labctl {__version__}",
        "target": dict(folder.lab.target),
        "versions": dict(folder.lab.versions),
        "pushed": push_again,
        "switches": [told(switch) for switch in folder.lab.switches],
    }
    return Recording(body, wrong, dict(sorted(redactor.counts.items())))


def write(recording: Recording, target: Path) -> Path:
    """As a folder, or as an archive when the name ends in ``.tar.gz``. Raises `UsageError` for what is there."""
    files = {
        "transcript.json": json.dumps(recording.body, indent=1, ensure_ascii=False) + "\n",
        "README.md": _readme(recording),
    }
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is there already", code="not-empty", hint="-o says another place")
    try:
        if target.name.endswith((".tar.gz", ".tgz")):
            _archive(files, target)
        else:
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name, text in files.items():
                write_private(target / name, text)
    except OSError as error:
        raise unwritten(target, error) from None
    return target


def _archive(files: Mapping[str, str], target: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, text in files.items():
            row = tarfile.TarInfo(f"{target.name.partition('.')[0]}/{name}")
            row.size, row.mode, row.mtime = len(text.encode()), 0o600, int(time.time())
            archive.addfile(row, io.BytesIO(text.encode()))
    write_private(target, data.getvalue())


def _readme(recording: Recording) -> str:
    body = recording.body
    text = README.format(
        schema=body["schema"],
        generator=body["generator"],
        target=", ".join(f"{key}={value}" for key, value in body["target"].items()),
        phases=f"login, gates, checks, {'push' if body['pushed'] else 'read-back'}",
        rows="\n".join(f"| {row['name']} | {row['role']} | {len(row['exchanges'])} |" for row in body["switches"]),
        taken="\n".join(f"- {what}: {count}" for what, count in recording.redacted.items()) or "- nothing had to be",
    )
    wrong = [f"- {name}: {error.message}" for name, error in recording.wrong.items()]
    return text + ("\n## What failed\n\n" + "\n".join(wrong) + "\n" if wrong else "")
