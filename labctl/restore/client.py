"""The ways into a running lab: lines on a switch, commands in a node, objects in the API.

Kept apart from the observer of checks, which only asks: what is done here is a journalled change or a way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from labctl.errors import InconclusiveError
from labctl.folder import Folder
from labctl.kube.api import Api
from labctl.nxos.platform import refusal
from labctl.nxos.session import NxosSession
from labctl.runtime.api import Endpoints

Login = Callable[[str], NxosSession]


class NotDone(InconclusiveError):
    """A node did not do what it was told; the message has its words."""

    code = "not-done"


@dataclass(frozen=True, slots=True)
class LabClient:
    """One lab's. ``api`` is None where there is no cluster."""

    folder: Folder
    endpoints: Endpoints
    login: Login
    api: Api | None

    def configure(self, switch: str, lines: Sequence[str], *, timeout: float | None = None) -> None:
        """Configuration lines on a switch. Raises `NotDone` with the first one that it refused."""
        with closing(self.login(switch)) as session:
            refused = session.configure(list(enumerate(lines, 1)), timeout=timeout)
        if refused:
            more = f", the first of {len(refused)} lines" if len(refused) > 1 else ""
            raise NotDone(f"{switch} refused: {refused[0].line} ({refused[0].message}){more}")

    def command(self, switch: str, line: str) -> str:
        """One line at a switch's prompt (``clear …``, ``show …``). Raises `NotDone` when it is refused."""
        with closing(self.login(switch)) as session:
            answer = session.ask(line)
        why = refusal(answer)
        if why:
            raise NotDone(f"{switch} refused: {line} ({why})")
        return answer

    def run(self, node: str, argv: Sequence[str]) -> str:
        """A command in a node, to its end. Raises `NotDone` when it fails."""
        done = self.endpoints.exec(node, argv)
        if done.code != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise NotDone(f"{node}: {' '.join(argv)}: {said or f'exit code {done.code}'}")
        return done.stdout.decode(errors="replace")

    @property
    def cluster(self) -> Api:
        """The cluster's API. Raises `NotDone` for a lab without one."""
        if self.api is None:
            raise NotDone("this lab has no cluster")
        return self.api
