"""``labctl record``."""

from __future__ import annotations

from pathlib import Path

import click

from labctl.cli.labs import OnLab, lab_argument, open_lab
from labctl.cli.output import result, say


@click.command(cls=OnLab)
@lab_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR|FILE.tar.gz",
              help="Where to; default: ./LAB-record.tar.gz")  # fmt: skip
@click.option("--push", "push_again", is_flag=True,
              help="Push each configuration once more, too: traffic of the lab may stop meanwhile.")  # fmt: skip
def command(lab: str, output: Path | None, push_again: bool) -> None:
    """Record a session with LAB's switches, redacted, as a test case that its owner can send.

    It holds every line that labctl sends (gates, the checks' show commands, the configuration) with the raw answers.

    \b
    labctl record whitepaper
    """
    from labctl.engine.actions.manner import manner_of
    from labctl.engine.actions.switches import open_session
    from labctl.engine.atonce import raise_all
    from labctl.engine.recordfile import write
    from labctl.engine.recording import record
    from labctl.folder import load_folder
    from labctl.nxos.session import NxosSession, Tap

    opened = open_lab(lab)
    endpoints, folder = opened.endpoints(), load_folder(opened.folder)
    manner = manner_of(folder.lab.target)

    def login(switch: str, tap: Tap) -> NxosSession:
        return open_session(switch, endpoints, manner=manner, tap=tap)

    with opened.state_folder.lock():
        recording = record(folder, login, push_again=push_again)
    path = write(recording, output or Path(f"{lab}-record.tar.gz"))
    lines = sum(len(row["exchanges"]) for row in recording.body["switches"])
    result(f"{path}: {lines} lines of {len(recording.body['switches'])} switches")
    taken = ", ".join(f"{count} {what}" for what, count in recording.redacted.items())
    say(f"taken out: {taken or 'nothing'}; read it before you send it")
    raise_all(dict(recording.wrong), "switch-unreachable")
