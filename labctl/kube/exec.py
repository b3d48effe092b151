"""Running a command in a pod, through the API server, by the ``kubernetes`` package's websocket client."""

from __future__ import annotations

import json
from contextlib import suppress
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
        from kubernetes.client import CoreV1Api
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream import stream
        from websocket import WebSocketException

        api = CoreV1Api(self._client)
        try:
            session: Any = stream(
                api.connect_get_namespaced_pod_exec, pod, namespace, command=command, stderr=True, stdin=False,
                stdout=True, tty=False, _preload_content=False, _request_timeout=timeout,
            )  # fmt: skip
            session.run_forever(timeout=timeout)
            stdout, stderr = (
                session.read_stdout() if session.peek_stdout() else "",
                session.read_stderr() if session.peek_stderr() else "",
            )
            status = json.loads(session.read_channel(3) or "{}")
            session.close()
        except (ApiException, WebSocketException, OSError, ValueError) as error:
            raise InconclusiveError(f"exec in {namespace}/{pod}: {error}", code="pod-exec") from None
        if not status:
            raise InconclusiveError(f"exec in {namespace}/{pod}: not done after {timeout:.0f} s", code="pod-exec")
        return PodCommand(exit_code(status), stdout, stderr)

    def start(self, namespace: str, pod: str, command: list[str]) -> PodSession:
        """Start a command and go on; its standard input is open. Raises `InconclusiveError`."""
        from kubernetes.client import CoreV1Api
        from kubernetes.client.exceptions import ApiException
        from kubernetes.stream import stream
        from websocket import WebSocketException

        try:
            return PodSession(
                stream(
                    CoreV1Api(self._client).connect_get_namespaced_pod_exec, pod, namespace, command=command,
                    stderr=True, stdin=True, stdout=True, tty=False, _preload_content=False,
                ),
                f"exec in {namespace}/{pod}",
            )  # fmt: skip
        except (ApiException, WebSocketException, OSError, ValueError) as error:
            raise InconclusiveError(f"exec in {namespace}/{pod}: {error}", code="pod-exec") from None


class PodSession:
    """A command that runs in a pod. One thread reads, another may write."""

    def __init__(self, session: Any, words: str) -> None:
        self._session = session
        self._words = words

    def read(self) -> tuple[Literal["stdout", "stderr"], bytes] | None:
        """The next output; None when the command has ended. Raises `InconclusiveError` when the API went away."""
        from websocket import WebSocketException

        try:
            while True:
                self._session.update(timeout=POLL)
                if self._session.peek_stdout():
                    return "stdout", self._session.read_stdout().encode()
                if self._session.peek_stderr():
                    return "stderr", self._session.read_stderr().encode()
                if not self._session.is_open():
                    return None
        except (WebSocketException, OSError, ValueError) as error:
            raise InconclusiveError(f"{self._words}: {error}", code="pod-exec") from None

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
