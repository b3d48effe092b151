"""``labctl up``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.app import is_terminal, json_option, result, result_json, say
from labctl.errors import ExitCode, UsageError
from labctl.guest.names import LAUNCHERS

if TYPE_CHECKING:
    from labctl.engine.up import UpResult
    from labctl.state import LabState

Render = Callable[[Path], None]


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="SPEC|DIR")
@click.option("--runtime", type=click.Choice(["auto", "embedded", "containerlab"]), default="auto", show_default=True)
@click.option("--launcher", type=click.Choice(["auto", *LAUNCHERS]), default="auto", show_default=True,
              help="What boots the embedded guest.")  # fmt: skip
@click.option("--name", help="Another name for the lab (SPEC only).")
@click.option("--verify/--no-verify", "prove", default=True, help="Run the spec's scenarios.  [default: verify]")
@click.option("--rm", "remove", is_flag=True, help="Remove the lab afterwards, whatever came of it.")
@click.option("--timeout", default="10m", show_default=True, metavar="T", help="Limit of the whole command.")
@click.option("--events", type=click.Choice(["json"]), help="Events as JSON lines on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Show checks that pass, too.")
@json_option
def command(
    source: Path,
    runtime: str,
    launcher: str,
    name: str | None,
    prove: bool,
    remove: bool,
    timeout: str,
    events: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Boot the lab of SPEC (or of an artifact folder DIR), configure it, prove it.

    A second `up` of a lab whose first one failed after the push goes on from there.
    """
    from labctl.cli.durations import parse_duration
    from labctl.cli.preparing import brought_kubectl, ensure_prepared
    from labctl.cli.reporting import listening
    from labctl.engine.up import UpRequest, up
    from labctl.runtime.select import new_runtime
    from labctl.state import lab_state

    limit = parse_duration(timeout)
    lab, render = _source(source, name)
    state = lab_state(lab)
    box = new_runtime(state, runtime, launcher)
    if box.name == "embedded":
        ensure_prepared()
    try:
        with listening(events=events, verbose=verbose) as listener:
            done = up(UpRequest(state, box, render, listener, brought_kubectl(), prove, limit))
        code = _tell(done, state, as_json=as_json, quiet=events is not None, removed=remove)
    finally:
        if remove:
            _remove(state)
    sys.exit(code)


def _source(source: Path, name: str | None) -> tuple[str, Render]:
    """The lab's name, and what puts its artifact folder at a path. Raises `UsageError` or `SpecError`."""
    if source.is_dir():
        if name is not None:
            raise UsageError("--name goes with a spec: a folder has its name in its files", code="name-of-folder")
        return _folder(source)
    from labctl.cli.rendering import design_of
    from labctl.render.folder import render_folder, write_folder

    design = design_of(source, target=("standin", "standin"), name=name)
    files = render_folder(design)

    def render(target: Path) -> None:
        write_folder(files, target)

    return design.name, render


def _folder(source: Path) -> tuple[str, Render]:
    from labctl.folder import load_folder

    if not (source / "lab.json").is_file():
        raise UsageError(
            f"{source} is no artifact folder: it has no lab.json",
            code="no-artifact-folder",
            next_command=f"labctl generate SPEC -o {source}",
        )
    lab = load_folder(source).lab
    wrong = [f"{part}={kind}" for part, kind in lab.target.items() if kind != "standin"]
    if wrong:
        raise UsageError(
            f"{source} was rendered for {', '.join(wrong)}, which the embedded runtime cannot run",
            code="target-cannot-run",
            next_command="labctl generate SPEC --target switch=standin,cluster=standin",
        )

    def render(target: Path) -> None:
        shutil.copytree(source, target, symlinks=False)

    return lab.name, render


def _tell(done: UpResult, state: LabState, *, as_json: bool, quiet: bool, removed: bool) -> int:
    from labctl.cli.reporting import exit_code, tell_report

    report = done.report
    if as_json and not quiet:
        body: dict[str, Any] = {"schema": "labctl.up/v1", "lab": done.lab, "seconds": round(done.seconds, 3)}
        body["timings"] = {name: [round(moment, 3) for moment in span] for name, span in done.timings.items()}
        body["evidence"] = str(done.evidence)
        body["report"] = report.as_dict() if report else None
        result_json(body)
    elif not quiet:
        if report:
            tell_report(report, None if removed else done.evidence)
        else:
            result(f"lab {done.lab} is up ({done.seconds:.1f} s); nothing was verified")
        if not removed:
            _tell_ways_in(state)
    return int(exit_code(report)) if report else int(ExitCode.OK)


def _tell_ways_in(state: LabState) -> None:
    """What a person does next: the story, so on stderr."""
    from labctl.cli.app import lab_nodes

    switches = lab_nodes(state, ("switch",))
    leaf = next((name for name in switches if name.startswith("leaf")), switches[0] if switches else None)
    rows = []
    if leaf:
        rows.append(("switch", f"labctl ssh {state.name} {leaf}"))
    if lab_nodes(state, ("kube-node",)):
        rows.append(("cluster", f"labctl kubectl {state.name} -- get pods -A -o wide"))
    rows += [("again", f"labctl verify {state.name}"), ("remove", f"labctl down {state.name}")]
    for label, text in rows:
        say(f"  {label:8} {text}")


def _remove(state: LabState) -> None:
    from labctl.engine.down import take_down

    gone = take_down(state, lambda _text: None)
    if gone.existed:
        say(f"lab {state.name} was removed" + (f"; its record is in {gone.archive}" if gone.archive else ""))
    elif is_terminal():
        say(f"lab {state.name} is not there any more")
