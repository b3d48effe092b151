"""BIRD's control socket (BIRD documentation, "Remote control"): numbered answer lines, no process needed."""

from __future__ import annotations

import re

from labctl.guest.api import AgentError
from labctl.guest.client import Agent

FINAL = re.compile(r"^(\d{4}) (.*)$")
RECONFIGURED = ("0003", "0004", "0005", "0018")


class BirdRefused(AgentError):
    """BIRD answered with an error code; the message holds its words."""

    code = "bird"


class BirdControl:
    """One connection per command: reconfiguration is rare."""

    def __init__(self, agent: Agent, socket: str) -> None:
        self._agent = agent
        self._socket = socket

    def ask(self, command: str) -> tuple[str, str]:
        """(final code, whole text without codes). Raises `AgentError` when BIRD does not listen."""
        stream = self._agent.connect(None, self._socket)
        try:
            self._answer(stream)
            stream.sendall(command.encode() + b"\n")
            return self._answer(stream)
        finally:
            stream.close()

    def configure(self) -> None:
        """Read the file again. Raises `BirdRefused` with place and reason."""
        code, text = self.ask("configure")
        if code not in RECONFIGURED:
            raise BirdRefused(text)

    def sessions(self) -> dict[str, str]:
        """BGP protocol → state (``Established``, ``Active``, …)."""
        _, text = self.ask("show protocols")
        result = {}
        for line in text.splitlines():
            fields = line.split(None, 5)
            if len(fields) >= 2 and fields[1] == "BGP":
                result[fields[0]] = (fields[5] if len(fields) > 5 else fields[3]).split()[0] if len(fields) > 3 else ""
        return result

    @staticmethod
    def _answer(stream: object) -> tuple[str, str]:
        data = b""
        lines: list[str] = []
        while True:
            piece = stream.recv(65536)  # type: ignore[attr-defined]
            if not piece:
                raise AgentError("BIRD closed its control socket")
            data += piece
            *whole, data = data.split(b"\n")
            for raw in whole:
                line = raw.decode(errors="replace")
                found = FINAL.match(line)
                if found:
                    lines.append(found[2])
                    return found[1], "\n".join(lines)
                lines.append(line[5:] if re.match(r"^\d{4}-", line) else line[1:])
