"""A small client of the Kubernetes API: JSON over one pool of TLS connections.

The node agents and the engine ask for objects as plain JSON; the ``kubernetes`` package would cost each of them 20 MB
and a third of a second for typed models that nobody reads. Streams (exec) go through that package.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import urllib3
import yaml

from labctl.errors import InconclusiveError, LabError
from labctl.pace import limit
from labctl.waiting import Late

log = logging.getLogger(__name__)
Json = dict[str, Any]
PatchKind = Literal["merge", "strategic", "apply"]
NOT_DONE = 504
"""The API server was not done in its own time (apimachinery, ``NewTimeoutError``): late, no refusal."""
CONTENT_TYPES: Mapping[str, str] = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class ApiError(LabError):
    """The API server refused; ``status`` is HTTP's, ``reason`` Kubernetes' (``NotFound``, ``Conflict``, …)."""

    code = "kube-api"

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class ApiUnreachable(LabError, InconclusiveError):
    """The API server did not answer: nothing can be said (exit 3)."""

    code = "kube-unreachable"


class ApiLate(ApiUnreachable, Late):
    """It was asked and has not answered in time; what was asked for may have been done all the same."""

    code = "kube-late"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is and who we are. Files are PEM."""

    server: str
    authority: str
    certificate: str
    key: str


def access_from_kubeconfig(path: Path, folder: Path) -> Access:
    """The current context of a kubeconfig with embedded data; the PEM files are written to ``folder`` (0600)."""
    body = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    context = next(row["context"] for row in body["contexts"] if row["name"] == body["current-context"])
    cluster = next(row["cluster"] for row in body["clusters"] if row["name"] == context["cluster"])
    user = next(row["user"] for row in body["users"] if row["name"] == context["user"])
    fields = {"ca.crt": "certificate-authority", "client.crt": "client-certificate", "client.key": "client-key"}
    files = []
    for name, field in fields.items():
        target = folder / f"kube-{name}"
        target.touch(mode=0o600)
        target.write_bytes(base64.b64decode((cluster | user)[f"{field}-data"]))
        files.append(str(target))
    return Access(cluster["server"], *files)


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object: ``Resource("apps/v1", "deployments")``; ``namespaced`` False for cluster-wide ones."""

    version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, sub: str | None = None) -> str:
        """Its URL path; without namespace that of the whole cluster."""
        parts = ["/api" if "/" not in self.version else "/apis", self.version]
        if namespace is not None and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, sub) if part]
        return "/".join(parts)


class Api:
    """Requests. Thread-safe."""

    def __init__(self, access: Access, *, connections: int = 16, agent: str = "labctl") -> None:
        self.access = access
        self._headers = {"User-Agent": agent, "Accept": "application/json"}
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=connections,
            ca_certs=access.authority,
            cert_file=access.certificate,
            key_file=access.key,
            retries=False,
        )

    def get(self, path: str, **query: str) -> Json:
        return self.request("GET", path, query=query)

    def find(self, path: str) -> Json | None:
        """As `get`, None when there is none."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, resource: Resource, namespace: str | None = None, **query: str) -> list[Json]:
        items: list[Json] = self.get(resource.path(namespace), **query).get("items") or []
        return items

    def served(self, version: str) -> dict[str, Json]:
        """What discovery says of the kinds of a group version, by kind; of a version that is not served nothing."""
        answer = self.find(f"{'/api' if '/' not in version else '/apis'}/{version}") or {}
        return {row["kind"]: row for row in answer.get("resources", ()) if "/" not in row["name"]}

    def create(self, path: str, body: Json) -> Json:
        return self.request("POST", path, body)

    def update(self, path: str, body: Json) -> Json:
        """Replace; the body's resourceVersion makes it a compare-and-swap (409 Conflict)."""
        return self.request("PUT", path, body)

    def patch(self, path: str, body: Any, kind: PatchKind = "merge", **query: str) -> Json:
        return self.request("PATCH", path, body, query=query, content=CONTENT_TYPES[kind])

    def apply(self, path: str, body: Json, manager: str = "labctl") -> Json:
        """Server-side apply; conflicts are taken over."""
        return self.patch(path, body, "apply", fieldManager=manager, force="true")

    def delete(self, path: str, body: Json | None = None) -> Json:
        return self.request("DELETE", path, body)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content: str = "application/json",
    ) -> Json:
        """One request. Raises `ApiError` or `ApiUnreachable`."""
        result: Json = json.loads(self._send(method, path, query, body, content).data or "{}")
        return result

    def text(self, path: str, **query: str) -> str:
        """An answer that is no JSON (logs)."""
        return self._send("GET", path, query).data.decode(errors="replace")

    def watch(self, path: str, version: str, query: Mapping[str, str], *, seconds: int = 300) -> Iterator[Json]:
        """Watch events from a resource version; ends after ``seconds``. Raises `ApiError` (410 Gone)."""
        asked = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        answer = self._send("GET", path, {**query, **asked, "timeoutSeconds": str(seconds)}, seconds=seconds)
        try:
            rest = b""
            for piece in answer.stream(65536, decode_content=True):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if line:
                        yield _event(line, path)
        except urllib3.exceptions.HTTPError as error:
            raise ApiUnreachable(f"watch {path}: {error}") from None
        finally:
            answer.close()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any = None,
        content: str = "application/json",
        *,
        seconds: int | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """The answer, whole; with ``seconds`` it is a stream that lasts so long."""
        address = f"{self.access.server}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**self._headers, "Content-Type": content} if body is not None else self._headers
        encoded = None if body is None else json.dumps(body).encode()
        timeout = limit("api") + (seconds or 0)
        log.debug("%s %s", method, address)
        try:
            answer = self._pool.request(
                method, address, body=encoded, headers=headers,
                timeout=urllib3.Timeout(connect=limit("connect"), read=timeout), preload_content=seconds is None,
            )  # fmt: skip
            if answer.status < 400:
                return answer
            refused = _error(answer.status, answer.data, f"{method if seconds is None else 'watch'} {path}")
            raise ApiLate(refused.message) if answer.status == NOT_DONE else refused
        except urllib3.exceptions.ReadTimeoutError:
            raise ApiLate(f"{method} {path}: the API did not answer within {timeout:.0f} s") from None
        except urllib3.exceptions.HTTPError as error:
            raise ApiUnreachable(f"{method} {path}: {error}") from None


def _event(line: bytes, path: str) -> Json:
    event: Json = json.loads(line)
    if event["type"] == "ERROR":
        status = event["object"]
        raise ApiError(status.get("code", 500), status.get("reason", ""), f"watch {path}: {status.get('message')}")
    return event


def _error(status: int, data: bytes, what: str) -> ApiError:
    try:
        body = json.loads(data)
        return ApiError(status, body.get("reason", ""), f"{what}: {body.get('message', '')}")
    except (ValueError, AttributeError):
        return ApiError(status, "", f"{what}: HTTP {status} {data[:300].decode(errors='replace')}")
