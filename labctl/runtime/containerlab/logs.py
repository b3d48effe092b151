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


DEFAULT_PASSWORD = "admin"  # noqa: S105 - vrnetlab's own
"""Everybody knows it, and the word is the user's name, too."""


def collect(
    folder: Path, node: str | None, containers: Mapping[str, Container], docker: DockerHost, password: str
) -> str:
    """Texts with a heading each. ``containers``: by the lab's names; ``node``: one of them, or a log's name.

    ``password``: the switches', which vrnetlab prints with its environment; it is taken out.
    """
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
    whole = "\n".join(f"==> {name} <==\n{text.rstrip()}" for name, text in pieces if text.strip())
    return without(whole, password)


def without(text: str, password: str) -> str:
    """The text without the switches' password, unless it is the well-known one."""
    return text if password in {"", DEFAULT_PASSWORD} else text.replace(password, "********")


def _speaks_of(line: str, node: str, containers: Mapping[str, Container]) -> bool:
    names = {node, containers[node].name} if node in containers else {node}
    words = line.replace('"', " ").replace("=", " ").replace(":", " ").split()
    return not names.isdisjoint(words)


def last_line(container: Container, docker: DockerHost, password: str) -> str:
    """The newest line that says anything, without the password; empty when there is none."""
    lines = (telling.plain(line).strip() for line in reversed(docker.tail(container.id, 20).splitlines()))
    return without(next((line[: telling.WIDTH] for line in lines if line), ""), password)
