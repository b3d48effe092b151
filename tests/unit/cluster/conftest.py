"""A Kubernetes API in memory, and a machine that remembers what it was asked."""

from __future__ import annotations

import copy
import re
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from labctl.guest.api import AgentError, Completed, Isolation, MachineInfo, Op, OpFailure
from labctl.kube.api import ApiError, Json, Resource
from labctl.standin.cluster.server.spdydict import DICTIONARY

PATH = re.compile(
    r"(?P<root>/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/(?P<ns>[^/]+)(?=/))?/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?"
)
Key = tuple[str, str, str, str]


class MemoryApi:
    """What `labctl.kube.api.Api` does, with optimistic concurrency, watches, and conflicts on order."""

    def __init__(self) -> None:
        self.objects: dict[Key, Json] = {}
        self.before: list[Callable[[str, str, Any], None]] = []
        """Called with each writing request before it is done; may raise `ApiError` (once)."""
        self._events: list[tuple[int, str, str, Json]] = []
        self._version = 0
        self._changed = threading.Condition(threading.RLock())
        self._over = False

    # --- for tests --------------------------------------------------------------------------------------------

    def add(self, resource: Resource, name: str, namespace: str | None = None, **fields: Any) -> Json:
        meta: Json = {"name": name, **({"namespace": namespace} if namespace else {}), **fields.pop("metadata", {})}
        return self.create(resource.path(namespace), {"metadata": meta, **fields})

    def conflict_once(self, method: str, part: str) -> None:
        """The next request of that kind to a path with ``part`` loses against somebody else."""

        def refuse(asked: str, path: str, _body: Any) -> None:
            if asked == method and part in path:
                self.before.remove(refuse)
                raise ApiError(409, "Conflict", f"{method} {path}: changed by somebody else")

        self.before.append(refuse)

    def close(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    # --- Api --------------------------------------------------------------------------------------------------

    def get(self, path: str, **query: str) -> Json:
        with self._changed:
            root, namespace, plural, name = self._split(path)
            if name:
                key = (root, namespace, plural, name)
                if key not in self.objects:
                    raise ApiError(404, "NotFound", f"GET {path}: not found")
                return copy.deepcopy(self.objects[key])
            items = [
                copy.deepcopy(item)
                for key, item in sorted(self.objects.items())
                if key[0] == root and key[2] == plural and namespace in ("", key[1]) and _selected(item, query)
            ]
            return {"items": items, "metadata": {"resourceVersion": str(self._version)}}

    def find(self, path: str) -> Json | None:
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, resource: Resource, namespace: str | None = None, **query: str) -> list[Json]:
        items: list[Json] = self.get(resource.path(namespace), **query)["items"]
        return items

    def create(self, path: str, body: Json) -> Json:
        with self._changed:
            self._ask("POST", path, body)
            root, namespace, plural, _ = self._split(path)
            key = (root, namespace, plural, body["metadata"]["name"])
            if key in self.objects:
                raise ApiError(409, "AlreadyExists", f"POST {path}: {key[3]} already exists")
            body = copy.deepcopy(body)
            body["metadata"].setdefault("uid", f"uid-{self._version + 1}")
            if namespace:
                body["metadata"]["namespace"] = namespace
            return self._store(key, body, "ADDED")

    def update(self, path: str, body: Json) -> Json:
        with self._changed:
            self._ask("PUT", path, body)
            key = self._split(path)
            old = self.get(path)
            if body["metadata"].get("resourceVersion") != old["metadata"]["resourceVersion"]:
                raise ApiError(409, "Conflict", f"PUT {path}: the object has been modified")
            return self._store(key, copy.deepcopy(body), "MODIFIED")

    def patch(self, path: str, body: Any, kind: str = "merge", **_query: str) -> Json:
        with self._changed:
            self._ask("PATCH", path, body)
            old = self.get(path)
            uid = old["metadata"]["uid"]
            if (body.get("metadata") or {}).get("uid", uid) != uid:
                raise ApiError(409, "Conflict", f"PATCH {path}: it is another object by now")
            return self._store(self._split(path), _merged(old, body), "MODIFIED")

    def delete(self, path: str, body: Json | None = None) -> Json:
        with self._changed:
            self._ask("DELETE", path, body)
            uid = self.get(path)["metadata"]["uid"]
            if ((body or {}).get("preconditions") or {}).get("uid", uid) != uid:
                raise ApiError(409, "Conflict", f"DELETE {path}: it is another object by now")
            item = self.objects.pop(self._split(path))
            self._tell("DELETED", self._split(path), item)
            return {}

    def watch(self, path: str, version: str, query: Mapping[str, str], *, seconds: int = 300) -> Iterator[Json]:
        root, _, plural, _ = self._split(path)
        done = int(version)
        while True:
            with self._changed:
                self._changed.wait_for(lambda done=done: self._over or self._version > done, 300)
                news = [row for row in self._events if row[0] > done]
                done = self._version
            if self._over:
                threading.Event().wait()  # an informer that asked again and again would take time from other tests
            for _, kind, where, item in news:
                if where == f"{root}/{plural}" and _selected(item, query):
                    yield {"type": kind, "object": copy.deepcopy(item)}

    # --- inside -----------------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, body: Any) -> None:
        for hook in list(self.before):
            hook(method, path, body)

    @staticmethod
    def _split(path: str) -> Key:
        found = PATH.fullmatch(path)
        assert found, path
        return found["root"], found["ns"] or "", found["plural"], found["name"] or ""

    def _store(self, key: Key, body: Json, kind: str) -> Json:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self.objects[key] = body
        self._tell(kind, key, body)
        return copy.deepcopy(body)

    def _tell(self, kind: str, key: Key, item: Json) -> None:
        if kind == "DELETED":
            self._version += 1
        self._events.append((self._version, kind, f"{key[0]}/{key[2]}", copy.deepcopy(item)))
        self._changed.notify_all()


def _selected(item: Json, query: Mapping[str, str]) -> bool:
    for row in filter(None, query.get("fieldSelector", "").split(",")):
        value: Any = item
        name, wanted = row.split("=")
        for part in name.split("."):
            value = (value or {}).get(part)
        if value != wanted:
            return False
    labels = item["metadata"].get("labels") or {}
    wanted_labels = filter(None, query.get("labelSelector", "").split(","))
    return all(labels.get(row.split("=")[0]) == row.split("=")[1] for row in wanted_labels)


def _merged(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


@dataclass
class Started:
    """A program on the machine; the test says how it ends."""

    argv: tuple[str, ...]
    ns: str | None
    env: Mapping[str, str]
    log: str | None
    isolation: Isolation | None
    ended: threading.Event = field(default_factory=threading.Event)
    code: int = 0
    signals: list[int] = field(default_factory=list)
    ignores: frozenset[int] = frozenset()

    def end(self, code: int) -> None:
        self.code = code
        self.ended.set()


class Machine:
    """`labctl.guest.client.Agent` without a machine."""

    def __init__(self) -> None:
        self.programs: dict[int, Started] = {}
        self.batched: list[tuple[str | None, list[Op]]] = []
        self.files: dict[str, bytes] = {}
        self.removed: list[str] = []
        self.answers: dict[tuple[str, ...], bytes] = {}
        self.refuse: Callable[[str | None, Op], str | None] = lambda _ns, _op: None
        self.before_start: Callable[[], None] = lambda: None
        self.ignores: frozenset[int] = frozenset()
        self._lock = threading.Lock()
        self.started = threading.Condition(self._lock)

    def info(self) -> MachineInfo:
        return MachineInfo("6.12.0", 2, 1 << 30)

    def batch(self, ns: str | None, ops: Sequence[Op]) -> list[OpFailure]:
        self.batched.append((ns, list(ops)))
        words = [self.refuse(ns, op) for op in ops]
        return [OpFailure(index, ops[index].text, text) for index, text in enumerate(words) if text]

    def batches(self, groups: Sequence[tuple[str | None, Sequence[Op]]]) -> list[list[OpFailure]]:
        return [self.batch(ns, ops) for ns, ops in groups]

    def run(self, argv: Sequence[str], **_options: Any) -> Completed:
        return Completed(0, self.answers.get(tuple(argv), b""), b"")

    def start(
        self,
        argv: Sequence[str],
        *,
        ns: str | None = None,
        env: Mapping[str, str] | None = None,
        log: str | None = None,
        isolation: Isolation | None = None,
    ) -> int:
        self.before_start()
        with self.started:
            pid = 100 + len(self.programs)
            self.programs[pid] = Started(tuple(argv), ns, env or {}, log, isolation, ignores=self.ignores)
            self.started.notify_all()
        return pid

    def await_program(self, count: int = 1) -> Started:
        """The newest, once there are ``count``."""
        with self.started:
            assert self.started.wait_for(lambda: len(self.programs) >= count, 10), "nothing was started"
            return list(self.programs.values())[count - 1]

    def signal(self, pid: int, number: int) -> None:
        program = self.programs[pid]
        program.signals.append(number)
        if number not in program.ignores:
            program.end(-number)

    def wait(self, pid: int, timeout: float | None = None) -> int | None:
        program = self.programs[pid]
        return program.code if program.ended.wait(timeout if timeout is not None else 60) else None

    def write_file(self, path: str, data: bytes, **_options: Any) -> None:
        self.files[path] = data

    def read_file(self, path: str, *, offset: int = 0) -> bytes:
        if path not in self.files:
            raise AgentError(f"{path}: No such file or directory")
        return self.files[path][offset:]

    def remove(self, path: str) -> None:
        self.removed.append(path)


@pytest.fixture
def api() -> Iterator[MemoryApi]:
    api = MemoryApi()
    yield api
    api.close()


@pytest.fixture
def machine() -> Machine:
    return Machine()


class SpdyClient:
    """The API server's end of a SPDY/3.1 connection, written from the draft and not from our server."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._buffer = b""

    def open(self, stream: int, *, fin: bool = False, **headers: str) -> bytes:
        """The bytes of SYN_STREAM with headers."""
        pairs = [part for name, value in headers.items() for part in (name.encode(), value.encode())]
        block = struct.pack(">I", len(headers)) + b"".join(struct.pack(">I", len(part)) + part for part in pairs)
        packed = self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return self.control(1, struct.pack(">IIH", stream, 0, 0) + packed, fin=fin)

    @staticmethod
    def control(kind: int, body: bytes, *, fin: bool = False) -> bytes:
        return struct.pack(">HHI", 0x8003, kind, (int(fin) << 24) | len(body)) + body

    @staticmethod
    def data(stream: int, data: bytes = b"", *, fin: bool = False) -> bytes:
        return struct.pack(">II", stream, (int(fin) << 24) | len(data)) + data

    def send(self, *frames: bytes) -> None:
        self.connection.sendall(b"".join(frames))

    def frame(self) -> tuple[str, int, bytes, bool] | None:
        """(kind, stream, data, fin) of the next frame; None at the end. A reply's headers are unpacked."""
        head = self._exactly(8)
        if head is None:
            return None
        first, second = struct.unpack(">II", head)
        body, fin = self._exactly(second & 0xFFFFFF) or b"", bool(second >> 24 & 1)
        if not first & 0x80000000:
            return "data", first, body, fin
        kind = {2: "reply", 3: "reset", 6: "ping", 7: "goaway"}[first & 0xFFFF]
        number = struct.unpack_from(">I", body)[0] if body else 0
        return kind, number, self._inflate.decompress(body[4:]) if kind == "reply" else body[4:], fin

    def frames(self) -> list[tuple[str, int, bytes, bool]]:
        """All to the end of the connection."""
        return list(iter(self.frame, None))

    def streams(self) -> dict[int, bytes]:
        """What came on each stream, to the end of the connection."""
        result: dict[int, bytes] = {}
        for kind, stream, data, _ in self.frames():
            if kind == "data":
                result[stream] = result.get(stream, b"") + data
        return result

    def _exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            piece = self.connection.recv(65536)
            if not piece:
                return None
            self._buffer += piece
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


@pytest.fixture(scope="session")
def spdy_client() -> type[SpdyClient]:
    return SpdyClient
