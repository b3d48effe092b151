"""A local copy of one kind of object, kept by list and watch, with a callback (as client-go's shared informer)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from labctl.kube.api import Api, ApiError, ApiUnreachable, Json

log = logging.getLogger(__name__)
Handler = Callable[[str, Json], None]
"""Called with ``ADDED``, ``MODIFIED`` or ``DELETED`` and the object, on the informer's thread."""

RETRY = 0.5
"""Seconds between two tries to reach an API server that does not answer."""


def key_of(item: Json) -> str:
    """``namespace/name``, or ``name`` for cluster-wide objects."""
    meta = item["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else str(meta["name"])


def _uid(item: Json | None) -> str | None:
    """What tells an object from a later one of the same name."""
    return None if item is None else str(item["metadata"].get("uid", ""))


class Informer:
    """One list-and-watch loop on a thread of its own."""

    def __init__(self, api: Api, path: str, handler: Handler, **query: str) -> None:
        self._api = api
        self._path = path
        self._handler = handler
        self._query = query
        self._items: dict[str, Json] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.synced = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {path}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Give up at the next event; the thread is a daemon."""
        self._stopping.set()

    def items(self) -> list[Json]:
        """All objects now."""
        with self._lock:
            return list(self._items.values())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                version = self._list()
                while not self._stopping.is_set():
                    version = self._watch(version)
            except (ApiError, ApiUnreachable) as error:
                if isinstance(error, ApiError) and error.status == 410:
                    continue
                if not self._stopping.is_set():
                    log.info("watching %s: %s", self._path, error)
                self._stopping.wait(RETRY)

    def _list(self) -> str:
        answer = self._api.get(self._path, **self._query)
        found = {key_of(item): item for item in answer.get("items") or []}
        with self._lock:
            gone = [item for key, item in self._items.items() if _uid(found.get(key)) != _uid(item)]
            old, self._items = self._items, found
        for item in gone:
            self._tell("DELETED", item)
        for key, item in found.items():
            if _uid(old.get(key)) != _uid(item):
                self._tell("ADDED", item)
            elif old[key]["metadata"].get("resourceVersion") != item["metadata"].get("resourceVersion"):
                self._tell("MODIFIED", item)
        self.synced.set()
        return str(answer["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> str:
        for event in self._api.watch(self._path, version, self._query):
            if self._stopping.is_set():
                return version
            item = event["object"]
            version = item["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                continue
            with self._lock:
                if event["type"] == "DELETED":
                    self._items.pop(key_of(item), None)
                else:
                    self._items[key_of(item)] = item
            self._tell(event["type"], item)
        return version

    def _tell(self, kind: str, item: Json) -> None:
        with suppress(ApiUnreachable):
            self._handler(kind, item)
