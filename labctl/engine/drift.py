"""What somebody changed in a lab since ``up``: the comparison of ``reset --dry-run``, for a verdict's first lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from labctl.engine import firststate
from labctl.engine.reset import cluster, nodes, switches
from labctl.engine.reset.model import Part, Row, Turned
from labctl.errors import LabctlError
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.nxos.session import NxosSession
from labctl.runtime.api import Endpoints
from labctl.state import LabState
from labctl.verify.change import open_changes

PATIENCE = 30.0
"""Seconds for a switch's running configuration."""


def drift(state: LabState, endpoints: Endpoints, login: Callable[[str], NxosSession]) -> list[str]:
    """``leaf101: interface port-channel11: shutdown``, box by box; read from the running lab.

    Of a box that does not answer nothing is said: the checks tell that it is silent. Nor of a lab in the middle of a
    change of labctl's own.
    """
    if open_changes(state.journal):
        return []
    try:
        first = firststate.load(state)
    except LabctlError:
        return []  # nothing to compare with; labctl reset says why
    looks: list[Callable[[], Sequence[Turned]]] = [
        partial(switches.look, {name: text}, login, PATIENCE) for name, text in first.switches.items()
    ]
    looks += [partial(nodes.look, {name: row}, endpoints) for name, row in first.nodes.items()]
    if first.objects is not None:
        objects, kubeconfig = first.objects, endpoints.kubeconfig()
        looks.append(lambda: [cluster.look(objects, Api(access_from_kubeconfig(kubeconfig, state.secrets)))])
    with ThreadPoolExecutor(max(1, len(looks))) as pool:
        turned = [box for found in pool.map(_answered, looks) for box in found]
    return [f"{box.name}: {_words(box.part, row)}" for box in turned for row in box.rows]


def _answered(look: Callable[[], Sequence[Turned]]) -> Sequence[Turned]:
    try:
        return look()
    except (LabctlError, OSError):
        return ()


def _words(part: Part, row: Row) -> str:
    """``reset`` says what it would do, a drift what was done."""
    what = row.what.replace(" / ", ": ")
    if part == "node" and row.do == "change":
        name, _, before = what.partition(": ")
        return f"{name}: no longer {before}"
    return {"remove": what, "add": f"{what} is gone", "change": f"{what} was changed"}[row.do]
