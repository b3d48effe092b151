"""What the nodes' BIRDs say of their sessions, asked through the calico-node pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labctl.errors import InconclusiveError, LabctlError, UsageError, did_you_mean
from labctl.folder import Folder, load_folder
from labctl.kube.api import Api, access_from_kubeconfig
from labctl.kube.exec import PodExec
from labctl.kube.resources import PODS
from labctl.runtime.api import Endpoints
from labctl.verify.inputs import load_checks
from labctl.verify.observer import NoPod, Unanswered, run_in_pod
from labctl.verify.topics import bird
from labctl.verify.topics.bird import BirdSession


def calico_status(
    folder: Path, endpoints: Endpoints, secrets: Path, wanted: Sequence[str]
) -> Mapping[str, list[BirdSession] | str]:
    """Node → its sessions, or why they could not be read. Raises `UsageError` for a node that is not there."""
    lab = load_folder(folder)
    nodes = _nodes(lab, wanted)
    inputs = load_checks(folder).cluster
    if inputs is None:
        raise UsageError(f"checks.yaml of lab {lab.lab.name} does not say where BIRD is asked", code="no-bird")
    asked = inputs.bird
    api = Api(access_from_kubeconfig(endpoints.kubeconfig(), secrets), connections=8)
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
        except (LabctlError, NoPod, Unanswered) as error:
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
