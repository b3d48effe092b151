"""A command in the pod with a label on a node: how a node's BIRD is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labctl.kube.api import Json
from labctl.kube.exec import PodCommand, PodExec
from labctl.pace import limit


class NoPod(Exception):
    """No pod with the label runs there; the text says which and where."""


def run_in_pod(
    listed: Callable[[str], Sequence[Json]], pods: PodExec, node: str, where: str, command: Sequence[str]
) -> PodCommand:
    """Run it to its end in the newest pod ``namespace/key=value`` on a node (Kubernetes name).

    ``listed``: the pods of a namespace. Raises `NoPod`, or `InconclusiveError` when API or node do not answer.
    """
    namespace, _, selector = where.partition("/")
    key, _, value = selector.partition("=")
    found = [
        pod
        for pod in listed(namespace)
        if (pod["metadata"].get("labels") or {}).get(key) == value
        and pod["spec"].get("nodeName") == node
        and (pod.get("status") or {}).get("phase") == "Running"
    ]
    if not found:
        raise NoPod(f"no pod {selector} runs on {node}")
    newest = max(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    return pods.run(namespace, newest["metadata"]["name"], list(command), timeout=limit("call"))
