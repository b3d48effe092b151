"""What undoes a change, by the kind that its journal entry names. Each works from the entry's data alone, and twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labctl.kube.api import Api, ApiError
from labctl.kube.apply import Applier
from labctl.pace import paced
from labctl.verify.change import Healers
from labctl.verify.hands import Hands
from labctl.verify.topics import ipip, scale
from labctl.waiting import Deadline, NotYet, wait_for

GONE_LIMIT = 60.0
"""Seconds for objects to go: pods end within their grace period."""


def switch_lines(hands: Hands, data: Mapping[str, Any]) -> None:
    """``{switch, lines}``: configuration lines."""
    hands.configure(data["switch"], data["lines"])


def node_commands(hands: Hands, data: Mapping[str, Any]) -> None:
    """``{node, commands}``: argument lists."""
    for argv in data["commands"]:
        hands.run(data["node"], argv)


def kube_patch(hands: Hands, data: Mapping[str, Any]) -> None:
    """``{path, patch}``: a merge patch; an object that is not there any more needs none."""
    try:
        hands.cluster.patch(data["path"], data["patch"])
    except ApiError as error:
        if error.status != 404:
            raise


def kube_delete(hands: Hands, data: Mapping[str, Any]) -> None:
    """``{objects}``: each with apiVersion, kind, namespace and name; back when they and what they own are gone."""
    api = hands.cluster
    applier = Applier(api)
    paths = []
    for row in data["objects"]:
        resource = applier.resource(row["apiVersion"], row["kind"])
        paths.append(resource.path(row.get("namespace") or "default", row["name"]))
    for path in reversed(paths):
        if api.find(path) is not None:
            # in the foreground: the object goes after what it owns
            api.delete(path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"})
    wait_for(lambda: _gone(api, paths), Deadline(paced(GONE_LIMIT)), every=0.2)


def _gone(api: Api, paths: list[str]) -> bool | NotYet:
    left = [path for path in paths if api.find(path) is not None]
    return NotYet(f"{', '.join(left)} is still there") if left else True


def by_itself(hands: Hands, data: Mapping[str, Any]) -> None:
    """Nothing to undo: a session that was cleared, a pod that was deleted, come back by themselves."""
    del hands, data


HEALERS: Healers = {
    "switch-lines": switch_lines,
    "node-commands": node_commands,
    "kube-patch": kube_patch,
    "kube-delete": kube_delete,
    "calico-mode": ipip.heal,
    "by-itself": by_itself,
    "scale-routes": scale.heal,
}
