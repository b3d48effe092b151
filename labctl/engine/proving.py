"""How ``up``, ``verify``, ``reset`` and the others reach a lab that runs, from its state folder alone."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from labctl.engine.actions.profile import profile_of
from labctl.engine.actions.switches import open_session
from labctl.events import Listener
from labctl.folder import load_folder
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.nxos.session import NxosSession
from labctl.paper.catalogue import as_evidence
from labctl.restore.changes import HEALERS, heal_left_over, open_changes
from labctl.restore.client import LabClient
from labctl.restore.snapshot import drift
from labctl.runtime.api import Endpoints, Observation
from labctl.state import LabState
from labctl.verify.evidence import Evidence
from labctl.verify.observer import Observer
from labctl.verify.run import VerifyRequest


def login(state: LabState, endpoints: Endpoints, switch: str) -> NxosSession:
    """With the patience that the lab's switches need."""
    target = json.loads((state.folder / "lab.json").read_text())["target"]
    return open_session(switch, endpoints, profile=profile_of(target))


def client(state: LabState, endpoints: Endpoints) -> LabClient:
    """The ways into it. Raises what `Endpoints` and reading the kubeconfig raise for a lab that is not there."""
    folder = load_folder(state.folder)
    api = None
    if folder.lab.kube_nodes:
        api = Api(access_from_kubeconfig(endpoints.kubeconfig(), state.secrets), connections=8)
    return LabClient(folder, endpoints, lambda switch: login(state, endpoints, switch), api)


def verify_request(
    state: LabState, endpoints: Endpoints, now: Observation, listener: Listener, *, disruptive: bool
) -> VerifyRequest:
    """All scenarios of the lab, disruptive ones when wanted; `dataclasses.replace` says what else is wanted."""
    return VerifyRequest(
        state.folder,
        endpoints,
        state.evidence,
        state.journal,
        state.secrets,
        listener,
        partial(login, state, endpoints),
        disruptive=disruptive,
        catalogue=as_evidence,
        guest=now.guest,
        environment={
            "runtime": now.runtime,
            "launcher": now.launcher or "",
            **({} if now.speed is None else {"guest_speed": round(now.speed, 3)}),
            **_inputs(state),
        },
        drift=(lambda: drift(state, client(state, endpoints))) if state.snapshot.is_dir() else None,
    )


def _inputs(state: LabState) -> dict[str, Any]:
    """What came from elsewhere and was really used (``inputs-used.json``), name → version, source, hashes."""
    try:
        rows = json.loads((state.root / "inputs-used.json").read_text())["inputs"]
    except FileNotFoundError:
        return {}  # all that this lab runs is labctl's own
    return {"inputs": {row["name"]: {key: value for key, value in row.items() if key != "name"} for row in rows}}


def heal(state: LabState, endpoints: Endpoints, told: Callable[[str], None]) -> list[str]:
    """Undo what a labctl that was killed in the middle of a change left; names of what was healed.

    The caller holds the lab. Raises `labctl.restore.changes.NotHealed`.
    """
    if not open_changes(state.journal):
        return []
    return heal_left_over(state.journal, client(state, endpoints), HEALERS, told)


@contextmanager
def observing(state: LabState, endpoints: Endpoints) -> Iterator[Observer]:
    """Questions to a lab's nodes, for as long as one looks; sessions stay open in between, answers are not kept."""
    lab = client(state, endpoints)
    with tempfile.TemporaryDirectory(prefix="labctl-") as scratch:
        observer = Observer(endpoints, Evidence(Path(scratch)), lab.login, {}, lab.api)
        try:
            yield observer
        finally:
            observer.close()
