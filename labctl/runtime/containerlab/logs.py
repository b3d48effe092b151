"""Logs of a containerlab lab: containerlab's own, what was followed of kind's nodes, and Docker's of each container."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labctl.errors import HostError
from labctl.runtime.containerlab import telling
from labctl.runtime.containerlab.clab import LOG
from labctl.runtime.containerlab.dockerhost import Container, DockerHost

LINES_OF_ALL = 100
"""Of each container, when the logs of the whole lab are asked for."""


def collect(folder: Path, node: str | None, containers: Mapping[str, Container], docker: DockerHost) -> str:
    """Texts with a heading each. ``containers``: by the lab's names; ``node``: one of them, or a log's name."""
    pieces = []
    for path in sorted(folder.glob("*.log")):
        text = path.read_text(errors="replace")
        name = path.name.removesuffix(".log")
        if node is None or name == node:
            pieces.append((path.name, text))
        elif path.name == LOG:
            lines = [line for line in text.splitlines() if _speaks_of(line, node, containers)]
            pieces.append((f"{path.name} (lines of {node})", "\n".join(lines)))
    for name, container in containers.items():
        if node is None or name == node:
            try:
                text = docker.tail(container.id, None if node else LINES_OF_ALL)
            except HostError as error:
                text = f"it cannot be read now: {error.message}"
            pieces.append((f"docker: {container.name}", "\n".join(map(telling.plain, text.splitlines()))))
    return "\n".join(f"==> {name} <==\n{text.rstrip()}" for name, text in pieces if text.strip())


def _speaks_of(line: str, node: str, containers: Mapping[str, Container]) -> bool:
    names = {node, containers[node].name} if node in containers else {node}
    words = line.replace('"', " ").replace("=", " ").replace(":", " ").split()
    return not names.isdisjoint(words)


def last_line(container: Container, docker: DockerHost) -> str:
    """The newest line that says anything; empty when there is none."""
    lines = (telling.plain(line).strip() for line in reversed(docker.tail(container.id, 20).splitlines()))
    return next((line[: telling.WIDTH] for line in lines if line), "")
