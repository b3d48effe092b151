"""Running a command in a pod, through the API server, by the ``kubernetes`` package's websocket client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from labctl.errors import InconclusiveError
from labctl.kube.api import Access

POLL = 0.1
"""Seconds for which one look at a stream waits for more."""


@dataclass(frozen=True, slots=True)
class PodCommand:
    """What came of it."""

    code: int
    stdout: str
    stderr: str


class PodExec:
    """Commands in pods of one cluster."""

    def __init__(self, access: Access) -> None:
        from kubernetes.client import ApiClient, Configuration

        # The package's own loader of a kubeconfig copies the client's key to the temporary folder, for ever if killed.
        configuration = Configuration()
        configuration.host = access.server
        configuration.ssl_ca_cert = access.authority
        configuration.cert_file = access.certificate
        configuration.key_file = access.key
        configuration.proxy = None  # from the environment; the API of a lab is on loopback
        self._client = ApiClient(configuration)

    def run(self, namespace: str, pod: str, command: list[str], *, timeout: float) -> PodCommand:
        """To the end. Raises `InconclusiveError` when the API or the node does not answer."""
        what = f"exec in {namespace}/{pod}"
        with _told(what):
            session = self._open(namespace, pod, command, stdin=False, _request_timeout=timeout)
            session.run_forever(timeout=timeout)
            stdout = session.read_stdout() if session.peek_stdout() else ""
            stderr = session.read_stderr() if session.peek_stderr() else ""
            status = json.loads(session.read_channel(3) or "{}")
            session.close()
        if not status:
            raise InconclusiveError(f"{what}: not done after {timeout:.0f} s", code="pod-exec")
        return PodCommand(exit_code(status), stdout, stderr)

    def start(self, namespace: str, pod: str, command: list[str]) -> PodSession:
        """Start a command and go on; its standard input is open. Raises `InconclusiveError`."""
        what = f"exec in {namespace}/{pod}"
        with _told(what):
            return PodSession(self._open(namespace, pod, command, stdin=True), what)

    def _open(self, namespace: str, pod: str, command: list[str], *, stdin: bool, **more: float) -> Any:
        from kubernetes.client import CoreV1Api
        from kubernetes.stream import stream

        return stream(
            CoreV1Api(self._client).connect_get_namespaced_pod_exec, pod, namespace, command=command,
            stderr=True, stdin=stdin, stdout=True, tty=False, _preload_content=False, **more,
        )  # fmt: skip


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What the package raises, as `InconclusiveError`."""
    from kubernetes.client.exceptions import ApiException
    from websocket import WebSocketException

    try:
        yield
    except (ApiException, WebSocketException, OSError, ValueError) as error:
        raise InconclusiveError(f"{what}: {error}", code="pod-exec") from None


class PodSession:
    """A command that runs in a pod. One thread reads, another may write."""

    def __init__(self, session: Any, what: str) -> None:
        self._session = session
        self._what = what

    def read(self) -> tuple[Literal["stdout", "stderr"], bytes] | None:
        """The next output; None when the command has ended. Raises `InconclusiveError` when the API went away."""
        with _told(self._what):
            while True:
                self._session.update(timeout=POLL)
                if self._session.peek_stdout():
                    return "stdout", self._session.read_stdout().encode()
                if self._session.peek_stderr():
                    return "stderr", self._session.read_stderr().encode()
                if not self._session.is_open():
                    return None

    def write(self, data: bytes) -> None:
        """To its standard input; a command that has ended takes none."""
        from websocket import WebSocketException

        with suppress(WebSocketException, OSError):
            self._session.write_stdin(data.decode())

    def close(self) -> None:
        """Let go of it: the command's standard input ends."""
        self._session.close()


def exit_code(status: dict[str, Any]) -> int:
    """From the metav1.Status on the error channel."""
    if status.get("status") == "Success":
        return 0
    causes = (status.get("details") or {}).get("causes") or []
    return next((int(row["message"]) for row in causes if row.get("reason") == "ExitCode"), 1)
