"""One container: a program of the guest, or a function of the node agent, with restarts and back-off.

The restart delay doubles from 10 s to 5 minutes and starts anew after 10 minutes of running
(Kubernetes documentation, "Pod lifecycle", restart policy).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from labctl.errors import LabError
from labctl.guest.api import AgentError, Isolation
from labctl.guest.client import Agent
from labctl.kube.api import Json
from labctl.standin.cluster.images import Image
from labctl.standin.cluster.kubelet.podstatus import ContainerState, terminated
from labctl.standin.cluster.podnet import SystemFunction

BACK_OFF_FIRST = 10.0
BACK_OFF_MAX = 300.0
BACK_OFF_RESET = 600.0
KILL = 9
TERM = 15


@dataclass(frozen=True, slots=True)
class Command:
    """What to run."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    netns: str
    hostname: str
    log: str


class EventSink(Protocol):
    """Where a container's events go."""

    def __call__(self, reason: str, message: str, *, warning: bool = False) -> None: ...


class Container:
    """Keeps one container as its pod wants it. ``changed`` is called after every change of ``state``."""

    def __init__(
        self,
        spec: Json,
        image: Image,
        agent: Agent,
        restart_policy: str,
        changed: Callable[[], None],
        event: EventSink,
    ) -> None:
        self.state = ContainerState(spec["name"], spec["image"])
        self._image = image
        self._agent = agent
        self._policy = restart_policy
        self._changed = changed
        self._event = event
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.function: SystemFunction | None = None
        self._make_function: Callable[[], SystemFunction] | None = None
        self._delay = 0.0
        self.command: Command | None = None

    def run_program(self, command: Command) -> None:
        """Start it and keep it by the restart policy."""
        self.command = command
        self._thread = threading.Thread(target=self._keep, name=f"container {command.log}", daemon=True)
        self._thread.start()

    def run_function(self, make: Callable[[], SystemFunction]) -> None:
        """Start a function and keep it: one that failed is made anew. `look` follows its readiness."""
        self._make_function = make
        self._begin_function()

    def _begin_function(self) -> None:
        assert self._make_function is not None  # noqa: S101 - set by run_function
        self.function = self._make_function()
        self.state.waiting = self.state.ended = None
        self.state.started = time.time()
        self.function.start()
        self.look()

    def _again(self, function: SystemFunction, delay: float) -> None:
        if self._stopping.wait(delay):
            return
        function.stop()
        self.state.restarts += 1
        self._begin_function()

    def look(self) -> None:
        """Take over readiness or failure of a function."""
        if self.function is None or self._stopping.is_set():
            return
        failure = self.function.failure()
        ready = failure is None and self.function.ready()
        if failure is not None and self.state.ended is None:
            self.state.ended = (1, time.time())
            self._event("BackOff", f"{self.state.name}: {failure}", warning=True)
            delay, self._delay = self._delay, min(BACK_OFF_MAX, self._delay * 2 or BACK_OFF_FIRST)
            again = threading.Thread(target=self._again, args=(self.function, delay), daemon=True)
            again.start()
        self.state.ready = ready
        self._changed()

    def process(self) -> int | None:
        """The program whose files and namespaces a command in it sees; None: the node's own."""
        return self.function.process() if self.function is not None else self.state.pid

    def logs(self) -> bytes:
        """Everything that it has written."""
        if self.function is not None:
            return self.function.logs()
        if self.command is None or not self.state.started:
            return b""
        return self._agent.read_file(self.command.log)

    def stop(self, grace: float) -> None:
        """End it: SIGTERM, SIGKILL after ``grace`` seconds."""
        self._stopping.set()
        if self.function is not None:
            self.function.stop()
            self.state.ended = (0, time.time())
            self.state.ready = False
            return
        pid = self.state.pid
        if pid is not None and self.state.running:
            self._agent.signal(pid, TERM)
            if self._thread and grace > 0:
                self._thread.join(grace)
            if self.state.running:
                self._agent.signal(pid, KILL)
        if self._thread:
            self._thread.join(10.0)

    def _keep(self) -> None:
        delay = 0.0
        while not self._stopping.is_set():
            code = self._once()
            if code is None or self._stopping.is_set():
                return
            if self._policy == "Never" or (self._policy == "OnFailure" and code == 0):
                return
            ran = time.time() - (self.state.started or time.time())
            delay = 0.0 if ran > BACK_OFF_RESET else delay
            if delay:
                self.state.waiting = (
                    "CrashLoopBackOff",
                    f"back-off {delay:.0f}s restarting failed container={self.state.name}",
                )
                self._event("BackOff", f"Back-off restarting failed container {self.state.name}", warning=True)
                self._changed()
                if self._stopping.wait(delay):
                    return
            delay = min(BACK_OFF_MAX, delay * 2 or BACK_OFF_FIRST)
            self.state.restarts += 1

    def _once(self) -> int | None:
        """One run; None when it could not be started."""
        command = self.command
        assert command is not None  # noqa: S101 - set by run_program
        state = self.state
        try:
            pid = self._agent.start(
                command.argv,
                ns=command.netns,
                env=command.environment,
                log=command.log,
                isolation=Isolation(hostname=command.hostname, pids=True, root=True, binds=self._image.binds),
            )
        except AgentError as error:
            state.waiting = ("RunContainerError", str(error))
            self._event("Failed", f"Error: {error}", warning=True)
            self._changed()
            return 128
        if state.ended:
            state.last = terminated(state)
        state.pid, state.started, state.ended, state.waiting, state.ready = pid, time.time(), None, None, True
        if self._stopping.is_set():  # `stop` came while it was being started, and saw nothing to end
            self._agent.signal(pid, KILL)
        self._event("Started", f"Started container {state.name}")
        self._changed()
        try:
            code = self._agent.wait(pid, None)
        except LabError as error:
            self._event("Failed", f"lost sight of {state.name}: {error}", warning=True)
            code = 137
        state.ended, state.ready = (137 if code is None else code, time.time()), False
        self._changed()
        return state.ended[0]
