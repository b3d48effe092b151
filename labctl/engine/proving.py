"""How ``up``, ``verify``, ``reset`` and the others reach a lab that runs, from its state folder alone."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from labctl.errors import InconclusiveError, LabctlError, UsageError, did_you_mean
from labctl.events import Listener
from labctl.folder import Folder, load_folder
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.kube.exec import PodExec
from labctl.kube.resources import PODS
from labctl.nxos.session import WINDOW, NxosSession, Tap
from labctl.pace import limit
from labctl.paper.catalogue import as_evidence
from labctl.parallel import at_once
from labctl.restore.changes import HEALERS, heal_left_over, open_changes
from labctl.restore.client import LabClient
from labctl.restore.snapshot import drift
from labctl.runtime.api import Endpoints, Observation, Runtime
from labctl.state import LabState
from labctl.verify.evidence import Evidence
from labctl.verify.inputs import load_checks
from labctl.verify.observer import Observer, Unanswered, run_in_pod
from labctl.verify.run import VerifyRequest
from labctl.verify.topics import bird
from labctl.verify.topics.bird import BirdSession


def is_real(target: Mapping[str, str]) -> bool:
    """Whether the switches of a ``target`` of lab.json are 9000v images."""
    return target.get("switch") == "n9kv"


def open_session(
    switch: str,
    endpoints: Endpoints,
    target: Mapping[str, str],
    *,
    timeout: float = float("inf"),
    tap: Tap | None = None,
) -> NxosSession:
    """Log in. ``tap`` is told every exchange. Raises `SwitchUnreachable`.

    A 9000v gets one line at a time: its log can put a prompt of its own between two answers.
    """
    endpoint = endpoints.ssh(switch)
    known = endpoint.config_file.parent / "known_hosts" if endpoint.config_file else None
    return NxosSession(
        endpoint.host,
        endpoint.port,
        endpoint.username,
        endpoint.password,
        name=switch,
        known_hosts=known,
        first_keys=endpoint.first_keys,
        timeout=min(limit("login"), timeout),
        window=1 if is_real(target) else WINDOW,
        tap=tap,
    )


def login(state: LabState, endpoints: Endpoints, switch: str) -> NxosSession:
    """As the lab's switches want it."""
    return open_session(switch, endpoints, json.loads((state.folder / "lab.json").read_text())["target"])


def client(state: LabState, endpoints: Endpoints) -> LabClient:
    """The ways into it. Raises what `Endpoints` and reading the kubeconfig raise for a lab that is not there."""
    folder = load_folder(state.folder)
    api = None
    if folder.lab.kube_nodes:
        api = Api(access_from_kubeconfig(endpoints.kubeconfig(), state.secrets), connections=8)
    return LabClient(folder, endpoints, partial(login, state, endpoints), api)


class Running:
    """A lab as its steps work on it. ``sessions``: switches that they have logged in to."""

    def __init__(self, state: LabState, runtime: Runtime, folder: Folder) -> None:
        self.state = state
        self.runtime = runtime
        self.folder = folder
        self.sessions: dict[str, NxosSession] = {}

    @cached_property
    def endpoints(self) -> Endpoints:
        """Once its nodes are there."""
        return self.runtime.endpoints()

    @cached_property
    def client(self) -> LabClient:
        """The ways into it."""
        return client(self.state, self.endpoints)


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
        drift=(lambda: drift(state, client(state, endpoints))) if state.snapshot.is_file() else None,
    )


def _inputs(state: LabState) -> dict[str, Any]:
    """What came from elsewhere and was really used (``inputs-used.json``), name → version, source, hashes."""
    try:
        rows = json.loads((state.root / "inputs-used.json").read_text())["inputs"]
    except FileNotFoundError:
        return {}  # all that this lab runs is labctl's own
    return {"inputs": {row["name"]: {key: value for key, value in row.items() if key != "name"} for row in rows}}


def heal(state: LabState, endpoints: Endpoints, told: Callable[[str], None]) -> list[str]:
    """Undo what a killed labctl left; names of what was healed. The caller holds the lab. Raises `NotHealed`."""
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
    """Node → what its BIRD says of its sessions, or why it could not be read. Raises `UsageError`."""
    lab = load_folder(state.folder).lab
    known = lab.kubernetes
    if not known:
        raise InconclusiveError(f"lab {lab.name} has no cluster", code="no-cluster")
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"lab {lab.name} has no Kubernetes node {name}",
                code="no-such-node",
                hint=did_you_mean(name, known, f"it has {', '.join(known)}"),
            )
    inputs = load_checks(state.folder).cluster
    if inputs is None:
        raise UsageError(f"checks.yaml of lab {lab.name} does not say where BIRD is asked", code="no-bird")
    asked, api = inputs.bird, client(state, endpoints).cluster
    pods, listed = PodExec(api.access), partial(api.list, PODS)

    def one(node: str) -> list[BirdSession] | str:
        texts = []
        try:
            for command in bird.commands(asked, known[node]):
                done = run_in_pod(listed, pods, known[node], command.pod, command.text.split())
                texts.append(done.stdout if done.code == 0 else done.stderr)
            return bird.parse(*texts)
        except (LabctlError, Unanswered) as error:
            return str(error)

    return at_once([name for name in known if not wanted or name in wanted], one)
