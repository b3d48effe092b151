"""``labctl up``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.configured import complete_targets, image_option, switch_login
from labctl.cli.labs import logged_lab
from labctl.cli.options import Duration
from labctl.cli.output import is_terminal, result, say
from labctl.cli.reporting import Reports, Telling, exit_code, report_options, tell_report, telling_options
from labctl.cli.sources import found as found_source
from labctl.cli.sources import spec_argument
from labctl.errors import ExitCode, HostError, UsageError
from labctl.guest.launchers import LAUNCHERS
from labctl.runtime.select import AUTO, RUNTIMES

if TYPE_CHECKING:
    from labctl.state import LabState
    from labctl.verify.verdict import Report


@click.command()
@spec_argument("[SPEC|DIR]")
@click.option("--runtime", type=click.Choice([AUTO, *RUNTIMES]), default=AUTO, show_default=True)
@click.option("--launcher", type=click.Choice([AUTO, *LAUNCHERS]), default=AUTO, show_default=True,
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
    type=Duration(),
    metavar="T",
    help="Limit of the whole command; default by target: 10m embedded, 30m in containers, 90m with 9000v images.",
)
@telling_options
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
    timeout: float | None,
    telling: Telling,
) -> None:
    """Boot the lab of SPEC (or of an artifact folder DIR), configure it, prove it.

    SPEC is a file, a topology that labctl ships, or - for standard input; left out, the one spec of this folder.
    A second `up` of a lab whose first one failed after the push goes on from there.

    \b
    labctl up whitepaper
    labctl up lab.yaml --report out
    labctl init - --name mine | labctl up -
    """
    from labctl.cli.hosts import brought_kubectl
    from labctl.cli.upsource import from_folder, from_spec
    from labctl.engine.up import UpRequest, up
    from labctl.runtime.api import SwitchLogin
    from labctl.runtime.select import host_of, new_runtime

    if reports and not prove:
        raise UsageError(
            "--report, --junit and --summary do not go with --no-verify: there is nothing to report", code="no-report"
        )
    reports.check()
    given = found_source(source)
    if given.is_dir():
        if name is not None or target is not None or images:
            raise UsageError(
                "--name, --target and --image go with a spec: a folder has them in its files", code="name-of-folder"
            )
        found = from_folder(given, runtime)
    else:
        found = from_spec(given, runtime, target, images, name)
    state, login = logged_lab(found.lab), None
    if found.kind.images:
        configured = switch_login()
        login = SwitchLogin(str(configured.username), str(configured.password))
    nodes = new_runtime(state, found.runtime, launcher, login=login)
    host_of(found.runtime).ensure(found.render)
    kept = not remove
    with (
        _removed(state, wanted=remove),
        _as_typed(source or str(given)),
        _judged(state, reports, told=not telling.quiet, kept=kept) as judged,
    ):
        with telling.listening() as listener:
            request = UpRequest(
                state, nodes, found.render, listener, brought_kubectl(), prove, timeout, calico or found.calico,
                judged.append, kept,
            )  # fmt: skip
            done, report = up(request)
        done["warnings"] = [warning.as_dict() for warning in found.warnings]
        telling.tell(lambda: done, lambda: _text(done, report, state, kept=kept))
    sys.exit(int(exit_code(report) if report else ExitCode.OK))


@contextmanager
def _judged(state: LabState, reports: Reports, *, told: bool, kept: bool) -> Iterator[list[Report]]:
    """Takes what the scenarios came to: written in any case, and told where ``up`` then fails or is interrupted."""
    judged: list[Report] = []
    try:
        yield judged
    except BaseException:
        if judged and told:
            tell_report(judged[-1], state.evidence if kept else None)
        raise
    finally:
        if judged:
            reports.write(state.evidence)


@contextmanager
def _as_typed(source: str) -> Iterator[None]:
    """Who says what to type instead does not know what was typed: it leaves ``…`` for the source."""
    try:
        yield
    except HostError as error:
        error.next_command = error.next_command and error.next_command.replace("…", shlex.quote(source))
        raise


@contextmanager
def _removed(state: LabState, *, wanted: bool) -> Iterator[None]:
    """``--rm``: whatever comes of it, the lab is taken down at the end."""
    from labctl.engine.down import take_down

    try:
        yield
    finally:
        if wanted:
            gone = take_down(state, lambda _text: None)
            if gone.existed:
                record = f"; its record is in {gone.archive}" if gone.archive else ""
                say(f"lab {state.name} was removed{record}")
            elif is_terminal():
                say(f"lab {state.name} is not there any more")


def _text(done: Mapping[str, Any], report: Report | None, state: LabState, *, kept: bool) -> None:
    if report:
        tell_report(report, state.evidence if kept else None)
    else:
        result(f"lab {state.name} is up ({done['seconds']:.1f} s); nothing was verified")
    if kept:
        _tell_ways_in(state)


def _tell_ways_in(state: LabState) -> None:
    """What a person does next: the story, so on stderr."""
    from labctl.cli.labs import lab_nodes

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
