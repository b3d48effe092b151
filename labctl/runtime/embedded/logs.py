"""Logs of an embedded lab: files of the host's processes, and of the programs in the guest while it runs."""

from __future__ import annotations

from pathlib import Path

from labctl.errors import InconclusiveError
from labctl.guest.api import AgentError
from labctl.runtime.embedded.endpoints import EmbeddedEndpoints

GUEST_FOLDERS = {"switch": "/var/log/labctl/{node}", "kube-node": "/run/labctl/calico/{namespace}"}
AGENTS = "node-agents"


def collect(folder: Path, node: str | None, endpoints: EmbeddedEndpoints | None) -> str:
    """Texts with a heading each. ``node``: a node of the lab or the name of one of its processes; None: all of them.

    ``endpoints`` is None when the lab does not run: then the guest's own logs are gone with it.
    """
    pieces = []
    for path in sorted(folder.glob("*.log")):
        text = path.read_text(errors="replace")
        if node is None or path.name.removesuffix(".log") == node:
            pieces.append((path.name, text))
        elif path.name == f"{AGENTS}.log":
            # one process serves all nodes: each of its lines names its node after the time
            lines = [line for line in text.splitlines() if line.partition(" ")[2].startswith(f"{node} ")]
            pieces.append((f"{path.name} (lines of {node})", "\n".join(lines)))
    if node is not None and endpoints is not None:
        pieces += _guest(node, endpoints)
    return "\n".join(f"==> {name} <==\n{text.rstrip()}" for name, text in pieces if text.strip())


def _guest(node: str, endpoints: EmbeddedEndpoints) -> list[tuple[str, str]]:
    kind = endpoints.kind(node)
    if kind not in GUEST_FOLDERS:
        return []
    folder = GUEST_FOLDERS[kind].format(node=node, namespace=endpoints.namespace(node))
    pieces = []
    try:
        listed = endpoints.exec(node, ["find", folder, "-name", "*.log", "-size", "+0"])
        for name in sorted(listed.stdout.decode(errors="replace").split()):
            text = endpoints.agent.read_file(name).decode(errors="replace")
            pieces.append((f"guest:{name}", text))
    except (AgentError, InconclusiveError) as error:
        pieces.append(("guest", f"its logs cannot be read now: {error}"))
    return pieces
