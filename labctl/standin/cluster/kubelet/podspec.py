"""What a container is told: arguments, environment; resolved as by the kubelet (Kubernetes API, core/v1 Container)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from labctl.kube.api import Json
from labctl.standin.cluster.images import Image

REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")
UNSUPPORTED_CONTAINER = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "volumeMounts", "envFrom")


class MissingReference(Exception):
    """A ConfigMap or key that an environment variable needs is not there."""


def arguments(container: Json, image: Image, environment: Mapping[str, str]) -> list[str]:
    """``command`` replaces the image's entrypoint, ``args`` its command; ``$(NAME)`` is expanded."""
    command: Sequence[str] = container.get("command") or image.entrypoint
    args: Sequence[str] = container.get("args") or (() if container.get("command") else image.command)
    return [expand(word, environment) for word in (*command, *args)]


def expand(word: str, environment: Mapping[str, str]) -> str:
    """``$(NAME)`` by the variable when it is there, ``$$`` by ``$``."""

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return environment.get(found[1], found[0])

    return REFERENCE.sub(replace, word)


def environment(
    pod: Json, container: Json, config_map: Callable[[str, str], Json | None], addresses: Sequence[str]
) -> dict[str, str]:
    """Variables by name. ``config_map(namespace, name)`` gives an object or None. Raises `MissingReference`."""
    result: dict[str, str] = {}
    namespace = pod["metadata"]["namespace"]
    for row in container.get("env") or []:
        if "valueFrom" not in row:
            result[row["name"]] = expand(row.get("value") or "", result)
            continue
        source = row["valueFrom"]
        if "fieldRef" in source:
            result[row["name"]] = field(pod, source["fieldRef"]["fieldPath"], addresses)
        elif "configMapKeyRef" in source:
            reference = source["configMapKeyRef"]
            found = config_map(namespace, reference["name"])
            data = (found or {}).get("data") or {}
            if reference["key"] in data:
                result[row["name"]] = data[reference["key"]]
            elif not reference.get("optional"):
                what = f"key {reference['key']} in" if found else ""
                raise MissingReference(
                    f"couldn't find {what} ConfigMap {namespace}/{reference['name']}".replace("  ", " ")
                )
        else:
            raise MissingReference(
                f"environment variable {row['name']}: {', '.join(source)} is not done by a stand-in node"
            )
    return result


def field(pod: Json, path: str, addresses: Sequence[str]) -> str:
    """A downward API field."""
    meta, spec = pod["metadata"], pod["spec"]
    values = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.podIP": addresses[0] if addresses else "",
        "status.podIPs": ",".join(addresses),
    }
    if path in values:
        return str(values[path])
    keyed = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if keyed:
        return str((meta.get(keyed[1]) or {}).get(keyed[2], ""))
    raise MissingReference(f"field {path} is not done by a stand-in node")


def left_out(pod: Json) -> list[str]:
    """Fields of a pod that a stand-in node does not act on: it says so in an event."""
    found = {
        f"{field_name} of container {container['name']}"
        for container in pod["spec"]["containers"]
        for field_name in UNSUPPORTED_CONTAINER
        if container.get(field_name)
    }
    volumes = [row["name"] for row in pod["spec"].get("volumes") or []]
    if volumes:
        found.add(f"volumes {', '.join(volumes)}")
    if len(pod["spec"].get("initContainers") or []):
        found.add("initContainers")
    return sorted(found)
