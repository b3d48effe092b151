"""``labctl status``: one lab, all of them, their past; a lab as it changes; its BGP sessions."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.labs import Lab, OnLab, complete_labs, complete_nodes, lab_nodes, open_lab
from labctl.cli.options import given, json_option, refuse
from labctl.cli.output import answer, columns, fitted, painted, result, say
from labctl.errors import ExitCode, LabctlError, UsageError
from labctl.state import LabState, all_labs, records

if TYPE_CHECKING:
    from labctl.runtime.api import NodeStatus, Observation

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


@click.command(cls=OneOrAll)
@click.argument("lab", required=False, shell_complete=complete_labs, metavar="[LAB]")
@click.argument("nodes", nargs=-1, metavar="[NODE]...", shell_complete=complete_nodes)
@click.option("--all", "every", is_flag=True, help="Every lab of this user, and whether it runs.")
@click.option("--past", is_flag=True, help="Records of runs that are over instead: the last 20 of a lab, for 30 days.")
@click.option("--watch", "watched", is_flag=True, help="Look again and again: sessions, links, pods, marked by change.")
@click.option("--interval", type=click.FloatRange(min=LEAST), metavar="S",
              help=f"With --watch: seconds between two looks; default: {INTERVAL:g}.")  # fmt: skip
@click.option("--once", is_flag=True, help="With --watch: one look, as a plain table.")
@click.option("--bgp", is_flag=True, help="BGP sessions as the BIRD of each NODE has them, or of all nodes.")
@json_option
def command(
    lab: str | None,
    nodes: tuple[str, ...],
    every: bool,
    past: bool,
    watched: bool,
    interval: float | None,
    once: bool,
    bgp: bool,
) -> None:
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
    told = f"labctl status {lab}"
    refuse(every + past + watched + bgp > 1, "--all, --past, --watch and --bgp are told one at a time")
    refuse(every and lab is not None, "name one lab, or --all", code="which-lab", next_command=told)
    refuse((once or interval is not None) and not watched, "--interval and --once go with --watch")
    refuse(nodes and not bgp, "NODE goes with --bgp", next_command=told)
    if past:
        _past(lab)
    elif lab is None:
        _every()
    elif watched:
        _watch(open_lab(lab), interval or INTERVAL, once=once)
    elif bgp:
        _bgp(open_lab(lab), nodes)
    else:
        opened = open_lab(lab)
        body = _body(opened)
        answer(body, *_lines(opened, body))


# --- one lab -----------------------------------------------------------------------------------------------------


def state_of(observation: Observation) -> str:
    """``running``, ``broken`` when a node has lost its links, ``unknown`` when nobody can tell, else ``dead``."""
    states = {node.state for node in observation.nodes.values()}
    if not observation.alive:
        return "unknown" if states == {"unknown"} else "dead"
    return "broken" if "broken" in states else "running"


def _body(opened: Lab) -> dict[str, Any]:
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
    name, nodes = opened.name, body["nodes"]
    yield f"lab {name}: {painted(body['state'])} ({body['runtime']}, {body['launcher'] or 'no launcher'})"
    if body["detail"]:
        yield body["detail"]
    for label, text in _facts(body):
        yield fitted(f"  {label:11} {text}", sys.stdout, " " * 14)
    if nodes:
        keys = ["name", "kind", "state", "management", "ssh"]
        keys += ["detail"] if any(node["detail"] for node in nodes) else []
        header = {"name": "NODE", "management": "ADDRESS"}
        yield columns(
            [header.get(key, key.upper()) for key in keys], [[node[key] or "-" for key in keys] for node in nodes]
        )
        kinds = {node["kind"] for node in nodes}
        if body["alive"] and "switch" in kinds:
            yield f"labctl ssh {name} SWITCH logs in to a switch"
        if body["alive"] and kinds - {"switch"}:
            yield f"labctl exec {name} NODE opens a shell in any other node"
        if not opened.runtime.reached:
            yield "addresses are those inside the guest: from here they are not reached"
    if body["state"] == "dead":
        yield f"next: labctl down {name}"


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
    rows = [_row(state) for state in all_labs()]
    texts = [["-" if value is None else str(value) for value in (row | {"age": _age(row["age"])}).values()]
             for row in rows]  # fmt: skip
    header = ("LAB", "STATE", "RUNTIME", "LAUNCHER", "NODES", "VERDICT", "AGE")
    answer(rows, columns(header, texts) if rows else "no labs")


def _row(state: LabState) -> dict[str, Any]:
    from labctl.runtime.select import runtime_of

    observation = runtime_of(state).observe()
    return {
        "name": state.name,
        "state": state_of(observation),
        "runtime": observation.runtime,
        "launcher": observation.launcher,
        "nodes": len(lab_nodes(state)),
        "verdict": _last_verdict(state.evidence)[0],
        "age": round(time.time() - state.began, 1),
    }


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


def _watch(opened: Lab, interval: float, *, once: bool) -> None:
    from labctl.cli.terminal import ended_by_key
    from labctl.engine.actions.switches import wired_ports
    from labctl.engine.proving import observing
    from labctl.report.watching import Apart, JsonLooks, TerminalLooks, once_interrupted, repeat, table
    from labctl.verify.inputs import load_checks
    from labctl.verify.livestate import read

    folder, checks = opened.folder(), load_checks(opened.state_folder.folder)
    wired = wired_ports(folder)
    with once_interrupted(), observing(opened.state_folder, opened.endpoints()) as observer:
        paint = TerminalLooks(sys.stdout, opened.name, wired)
        terminal = not (given("as_json") or once) and sys.stdout.isatty()
        look = Apart(lambda: read(observer, folder, checks), paint.looking if terminal else None)
        try:
            if given("as_json"):
                tell = JsonLooks(sys.stdout, opened.name)
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
