"""``labctl status``: one lab, all of them, their past; a lab as it changes; its BGP sessions."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.labs import Lab, OnLab, complete_labs, complete_nodes, lab_nodes, last_verdict, open_lab
from labctl.cli.options import json_option
from labctl.cli.output import age, fitted, painted, result, result_json, result_table, say, short, told
from labctl.errors import ExitCode, LabctlError, UsageError
from labctl.state import LabState, all_labs, records

if TYPE_CHECKING:
    from labctl.runtime.api import NodeStatus, Observation
    from labctl.runtime.processes import Cost

LEAST = 0.2
"""Seconds between two looks, at the least: what is asked so often is kept from its work."""
INTERVAL = 2.0
"""Seconds between two looks where nobody says otherwise."""
PATIENCE = 0.5
"""Seconds for a look that is under way when Ctrl-C comes."""


class OneOrAll(OnLab):
    """Left out, LAB is the one that is there; where that is not clear, or with ``--all``, all of them are told of."""

    def left_out(self, ctx: click.Context, args: list[str]) -> str | None:
        given = self.make_parser(ctx).parse_args(list(args))[0]
        if given.get("every") or given.get("past"):
            return None
        try:
            return super().left_out(ctx, args)
        except UsageError:
            if given.get("watched") or given.get("bgp"):
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
    as_json: bool,
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
    _judge_options(lab, nodes, ways=(every, past, watched, bgp), of_watch=once or interval is not None)
    if past:
        _past(lab, as_json=as_json)
    elif lab is None:
        _every(as_json=as_json)
    elif watched:
        _watch(open_lab(lab), interval or INTERVAL, once=once, as_json=as_json)
    elif bgp:
        _bgp(open_lab(lab), nodes, as_json=as_json)
    else:
        _one(open_lab(lab), as_json=as_json)


def _judge_options(
    lab: str | None, nodes: tuple[str, ...], *, ways: tuple[bool, bool, bool, bool], of_watch: bool
) -> None:
    """They go together. Raises `UsageError`."""
    every, _, watched, bgp = ways
    if sum(ways) > 1:
        raise UsageError("--all, --past, --watch and --bgp are told one at a time", code="usage")
    if every and lab is not None:
        raise UsageError("name one lab, or --all", code="which-lab", next_command=f"labctl status {lab}")
    if of_watch and not watched:
        raise UsageError("--interval and --once go with --watch", code="usage")
    if nodes and not bgp:
        raise UsageError("NODE goes with --bgp", code="usage", next_command=f"labctl status {lab}")


# --- one lab -----------------------------------------------------------------------------------------------------


def _one(opened: Lab, *, as_json: bool) -> None:
    from labctl.runtime.processes import cost

    seen = opened.runtime.observe()
    pids = dict(opened.runtime.pids())
    spent = cost(pids.values()) if pids else None
    if as_json:
        result_json(_body(opened, seen, pids, spent))
        return
    result(f"lab {opened.name}: {painted(state_of(seen))} ({seen.runtime}, {seen.launcher or 'no launcher'})")
    if seen.detail:
        result(seen.detail)
    for label, text in _facts(opened, spent):
        result(fitted(f"  {label:11} {text}", sys.stdout, " " * 14))
    if seen.nodes:
        _tell_nodes(opened, seen)
    if state_of(seen) == "dead":
        result(f"next: labctl down {opened.name}")


def state_of(observation: Observation) -> str:
    """``running``, ``broken`` when a node has lost its links, ``unknown`` when nobody can tell, else ``dead``."""
    states = {node.state for node in observation.nodes.values()}
    if not observation.alive:
        return "unknown" if states == {"unknown"} else "dead"
    return "broken" if "broken" in states else "running"


def _tell_nodes(opened: Lab, seen: Observation) -> None:
    ways = _ways(opened, seen)
    detail = any(node.detail for node in seen.nodes.values())
    rows = [
        (node.name, node.kind, node.state, node.management or "-", ways[node.name][1] or "-", node.detail or "-")
        for node in seen.nodes.values()
    ]
    header = ("NODE", "KIND", "STATE", "ADDRESS", "SSH", "DETAIL")
    result_table(header if detail else header[:-1], rows if detail else [row[:-1] for row in rows])
    kinds = {node.kind for node in seen.nodes.values()}
    if seen.alive and "switch" in kinds:
        result(f"labctl ssh {opened.name} SWITCH logs in to a switch")
    if seen.alive and kinds - {"switch"}:
        result(f"labctl exec {opened.name} NODE opens a shell in any other node")
    if not opened.runtime.reached:
        result("addresses are those inside the guest: from here they are not reached")


def _facts(opened: Lab, spent: Cost | None) -> list[tuple[str, str]]:
    """What there is to say of the lab as a whole."""
    state, rows = opened.state_folder, list[tuple[str, str]]()
    known = _rendered(opened)
    if known["mode"]:
        target = ", ".join(f"{part} {kind}" for part, kind in known["target"].items())
        rows.append(("target", f"{target}; mode {known['mode']}"))
        rows.append(("versions", ", ".join(f"{part} {version}" for part, version in known["versions"].items())))
    verdict = last_verdict(state.evidence)
    ago = f"{painted(verdict[0])}, {age(time.time() - verdict[1])} ago" if verdict else "never verified"
    rows.append(("verdict", ago))
    if spent:
        cpu = f"{spent.cpu:.2f} of a processor since it began"
        rows.append(("cost", f"{spent.memory / 1e9:.2f} GB ({spent.measure}), {cpu}; {spent.processes} processes"))
    if verdict:
        rows.append(("evidence", short(state.evidence)))
    files = {"ssh_config": state.ssh_config, "kubeconfig": state.kubeconfig}
    return rows + [(label, short(path)) for label, path in files.items() if path.is_file()]


def _rendered(opened: Lab) -> dict[str, Any]:
    """Target, mode and versions out of lab.json; None each when the lab never came so far or its folder is broken."""
    from labctl.folder import load_folder

    try:
        lab = load_folder(opened.folder).lab
    except LabctlError:
        return {"target": None, "mode": None, "versions": None}
    return {"target": lab.parts, "mode": lab.mode, "versions": dict(lab.versions)}


def _ways(opened: Lab, seen: Observation) -> dict[str, tuple[str | None, str | None]]:
    """Of each node the command that leads into it, and where its SSH answers; None where nothing does."""
    return {node.name: _way(opened, node) if seen.alive else (None, None) for node in seen.nodes.values()}


def _way(opened: Lab, node: NodeStatus) -> tuple[str | None, str | None]:
    if node.kind == "cluster":
        return f"labctl kubectl {opened.name} -- get nodes", None
    if node.kind != "switch":
        return f"labctl exec {opened.name} {node.name}", None
    try:
        endpoint = opened.endpoints().ssh(node.name)
    except LabctlError:
        return None, None
    return f"labctl ssh {opened.name} {node.name}", f"{endpoint.host}:{endpoint.port}"


def _body(opened: Lab, seen: Observation, pids: dict[str, int], spent: Cost | None) -> dict[str, Any]:
    state, verdict, ways = opened.state_folder, last_verdict(opened.state_folder.evidence), _ways(opened, seen)
    return {
        "schema": "labctl.status/v1",
        "lab": opened.name,
        "state": state_of(seen),
        "runtime": seen.runtime,
        "launcher": seen.launcher,
        "alive": seen.alive,
        "detail": seen.detail,
        "folder": str(opened.folder),
        **_rendered(opened),
        "verdict": {"verdict": verdict[0], "age": round(time.time() - verdict[1], 1)} if verdict else None,
        "evidence": str(state.evidence) if verdict else None,
        "ssh_config": str(state.ssh_config) if state.ssh_config.is_file() else None,
        "kubeconfig": str(state.kubeconfig) if state.kubeconfig.is_file() else None,
        "cost": spent.as_dict() if spent else None,
        "nodes": [
            {**asdict(node), "reach": ways[node.name][0], "ssh": ways[node.name][1]} for node in seen.nodes.values()
        ],
        "processes": pids,
    }


# --- all labs ----------------------------------------------------------------------------------------------------


def _every(*, as_json: bool) -> None:
    rows = [_row(state) for state in all_labs()]
    shown = [{**row, "age": age(row["age"])} for row in rows]
    texts = [["-" if value is None else str(value) for value in row.values()] for row in shown]
    header = ("LAB", "STATE", "RUNTIME", "LAUNCHER", "NODES", "VERDICT", "AGE")
    told(rows, header, texts, as_json=as_json, nothing="no labs")


def _row(state: LabState) -> dict[str, Any]:
    from labctl.runtime.select import runtime_of

    observation = runtime_of(state).observe()
    verdict = last_verdict(state.evidence)
    return {
        "name": state.name,
        "state": state_of(observation),
        "runtime": observation.runtime,
        "launcher": observation.launcher,
        "nodes": len(lab_nodes(state)),
        "verdict": verdict[0] if verdict else None,
        "age": round(time.time() - state.began, 1),
    }


def _past(lab: str | None, *, as_json: bool) -> None:
    rows, texts, now = list[dict[str, Any]](), list[tuple[str, ...]](), time.time()
    for record in records(lab):
        last = last_verdict(record.folder / "evidence")
        verdict = last[0] if last else None
        ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.ended))
        rows.append({"lab": record.lab, "ended": ended, "verdict": verdict, "folder": str(record.folder)})
        texts.append((record.lab, f"{age(now - record.ended)} ago", verdict or "-", short(record.folder)))
    body = {"schema": "labctl.records/v1", "records": rows}
    nothing = "no records" + (f" of lab {lab}" if lab else "")
    told(body, ("LAB", "ENDED", "VERDICT", "RECORD"), texts, as_json=as_json, nothing=nothing)


# --- what runs in a lab ------------------------------------------------------------------------------------------


def _watch(opened: Lab, interval: float, *, once: bool, as_json: bool) -> None:
    from labctl.cli.terminal import ended_by_key
    from labctl.engine.proving import observing
    from labctl.engine.switches import wired_ports
    from labctl.folder import load_folder
    from labctl.report.watching import Apart, JsonLooks, TerminalLooks, once_interrupted, repeat, table
    from labctl.verify.inputs import load_checks
    from labctl.verify.livestate import read

    folder, checks = load_folder(opened.folder), load_checks(opened.folder)
    wired = wired_ports(folder)
    with once_interrupted(), observing(opened.state_folder, opened.endpoints()) as observer:
        paint = TerminalLooks(sys.stdout, opened.name, wired)
        terminal = not (as_json or once) and sys.stdout.isatty()
        look = Apart(lambda: read(observer, folder, checks), paint.looking if terminal else None)
        try:
            if as_json:
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


def _bgp(opened: Lab, nodes: tuple[str, ...], *, as_json: bool) -> None:
    from labctl.engine.proving import calico_status
    from labctl.report.table import node_status

    found = calico_status(opened.state_folder, opened.endpoints(), nodes)
    silent = {name: sessions for name, sessions in found.items() if isinstance(sessions, str)}
    if as_json:
        result_json(
            {
                name: {"error": sessions} if isinstance(sessions, str) else [asdict(session) for session in sessions]
                for name, sessions in found.items()
            }
        )
    else:
        for name, sessions in found.items():
            if not isinstance(sessions, str):
                result(f"{name}: Calico process is running.\n\n{node_status(sessions)}\n")
    for name, why in silent.items():
        say(f"{name}: {why}")
    sys.exit(int(ExitCode.INCONCLUSIVE if silent else ExitCode.OK))
