"""``labctl up``."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli import reporting
from labctl.cli.configured import image_option, switch_login, target_option
from labctl.cli.labs import lab_nodes, logged_lab
from labctl.cli.options import Duration, given, refuse
from labctl.cli.output import answer, is_terminal, result, say
from labctl.cli.sources import found as found_source
from labctl.cli.sources import spec_argument
from labctl.errors import HostError
from labctl.guest.launchers import LAUNCHERS
from labctl.runtime.select import AUTO, RUNTIMES

if TYPE_CHECKING:
    from labctl.cli.upsource import Source
    from labctl.engine.up import UpResult
    from labctl.state import LabState
    from labctl.verify.verdict import Report


@click.command()
@spec_argument("[SPEC|DIR]")
@click.option("--runtime", type=click.Choice([AUTO, *RUNTIMES]), default=AUTO, show_default=True)
@click.option("--launcher", type=click.Choice([AUTO, *LAUNCHERS]), default=AUTO, show_default=True,
              help="What boots the embedded guest.")  # fmt: skip
@target_option(
    "switch=n9kv|standin, cluster=kind|standin, containerlab=VERSION, joined by commas (SPEC only); default on"
    " containerlab: the spec's, else real parts where their images are in Docker, for the containerlab of this host."
)
@image_option
@click.option("--name", help="Another name for the lab (SPEC only).")
@click.option("--verify/--no-verify", "prove", default=True, help="Run the spec's scenarios.  [default: verify]")
@reporting.report_options
@click.option("--rm", "remove", is_flag=True, help="Remove the lab afterwards, whatever came of it.")
@click.option("--calico", type=click.Path(path_type=Path), metavar="PATH",
              help="Calico's manifest, or a folder of it; default: the spec's, else the release's. For"
              " cluster=kind.")  # fmt: skip
@click.option("--timeout", type=Duration(), metavar="T",
              help="Limit of the whole command; default by target: 10m embedded, 30m in containers, 90m with 9000v"
              " images.")  # fmt: skip
@reporting.telling_options
def command(
    source: str | None,
    runtime: str,
    launcher: str,
    target: str | None,
    images: tuple[str, ...],
    name: str | None,
    prove: bool,
    remove: bool,
    calico: Path | None,
    timeout: float | None,
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
    from labctl.runtime.select import host_of, new_runtime, runtime_class

    message = "--report, --junit and --summary do not go with --no-verify: there is nothing to report"
    refuse(reporting.check_reports() and not prove, message, code="no-report")
    path = found_source(source)
    message = "--name, --target and --image go with a spec: a folder has them in its files"
    refuse(path.is_dir() and (name or target or images), message, code="name-of-folder")
    folder = path.is_dir()
    taken = from_folder(path, runtime) if folder else from_spec(path, runtime, target, images, name)
    state = logged_lab(taken.lab)
    login = switch_login() if runtime_class(taken.runtime).images else None
    nodes = new_runtime(state, taken.runtime, launcher, login=login)
    host_of(taken.runtime).ensure(taken.render)
    evidence = None if remove else state.evidence
    told = not given("as_json") and not given("events")
    judged: list[Report] = []
    with ExitStack() as ends:
        if remove:
            ends.callback(_remove, state)
        ends.callback(lambda: reporting.write_reports(state.evidence) if judged else None)
        try:
            with reporting.listening() as listener:
                request = UpRequest(
                    state, nodes, taken.render, listener, brought_kubectl(), prove, timeout, calico or taken.calico,
                    judged.append, not remove,
                )  # fmt: skip
                done = up(request)
        except BaseException as error:
            if judged and told:
                result(reporting.verdicts(judged[-1], evidence))
            if isinstance(error, HostError) and error.next_command:  # who says it does not know what was typed
                error.next_command = error.next_command.replace("…", shlex.quote(source or str(path)))
            raise
        nothing = f"lab {done.lab} is up ({done.seconds:.1f} s); nothing was verified"
        answer(_body(done, taken), reporting.verdicts(done.report, evidence) if done.report else nothing)
        if told and not remove:
            _tell_ways_in(state)
    sys.exit(int(reporting.exit_code(done.report)))


def _remove(state: LabState) -> None:
    """``--rm``: whatever came of it."""
    from labctl.engine.down import take_down

    gone = take_down(state, lambda _text: None)
    if gone.existed:
        say(f"lab {state.name} was removed" + (f"; its record is in {gone.archive}" if gone.archive else ""))
    elif is_terminal():
        say(f"lab {state.name} is not there any more")


def _body(done: UpResult, taken: Source) -> dict[str, Any]:
    return {
        "schema": "labctl.up/v1",
        "lab": done.lab,
        "seconds": round(done.seconds, 3),
        "timings": {name: [round(moment, 3) for moment in span] for name, span in done.timings.items()},
        "evidence": str(done.evidence),
        "report": done.report.as_dict() if done.report else None,
        "warnings": [warning.as_dict() for warning in taken.warnings],
    }


def _tell_ways_in(state: LabState) -> None:
    """What a person does next: the story, so on stderr."""
    switches = lab_nodes(state, "switch")
    if switches:
        leaf = next((name for name in switches if name.startswith("leaf")), switches[0])
        say(f"  switch   labctl ssh {state.name} {leaf}")
    if lab_nodes(state, "kube-node"):
        say(f"  cluster  labctl kubectl {state.name} -- get pods -A -o wide")
    say(f"  again    labctl verify {state.name}\n  remove   labctl down {state.name}")
