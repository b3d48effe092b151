"""How ``up``, ``verify``, ``reset`` and the others reach a lab that runs, from its state folder alone."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from labctl.engine.actions.profile import profile_of
from labctl.engine.actions.switches import open_session
from labctl.errors import InconclusiveError, LabctlError, UsageError, did_you_mean
from labctl.events import Listener
from labctl.folder import Folder, load_folder
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.kube.exec import PodExec
from labctl.kube.resources import PODS
from labctl.nxos.session import NxosSession
from labctl.paper.catalogue import as_evidence
from labctl.restore.changes import HEALERS, heal_left_over, open_changes
from labctl.restore.client import LabClient
from labctl.restore.snapshot import drift
from labctl.runtime.api import Endpoints, Observation
from labctl.state import LabState
from labctl.verify.evidence import Evidence
from labctl.verify.inputs import load_checks
from labctl.verify.observer import Observer, Unanswered, run_in_pod
from labctl.verify.run import VerifyRequest
from labctl.verify.topics import bird
from labctl.verify.topics.bird import BirdSession


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


def calico_status(
    state: LabState, endpoints: Endpoints, wanted: Sequence[str]
) -> Mapping[str, list[BirdSession] | str]:
    """Node → what its BIRD says of its sessions, asked through the calico-node pod, or why it could not be read.

    Raises `UsageError` for a node that is not there.
    """
    lab = load_folder(state.folder)
    nodes = _nodes(lab, wanted)
    inputs = load_checks(state.folder).cluster
    if inputs is None:
        raise UsageError(f"checks.yaml of lab {lab.lab.name} does not say where BIRD is asked", code="no-bird")
    asked = inputs.bird
    api = Api(access_from_kubeconfig(endpoints.kubeconfig(), state.secrets), connections=8)
    pods = PodExec(api.access)
    listed: dict[str, list[object]] = {}

    def in_namespace(namespace: str) -> list[object]:
        if namespace not in listed:
            listed[namespace] = list(api.list(PODS, namespace))
        return listed[namespace]

    def one(item: tuple[str, str]) -> list[BirdSession] | str:
        try:
            texts = []
            for command in bird.commands(asked, item[1]):
                done = run_in_pod(in_namespace, pods, item[1], command.pod, command.text.split())  # type: ignore[arg-type]
                texts.append(done.stdout if done.code == 0 else done.stderr)
            return bird.parse(*texts)
        except (LabctlError, Unanswered) as error:
            return str(error)

    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        return dict(zip(nodes, pool.map(one, nodes.items()), strict=True))


def _nodes(lab: Folder, wanted: Sequence[str]) -> dict[str, str]:
    """Lab's name → Kubernetes name of the nodes that are wanted; of all without a wish."""
    known = lab.lab.kubernetes
    if not known:
        raise InconclusiveError(f"lab {lab.lab.name} has no cluster", code="no-cluster")
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"lab {lab.lab.name} has no Kubernetes node {name}",
                code="no-such-node",
                hint=did_you_mean(name, known, f"it has {', '.join(known)}"),
            )
    return {name: kube for name, kube in known.items() if not wanted or name in wanted}
