"""The same verbs on this very machine: the agent's server in a thread, its client over a socket pair."""

from __future__ import annotations

import socket
import threading

from labctl.guest.agent.server import Server
from labctl.guest.client import AgentClient


def local_agent() -> AgentClient:
    """An `Agent` for the machine (container) that this process runs in; needs root for most verbs."""
    ours, theirs = socket.socketpair()
    server = Server(lambda: theirs.recv(65536), theirs.sendall, link_acks=False)
    threading.Thread(target=server.serve, name="local-agent", daemon=True).start()
    return AgentClient(ours)
