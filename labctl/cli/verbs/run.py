"""Verbs that run a lab: up, down, and what its nodes do."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli import reporting
from labctl.cli.configured import image_option, switch_login, target_option
from labctl.cli.interrupt import once_interrupted, unwinding
from labctl.cli.labs import Lab, OnLab, complete_labs, complete_nodes, lab_nodes, logged_lab, open_lab, the_lab
from labctl.cli.options import Duration, given, json_option, kept, refuse
from labctl.cli.output import answer, columns, fitted, is_terminal, painted, result, say
from labctl.cli.sources import found as found_source
from labctl.cli.sources import name_of, spec_argument
from labctl.errors import ExitCode, HostError, LabctlError, UsageError
from labctl.guest.launchers import LAUNCHERS
from labctl.runtime.select import AUTO, RUNTIMES
from labctl.state import LabState, all_labs, lab_state, records

if TYPE_CHECKING:
    from labctl.cli.upsource import Source
    from labctl.runtime.api import NodeStatus, Observation
    from labctl.state import LabState
    from labctl.verify.verdict import Report

group = click.Group()


@group.command()
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
def up(
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
    from labctl.engine.up import UpRequest, up
    from labctl.runtime.select import host_of, new_runtime, runtime_class

    message = "--report, --junit and --summary do not go with --no-verify: there is nothing to report"
    refuse(reporting.check_reports() and not prove, message, code="no-report")
    path = found_source(source)
    taken = _taken(path, runtime, target, images, name)
    state = logged_lab(taken.lab)
    login = switch_login() if runtime_class(taken.runtime).images else None
    nodes = new_runtime(state, taken.runtime, launcher, login=login)
    host_of(taken.runtime).ensure(taken.render)
    evidence = None if remove else state.evidence
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
                done, report = up(request)
        except BaseException as error:
            _tell_failure(error, judged, evidence, source or str(path))
            raise
        done["warnings"] = [warning.as_dict() for warning in taken.warnings]
        nothing = f"lab {state.name} is up ({done['seconds']:.1f} s); nothing was verified"
        answer(done, reporting.verdicts(report, evidence) if report else nothing)
        if _for_a_person() and not remove:
            _tell_ways_in(state)
    sys.exit(int(reporting.exit_code(report)))


def _taken(path: Path, runtime: str, target: str | None, images: tuple[str, ...], name: str | None) -> Source:
    """What is booted: a folder as it is, or a spec, rendered as asked for."""
    from labctl.cli.upsource import from_folder, from_spec

    if not path.is_dir():
        return from_spec(path, runtime, target, images, name)
    message = "--name, --target and --image go with a spec: a folder has them in its files"
    refuse(name or target or images, message, code="name-of-folder")
    return from_folder(path, runtime)


def _for_a_person() -> bool:
    return not given("as_json") and not given("events")


def _tell_failure(error: BaseException, judged: list[Report], evidence: Path | None, typed: str) -> None:
    """The verdicts that there were before, and what to do next with the source as it was typed."""
    if judged and _for_a_person():
        result(reporting.verdicts(judged[-1], evidence))
    if isinstance(error, HostError) and error.next_command:  # who says it does not know what was typed
        error.next_command = error.next_command.replace("…", shlex.quote(typed))


def _remove(state: LabState) -> None:
    """``--rm``: whatever came of it."""
    from labctl.engine.down import take_down

    gone = take_down(state, lambda _text: None)
    if gone.existed:
        say(f"lab {state.name} was removed" + (f"; its record is in {gone.archive}" if gone.archive else ""))
    elif is_terminal():
        say(f"lab {state.name} is not there any more")


def _tell_ways_in(state: LabState) -> None:
    """What a person does next: the story, so on stderr."""
    switches = lab_nodes(state, "switch")
    if switches:
        leaf = next((name for name in switches if name.startswith("leaf")), switches[0])
        say(f"  switch   labctl ssh {state.name} {leaf}")
    if lab_nodes(state, "kube-node"):
        say(f"  cluster  labctl kubectl {state.name} -- get pods -A -o wide")
    say(f"  again    labctl verify {state.name}\n  remove   labctl down {state.name}")


@group.command()
@click.argument("lab", required=False, shell_complete=complete_labs, metavar="[LAB|SPEC]")
@click.option("--all", "everything", is_flag=True, help="All labs of this user.")
@click.option("--older-than", type=Duration(), default=0, metavar="T",
              help="With --all: only labs older than T (90s, 30m, 6h, 2d).")  # fmt: skip
@json_option
def down(lab: str | None, everything: bool, older_than: float) -> None:
    """Remove a lab: processes, guest, files. Twice is fine. LAB may be left out while one alone runs.

    Evidence, journal and logs are kept: `labctl status --past` shows them.

    \b
    labctl down whitepaper
    labctl down --all --older-than 2d
    """
    from labctl.engine.down import take_down

    refuse(lab and everything, "name one lab, or --all", code="which-lab", next_command="labctl status --all")
    refuse(older_than and not everything, "--older-than goes with --all")
    if everything:
        labs = [state for state in all_labs() if time.time() - state.root.stat().st_mtime >= older_than]
    else:
        labs = [lab_state(name_of(lab or the_lab()))]
    rows = []
    for state in labs:
        with unwinding(f"lab {state.name} is removed in part, labctl down {state.name} goes on"):
            gone = take_down(state, say)
        record = str(gone.archive) if gone.archive else None
        rows.append({"lab": state.name, "record": record, "removed": gone.existed, "seconds": gone.seconds})
        down = f"is down ({gone.seconds:.1f} s)" + (f"; record in {record}" if record else "")
        if not given("as_json"):  # each as soon as it is gone
            result(f"lab {state.name} {down if gone.existed else 'is not there'}")
    answer(rows, *([] if rows else ["no labs"]))


LEAST = 0.2
"""Seconds between two looks, at the least: what is asked so often is kept from its work."""
INTERVAL = 2.0
"""Seconds between two looks where nobody says otherwise."""
PATIENCE = 0.5
"""Seconds for a look that is under way when Ctrl-C comes."""


class OneOrAll(OnLab):
    """Left out, LAB is the one that is there; where that is not clear, or with ``--all``, all of them are told of."""

    def left_out(self, ctx: click.Context, args: list[str]) -> str | None:
        typed = self.make_parser(ctx).parse_args(list(args))[0]
        if typed.get("every") or typed.get("past"):
            return None
        try:
            return super().left_out(ctx, args)
        except UsageError:
            if typed.get("watched") or typed.get("bgp"):
                raise
            return None


@group.command(cls=OneOrAll)
@click.argument("lab", required=False, shell_complete=complete_labs, metavar="[LAB]")
@click.argument("nodes", nargs=-1, metavar="[NODE]...", shell_complete=complete_nodes)
@kept("--all", "every", is_flag=True, help="Every lab of this user, and whether it runs.")
@kept("--past", is_flag=True, help="Records of runs that are over instead: the last 20 of a lab, for 30 days.")
@kept("--watch", "watched", is_flag=True, help="Look again and again: sessions, links, pods, marked by change.")
@kept("--interval", type=click.FloatRange(min=LEAST), metavar="S",
      help=f"With --watch: seconds between two looks; default: {INTERVAL:g}.")  # fmt: skip
@kept("--once", is_flag=True, help="With --watch: one look, as a plain table.")
@kept("--bgp", is_flag=True, help="BGP sessions as the BIRD of each NODE has them, or of all nodes.")
@json_option
def status(lab: str | None, nodes: tuple[str, ...]) -> None:
    """What the nodes of LAB are doing, how to reach each, its last verdict, what it costs.

    Without LAB where there are several: all of them. Exit 0 whenever it could be told.

    --watch reads the running lab: nodes and bonds, vPC, BGP sessions, pods, links. What is wrong and what has changed
    since the last look is marked; what did not answer is said so. `q` or Ctrl-C ends it. Without a terminal it is one
    look. --json prints one JSON document a look, in one line each.

    --bgp is laid out as calicoctl node status; exit 3 when a node could not be asked.

    \b
    labctl status
    labctl status --past whitepaper
    labctl status whitepaper --watch
    labctl status whitepaper node01 --bgp
    """
    ways = [way for way in ("every", "past", "watched", "bgp") if given(way)]
    told, of_watch = f"labctl status {lab}", given("once") or given("interval")
    refuse(len(ways) > 1, "--all, --past, --watch and --bgp are told one at a time")
    refuse(given("every") and lab, "name one lab, or --all", code="which-lab", next_command=told)
    refuse(of_watch and not given("watched"), "--interval and --once go with --watch")
    refuse(nodes and not given("bgp"), "NODE goes with --bgp", next_command=told)
    if given("past"):
        _past(lab)
    elif lab is None:
        _every()
    elif given("watched"):
        _watch(open_lab(lab))
    elif given("bgp"):
        _bgp(open_lab(lab), nodes)
    else:
        opened = open_lab(lab)
        body = _seen(opened)
        answer(body, *_lines(opened, body))


# --- one lab -----------------------------------------------------------------------------------------------------


def state_of(observation: Observation) -> str:
    """``running``, ``broken`` when a node has lost its links, ``unknown`` when nobody can tell, else ``dead``."""
    states = {node.state for node in observation.nodes.values()}
    if not observation.alive:
        return "unknown" if states == {"unknown"} else "dead"
    return "broken" if "broken" in states else "running"


def _seen(opened: Lab) -> dict[str, Any]:
    from labctl.runtime.processes import cost

    seen, state, pids = opened.runtime.observe(), opened.state_folder, dict(opened.runtime.pids())
    verdict, changed = _last_verdict(state.evidence)
    rendered: dict[str, Any] = {"target": None, "mode": None, "versions": None}
    with suppress(LabctlError):  # the lab never came so far, or its folder is broken
        lab = opened.folder().lab
        rendered = {"target": lab.parts, "mode": lab.mode, "versions": dict(lab.versions)}
    return {
        "schema": "labctl.status/v1",
        "lab": opened.name,
        "state": state_of(seen),
        "runtime": seen.runtime,
        "launcher": seen.launcher,
        "alive": seen.alive,
        "detail": seen.detail,
        "folder": str(state.folder),
        **rendered,
        "verdict": {"verdict": verdict, "age": round(time.time() - changed, 1)} if verdict else None,
        "evidence": str(state.evidence) if verdict else None,
        "ssh_config": str(state.ssh_config) if state.ssh_config.is_file() else None,
        "kubeconfig": str(state.kubeconfig) if state.kubeconfig.is_file() else None,
        "cost": cost(pids.values()).as_dict() if pids else None,
        "nodes": [_node(opened, node, alive=seen.alive) for node in seen.nodes.values()],
        "processes": pids,
    }


def _node(opened: Lab, node: NodeStatus, *, alive: bool) -> dict[str, Any]:
    """Beside what is seen of it: the command that leads into it, and where its SSH answers; None where nothing does."""
    reach = ssh = None
    if alive and node.kind == "switch":
        with suppress(LabctlError):
            endpoint = opened.endpoints().ssh(node.name)
            reach, ssh = f"labctl ssh {opened.name} {node.name}", f"{endpoint.host}:{endpoint.port}"
    elif alive and node.kind == "cluster":
        reach = f"labctl kubectl {opened.name} -- get nodes"
    elif alive:
        reach = f"labctl exec {opened.name} {node.name}"
    return {**asdict(node), "reach": reach, "ssh": ssh}


def _lines(opened: Lab, body: dict[str, Any]) -> Iterator[str]:
    """The same for a person."""
    yield f"lab {opened.name}: {painted(body['state'])} ({body['runtime']}, {body['launcher'] or 'no launcher'})"
    if body["detail"]:
        yield body["detail"]
    for label, text in _facts(body):
        yield fitted(f"  {label:11} {text}", sys.stdout, " " * 14)
    if body["nodes"]:
        yield from _of_nodes(opened, body["nodes"], alive=body["alive"])
    if body["state"] == "dead":
        yield f"next: labctl down {opened.name}"


def _of_nodes(opened: Lab, nodes: list[dict[str, Any]], *, alive: bool) -> Iterator[str]:
    """A table of them, and the ways into them."""
    keys = ["name", "kind", "state", "management", "ssh"]
    keys += ["detail"] if any(node["detail"] for node in nodes) else []
    header = {"name": "NODE", "management": "ADDRESS"}
    yield columns(
        [header.get(key, key.upper()) for key in keys], [[node[key] or "-" for key in keys] for node in nodes]
    )
    kinds = {node["kind"] for node in nodes}
    if alive and "switch" in kinds:
        yield f"labctl ssh {opened.name} SWITCH logs in to a switch"
    if alive and kinds - {"switch"}:
        yield f"labctl exec {opened.name} NODE opens a shell in any other node"
    if not opened.runtime.reached:
        yield "addresses are those inside the guest: from here they are not reached"


def _facts(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What there is to say of the lab as a whole."""
    if body["mode"]:
        target, versions = (
            ", ".join(f"{part} {what}" for part, what in body[key].items()) for key in ("target", "versions")
        )
        yield "target", f"{target}; mode {body['mode']}"
        yield "versions", versions
    last, spent = body["verdict"], body["cost"]
    yield "verdict", f"{painted(last['verdict'])}, {_age(last['age'])} ago" if last else "never verified"
    if spent:
        cpu = f"{spent['cpu']:.2f} of a processor since it began"
        yield "cost", f"{spent['memory'] / 1e9:.2f} GB ({spent['measure']}), {cpu}; {spent['processes']} processes"
    for label in ("evidence", "ssh_config", "kubeconfig"):
        if body[label]:
            yield label, body[label]


def _last_verdict(evidence: Path) -> tuple[str | None, float]:
    """PASS, FAIL or INCONCLUSIVE of an evidence folder, and when (seconds since the epoch); None: never verified."""
    file = evidence / "evidence.json"
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["verdict"]), file.stat().st_mtime
    except (OSError, ValueError, KeyError, TypeError):
        return None, 0.0  # cut short, or none: nothing was judged


def _age(seconds: float) -> str:
    """``42s``, ``7m``, ``3h``, ``2d``."""
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "m"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // divisor)}{unit}"
    return f"{int(seconds // 86400)}d"


# --- all labs ----------------------------------------------------------------------------------------------------


def _every() -> None:
    from labctl.runtime.select import runtime_of

    rows, texts = list[dict[str, Any]](), list[list[str]]()
    for state in all_labs():
        seen = runtime_of(state).observe()
        row: dict[str, Any] = {"name": state.name, "state": state_of(seen), "runtime": seen.runtime}
        row |= {"launcher": seen.launcher, "nodes": len(lab_nodes(state))}
        row |= {"verdict": _last_verdict(state.evidence)[0]}
        age = time.time() - state.began
        texts.append(["-" if value is None else str(value) for value in (*row.values(), _age(age))])
        rows.append(row | {"age": round(age, 1)})
    header = ("LAB", "STATE", "RUNTIME", "LAUNCHER", "NODES", "VERDICT", "AGE")
    answer(rows, columns(header, texts) if rows else "no labs")


def _past(lab: str | None) -> None:
    rows, texts, now = list[dict[str, Any]](), list[tuple[str, ...]](), time.time()
    for record in records(lab):
        verdict, folder = _last_verdict(record.folder / "evidence")[0], str(record.folder)
        ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.ended))
        rows.append({"lab": record.lab, "ended": ended, "verdict": verdict, "folder": folder})
        texts.append((record.lab, f"{_age(now - record.ended)} ago", verdict or "-", folder))
    nothing = "no records" + (f" of lab {lab}" if lab else "")
    table = columns(("LAB", "ENDED", "VERDICT", "RECORD"), texts) if texts else nothing
    answer({"schema": "labctl.records/v1", "records": rows}, table)


# --- what runs in a lab ------------------------------------------------------------------------------------------


def _watch(opened: Lab) -> None:
    from labctl.cli.terminal import ended_by_key
    from labctl.engine.proving import observing
    from labctl.engine.switches import wired_ports
    from labctl.report.watching import Apart, TerminalLooks, json_looks, repeat, table
    from labctl.verify.inputs import load_checks
    from labctl.verify.livestate import read

    folder, checks = opened.folder(), load_checks(opened.state_folder.folder)
    wired, once, interval = wired_ports(folder), given("once"), given("interval") or INTERVAL
    with once_interrupted(), observing(opened.state_folder, opened.endpoints()) as observer:
        paint = TerminalLooks(sys.stdout, opened.name, wired)
        terminal = not (given("as_json") or once) and sys.stdout.isatty()
        look = Apart(lambda: read(observer, folder, checks), paint.looking if terminal else None)
        try:
            if given("as_json"):
                tell = json_looks(sys.stdout, opened.name)
                repeat(lambda: tell(look()) and not once, interval)
            elif not terminal:
                result(table(sys.stdout, opened.name, look(), wired))
            else:
                with paint, ended_by_key():
                    repeat(lambda: paint(look()), interval)
        except KeyboardInterrupt:
            observer.close()
            over = look.over(PATIENCE)
        else:
            over = True
    if not over:
        os._exit(0)  # all is put back; Python would wait for the threads that wait for a silent node


def _bgp(opened: Lab, nodes: tuple[str, ...]) -> None:
    from labctl.engine.proving import calico_status
    from labctl.report.table import node_status

    body, lines, silent = dict[str, Any](), list[str](), False
    for name, sessions in calico_status(opened.state_folder, opened.endpoints(), nodes).items():
        if isinstance(sessions, str):
            say(f"{name}: {sessions}")
            body[name], silent = {"error": sessions}, True
        else:
            body[name] = [asdict(session) for session in sessions]
            lines.append(f"{name}: Calico process is running.\n\n{node_status(sessions)}\n")
    answer(body, *lines)
    sys.exit(int(ExitCode.INCONCLUSIVE if silent else ExitCode.OK))
