"""``labctl up``."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.app import is_terminal, json_option, result, result_json, say
from labctl.cli.configured import complete_targets, image_option, switch_login
from labctl.cli.reporting import Reports, exit_code, listening, report_options, tell_report
from labctl.cli.sources import found as found_source
from labctl.cli.sources import spec_argument
from labctl.errors import ExitCode, HostError, Problem, UsageError
from labctl.guest.launchers import LAUNCHERS

if TYPE_CHECKING:
    from labctl.engine.request import UpResult
    from labctl.state import LabState
    from labctl.verify.verdict import Report


@click.command()
@spec_argument("[SPEC|DIR]")
@click.option("--runtime", type=click.Choice(["auto", "embedded", "containerlab"]), default="auto", show_default=True)
@click.option("--launcher", type=click.Choice(["auto", *LAUNCHERS]), default="auto", show_default=True,
              help="What boots the embedded guest.")  # fmt: skip
@click.option(
    "--target",
    shell_complete=complete_targets,
    metavar="PART=KIND,...",
    help="switch=n9kv|standin, cluster=kind|standin, containerlab=VERSION, joined by commas (SPEC only); default on"
    " containerlab: the spec's, else real parts where their images are in Docker, for the containerlab of this host.",
)
@image_option
@click.option("--name", help="Another name for the lab (SPEC only).")
@click.option("--verify/--no-verify", "prove", default=True, help="Run the spec's scenarios.  [default: verify]")
@report_options
@click.option("--rm", "remove", is_flag=True, help="Remove the lab afterwards, whatever came of it.")
@click.option(
    "--calico",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Calico's manifest, or a folder of it; default: the spec's, else the release's. For cluster=kind.",
)
@click.option(
    "--timeout",
    metavar="T",
    help="Limit of the whole command; default by target: 10m embedded, 30m in containers, 90m with 9000v images.",
)
@click.option("--events", type=click.Choice(["json"]), help="Events as JSON lines on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Show checks that pass, too.")
@json_option
def command(
    source: str | None,
    runtime: str,
    launcher: str,
    target: str | None,
    images: tuple[str, ...],
    name: str | None,
    prove: bool,
    reports: Reports,
    remove: bool,
    calico: Path | None,
    timeout: str | None,
    events: str | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Boot the lab of SPEC (or of an artifact folder DIR), configure it, prove it.

    SPEC is a file, a topology that labctl ships, or - for standard input; left out, the one spec of this folder.
    A second `up` of a lab whose first one failed after the push goes on from there.

    \b
    labctl up whitepaper
    labctl up lab.yaml --report out
    labctl init - --name mine | labctl up -
    """
    from labctl.cli.calicofile import calico_of
    from labctl.cli.durations import parse_duration
    from labctl.cli.preparing import brought_kubectl
    from labctl.cli.upsource import from_folder, from_spec
    from labctl.engine.request import UpRequest
    from labctl.engine.up import up
    from labctl.runtime.api import SwitchLogin
    from labctl.runtime.select import new_runtime
    from labctl.state import lab_state

    if reports and not prove:
        raise UsageError(
            "--report, --junit and --summary do not go with --no-verify: there is nothing to report", code="no-report"
        )
    reports.check()
    limit = parse_duration(timeout) if timeout is not None else None
    given = found_source(source)
    if given.is_dir():
        if name is not None or target is not None or images:
            raise UsageError(
                "--name, --target and --image go with a spec: a folder has them in its files", code="name-of-folder"
            )
        found = from_folder(given, runtime)
    else:
        found = from_spec(given, runtime, target, images, name)
    state, embedded = lab_state(found.lab), found.runtime == "embedded"
    login = None
    if not embedded:
        configured = switch_login()
        login = SwitchLogin(str(configured.username), str(configured.password))
    box = new_runtime(state, found.runtime, launcher, login=login)
    _ensure_host(found.render, embedded=embedded)
    try:
        judged: list[Report] = []
        try:
            with listening(events=events, verbose=verbose) as listener:
                done = up(
                    UpRequest(
                        state, box, found.render, listener, brought_kubectl(), prove, limit,
                        calico or calico_of(given), judged.append,
                    )
                )  # fmt: skip
            code = _tell(done, state, found.warnings, as_json=as_json, quiet=events is not None, removed=remove)
        except BaseException:
            if judged and events is None and not as_json:
                tell_report(judged[-1], None if remove else state.evidence)
            raise
        finally:
            if judged:
                reports.write(state.evidence)
    except HostError as error:  # who says what to type instead does not know what was typed
        error.next_command = error.next_command and error.next_command.replace("…", shlex.quote(source or str(given)))
        raise
    finally:
        if remove:
            _remove(state)
    sys.exit(code)


def _ensure_host(render: Callable[[Path], None], *, embedded: bool) -> None:
    """This host has what the runtime needs. Raises `HostError`."""
    from labctl.cli.preparing import ensure_containerlab, ensure_prepared

    if embedded:
        ensure_prepared()
        return
    with tempfile.TemporaryDirectory(prefix="labctl-") as scratch:
        render(Path(scratch) / "folder")
        ensure_containerlab(Path(scratch) / "folder")


def _tell(
    done: UpResult, state: LabState, warnings: tuple[Problem, ...], *, as_json: bool, quiet: bool, removed: bool
) -> int:
    report = done.report
    if as_json and not quiet:
        body: dict[str, Any] = {"schema": "labctl.up/v1", "lab": done.lab, "seconds": round(done.seconds, 3)}
        body["timings"] = {name: [round(moment, 3) for moment in span] for name, span in done.timings.items()}
        body["evidence"] = str(done.evidence)
        body["report"] = report.as_dict() if report else None
        body["warnings"] = [warning.as_dict() for warning in warnings]
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
