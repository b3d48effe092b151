"""``labctl save``: the switches' configurations, or a whole session with them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from labctl.cli.labs import Lab, OnLab, lab_argument, open_lab
from labctl.cli.options import json_option
from labctl.cli.output import result, result_json, say
from labctl.errors import UsageError


@click.command(cls=OnLab)
@lab_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR|FILE.tar.gz",
              help="Default: ./LAB-configs; of a test case ./LAB-record.tar.gz.")  # fmt: skip
@click.option("--test-case", is_flag=True, help="A session with the switches, redacted, as its owner can send it.")
@click.option("--push", "push_again", is_flag=True,
              help="With --test-case: push each configuration once more; traffic may stop meanwhile.")  # fmt: skip
@json_option
def command(lab: str, output: Path | None, test_case: bool, push_again: bool, as_json: bool) -> None:
    """Save the running configuration of LAB's switches: as startup on each, and a copy of each as a file (0600).

    With --test-case nothing is saved on them, but recorded: every line that they are sent (gates, the show commands of
    checks, the configuration) with the raw answers.

    \b
    labctl save whitepaper -o configs
    labctl save whitepaper --test-case
    """
    if push_again and not test_case:
        raise UsageError("--push goes with --test-case", code="usage")
    opened = open_lab(lab)
    if test_case:
        _test_case(opened, output or Path(f"{lab}-record.tar.gz"), push_again=push_again, as_json=as_json)
    else:
        _configurations(opened, output or Path(f"{lab}-configs"), as_json=as_json)


def _configurations(lab: Lab, target: Path, *, as_json: bool) -> None:
    from labctl.engine.proving import login
    from labctl.engine.saving import save_all
    from labctl.folder import load_folder

    if target.is_file():
        raise UsageError(f"{target} is a file, and each configuration becomes one in a folder", code="usage")
    endpoints, folder = lab.endpoints(), load_folder(lab.folder)
    saved = save_all(folder.lab.switches, partial(login, lab.state_folder, endpoints), target)
    if as_json:
        rows = [{"switch": name, "file": str(file), "lines": lines} for name, (file, lines) in saved.items()]
        result_json({"schema": "labctl.save/v1", "lab": lab.name, "folder": str(target), "switches": rows})
        return
    for name, (file, lines) in saved.items():
        result(f"{name}: saved, {lines} lines in {file}")


def _test_case(lab: Lab, target: Path, *, push_again: bool, as_json: bool) -> None:
    from labctl.engine.proving import open_session
    from labctl.engine.saving import record, write
    from labctl.folder import load_folder
    from labctl.nxos.session import NxosSession, Tap
    from labctl.parallel import raise_all

    endpoints, folder = lab.endpoints(), load_folder(lab.folder)

    def login(switch: str, tap: Tap) -> NxosSession:
        return open_session(switch, endpoints, folder.lab.target, tap=tap)

    with lab.state_folder.lock():
        recording = record(folder, login, push_again=push_again)
    path = write(recording, target)
    rows = [{"switch": row["name"], "lines": len(row["exchanges"])} for row in recording.body["switches"]]
    if as_json:
        result_json({"schema": "labctl.save/v1", "lab": lab.name, "file": str(path), "switches": rows})
    else:
        result(f"{path}: {sum(row['lines'] for row in rows)} lines of {len(rows)} switches")
    taken = ", ".join(f"{count} {what}" for what, count in recording.redacted.items())
    say(f"taken out: {taken or 'nothing'}; read it before you send it")
    raise_all(recording.wrong)
