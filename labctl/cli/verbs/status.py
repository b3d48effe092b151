"""``labctl status``."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from labctl.cli.labs import Lab, OnLab, lab_argument, last_verdict, open_lab
from labctl.cli.options import json_option
from labctl.cli.output import age, fitted, painted, result, result_json, result_table, short
from labctl.cli.verbs.list import state_of
from labctl.errors import LabctlError

if TYPE_CHECKING:
    from labctl.runtime.api import NodeStatus, Observation
    from labctl.runtime.processes import Cost


@click.command(cls=OnLab)
@lab_argument
@json_option
def command(lab: str, as_json: bool) -> None:
    """What the boxes of LAB are doing, how to reach each, its last verdict, what it costs.

    Exit 0 whenever it could be told.

    \b
    labctl status
    labctl status whitepaper --json
    """
    from labctl.runtime.processes import cost

    opened = open_lab(lab)
    seen = opened.runtime.observe()
    pids: dict[str, int] = getattr(opened.runtime, "pids", dict)()
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
        _tell_boxes(opened, seen)
    if state_of(seen) == "dead":
        result(f"next: labctl down {opened.name}")


def _tell_boxes(opened: Lab, seen: Observation) -> None:
    ways = _ways(opened, seen)
    detail = any(node.detail for node in seen.nodes.values())
    rows = [
        (node.name, node.kind, node.state, node.management or "-", ways[node.name][1], node.detail or "-")
        for node in seen.nodes.values()
    ]
    header = ("NODE", "KIND", "STATE", "ADDRESS", "SSH", "DETAIL")
    result_table(header if detail else header[:-1], rows if detail else [row[:-1] for row in rows])
    kinds = {node.kind for node in seen.nodes.values()}
    if seen.alive and "switch" in kinds:
        result(f"labctl ssh {opened.name} SWITCH logs in to a switch")
    if seen.alive and kinds - {"switch"}:
        result(f"labctl exec {opened.name} NODE opens a shell in any other box")
    if seen.runtime == "embedded":
        result("addresses are those inside the guest: from here they are not reached")


def _facts(opened: Lab, spent: Cost | None) -> list[tuple[str, str]]:
    """What there is to say of the lab as a whole."""
    state, rows = opened.state_folder, list[tuple[str, str]]()
    known = _rendered(opened)
    if known:
        target = ", ".join(f"{part} {kind}" for part, kind in known["target"].items())
        rows.append(("target", f"{target}; mode {known['mode']}"))
        rows.append(("versions", ", ".join(f"{part} {version}" for part, version in known["versions"].items())))
    verdict = last_verdict(state.evidence)
    told = f"{painted(verdict[0])}, {age(time.time() - verdict[1])} ago" if verdict else "never verified"
    rows.append(("verdict", told))
    if spent:
        cpu = f"{spent.cpu:.2f} of a processor since it began"
        rows.append(("cost", f"{spent.memory / 1e9:.2f} GB ({spent.measure}), {cpu}; {spent.processes} processes"))
    if verdict:
        rows.append(("evidence", short(state.evidence)))
    rows += [
        (label, short(path))
        for label, path in (("ssh_config", state.ssh_config), ("kubeconfig", state.kubeconfig))
        if path.is_file()
    ]
    return rows


def _rendered(opened: Lab) -> dict[str, Any] | None:
    """Target, mode and versions out of lab.json; None when the lab never came so far or its folder is broken."""
    from labctl.folder import load_folder

    try:
        lab = load_folder(opened.folder).lab
    except LabctlError:
        return None
    return {"target": lab.parts, "mode": lab.mode, "versions": dict(lab.versions)}


def _ways(opened: Lab, seen: Observation) -> dict[str, tuple[str | None, str]]:
    """Of each box the command that leads into it, and where its SSH answers; None and - when it does not run."""
    return {node.name: _way(opened, node) if seen.alive else (None, "-") for node in seen.nodes.values()}


def _way(opened: Lab, node: NodeStatus) -> tuple[str | None, str]:
    if node.kind == "cluster":
        return f"labctl kubectl {opened.name} -- get nodes", "-"
    if node.kind != "switch":
        return f"labctl exec {opened.name} {node.name}", "-"
    try:
        endpoint = opened.endpoints().ssh(node.name)
    except LabctlError:
        return None, "-"
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
        **(_rendered(opened) or {"target": None, "mode": None, "versions": None}),
        "verdict": {"verdict": verdict[0], "age": round(time.time() - verdict[1], 1)} if verdict else None,
        "evidence": str(state.evidence) if verdict else None,
        "ssh_config": str(state.ssh_config) if state.ssh_config.is_file() else None,
        "kubeconfig": str(state.kubeconfig) if state.kubeconfig.is_file() else None,
        "cost": spent.as_dict() if spent else None,
        "nodes": [
            {
                "name": node.name,
                "kind": node.kind,
                "state": node.state,
                "management": node.management,
                "detail": node.detail,
                "reach": ways[node.name][0],
                "ssh": ways[node.name][1] if ways[node.name][1] != "-" else None,
            }
            for node in seen.nodes.values()
        ],
        "processes": pids,
    }
