"""The logs of kind's node containers while kind works: kept whole in the lab's logs, the telling lines shown.

kind removes its nodes when one does not boot, and their reasons with them: what was followed is all there is then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from labctl.errors import HostError
from labctl.guest.api import AgentError
from labctl.runtime.api import Progress
from labctl.runtime.containerlab import telling
from labctl.runtime.containerlab.dockerhost import Container, DockerHost
from labctl.runtime.containerlab.hijack import Hijacked, hijack
from labctl.waiting import Cancelled, Deadline, NotYet, wait_for

LOOK_EVERY = 1.0
"""Seconds between two looks for new containers."""
LONGEST = 3600.0


class Follower:
    """Follows every container that ``find`` gives, from the moment it is there. A context manager."""

    def __init__(
        self,
        docker: DockerHost,
        find: Callable[[Collection[str]], dict[str, Container]],
        logs: Path,
        progress: Progress,
    ) -> None:
        """``find``: containers by the node's name in the lab, which becomes the log's name; those of the ids that it is
        given are known, and not to be looked at again: kind needs what an emulated host can do."""
        self._docker = docker
        self._find = find
        self._logs = logs
        self._progress = progress
        self._over = threading.Event()
        self._streams: dict[str, Hijacked] = {}
        self._threads: list[threading.Thread] = []
        self._looker = threading.Thread(target=self._look, name="kind-nodes", daemon=True)

    @property
    def started(self) -> bool:
        """Whether there was any container yet."""
        return bool(self._streams)

    def __enter__(self) -> Self:
        self._looker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._looker.join()
        self._rest()
        for stream in self._streams.values():
            stream.close()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _look(self) -> None:
        def question() -> NotYet:
            try:
                for name, container in self._find(self._streams).items():
                    self._begin(name, container)
            except (HostError, AgentError) as error:
                self._progress(f"kind's nodes cannot be followed now: {error.message}")
            return NotYet("the cluster is being made")

        try:
            wait_for(question, Deadline(LONGEST), every=LOOK_EVERY, cancel=self._over)
        except Cancelled:
            return

    def _rest(self) -> None:
        """What came and was done between two looks."""
        try:
            for name, container in self._find(self._streams).items():
                path = self._logs / f"{name}.log"
                path.touch(mode=0o600)
                path.write_text(self._docker.tail(container.id))
        except HostError as error:
            self._progress(f"the log of a node of kind cannot be kept: {error.message}")

    def _begin(self, name: str, container: Container) -> None:
        target = f"/containers/{container.id}/attach?logs=1&stream=1&stdout=1&stderr=1"
        stream = hijack(self._docker.socket, target, {}, framed=not container.tty)
        self._streams[container.id] = stream
        thread = threading.Thread(target=self._copy, args=(name, stream), name=f"log-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _copy(self, name: str, stream: Hijacked) -> None:
        path = self._logs / f"{name}.log"
        path.touch(mode=0o600)
        half = b""
        with path.open("ab") as target:
            while (piece := stream.read()) is not None:
                target.write(piece[1])
                target.flush()
                *whole, half = (half + piece[1]).split(b"\n")
                for line in whole:
                    self._tell(name, line.decode(errors="replace"))
        self._tell(name, half.decode(errors="replace"))

    def _tell(self, name: str, line: str) -> None:
        text = telling.of_node(line)
        if text:
            self._progress(f"{name}: {text}")
