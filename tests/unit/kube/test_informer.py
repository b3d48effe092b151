"""A local copy by list and watch, against a server that ends watches, forgets versions and goes away."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import pytest

from labctl.kube import informer as informer_module
from labctl.kube.api import ApiUnreachable
from labctl.kube.informer import Informer, key_of

PATH = "/api/v1/pods"
Told = tuple[str, str, str]


def pod(name: str, version: int, uid: str | None = None) -> dict[str, Any]:
    meta = {"namespace": "default", "name": name, "resourceVersion": str(version), "uid": uid or f"uid-{name}"}
    return {"metadata": meta}


def listing(version: int, *items: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"items": list(items), "metadata": {"resourceVersion": str(version)}}


class Followed:
    """An informer, what it told, and what it logged."""

    def __init__(self, server: Any, caplog: pytest.LogCaptureFixture, **query: str) -> None:
        self.server = server
        self.told: queue.Queue[Told] = queue.Queue()
        caplog.set_level("INFO")
        self._logged = caplog
        self.unreachable = False
        self.informer = Informer(server.api(), PATH, self._tell, **query)

    def _tell(self, kind: str, item: Any) -> None:
        if self.unreachable:
            self.unreachable = False
            raise ApiUnreachable("not now")
        self.told.put((kind, item["metadata"]["name"], item["metadata"]["uid"]))

    @property
    def lines(self) -> list[str]:
        return [row.getMessage() for row in self._logged.records if row.name == informer_module.__name__]

    def next(self) -> tuple[str, str]:
        kind, name, _ = self.told.get(timeout=10)
        return kind, name

    def watch(self) -> Any:
        return self.server.watches.get(timeout=10)

    def names(self) -> set[str]:
        return {key_of(item) for item in self.informer.items()}


@pytest.fixture
def followed(server: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Followed]:
    monkeypatch.setattr(informer_module, "RETRY", 0.01)
    server.answers["GET", PATH] = listing(5, pod("a", 3), pod("b", 4))
    followed = Followed(server, caplog)
    yield followed
    followed.informer.stop()


def test_list_then_watch(followed: Followed) -> None:
    followed.informer.start()
    assert [followed.next(), followed.next()] == [("ADDED", "a"), ("ADDED", "b")]
    watch = followed.watch()
    assert watch.query["resourceVersion"] == "5"
    assert watch.query["allowWatchBookmarks"] == "true"
    assert followed.informer.synced.is_set()
    watch.event("ADDED", pod("c", 6))
    watch.event("MODIFIED", pod("a", 7))
    watch.event("DELETED", pod("b", 8))
    assert [followed.next() for _ in range(3)] == [("ADDED", "c"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert followed.names() == {"default/a", "default/c"}
    versions = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in followed.informer.items()}
    assert versions == {"a": "7", "c": "6"}
    watch.end()


def test_a_watch_that_ends_is_gone_on_with_from_its_last_version(followed: Followed) -> None:
    followed.informer.start()
    watch = followed.watch()
    watch.event("MODIFIED", pod("a", 9))
    watch.raw(b'{"type": "BOOKMARK", "object": {"metadata": {"resource')
    watch.raw(b'Version": "12"}}}\n\n')
    watch.end()
    again = followed.watch()
    assert again.query["resourceVersion"] == "12"
    assert followed.server.asked_for("GET").count(PATH) == 3, "one list, two watches"
    again.end()


def test_410_gone_is_listed_anew(followed: Followed) -> None:
    """What happened meanwhile is told as differences."""
    followed.informer.start()
    watch = followed.watch()
    for _ in range(2):
        followed.next()
    followed.server.answers["GET", PATH] = listing(20, pod("a", 3), pod("c", 15))
    watch.event("ERROR", {"code": 410, "reason": "Expired", "message": "too old resource version"})
    watch.end()
    assert {followed.next(), followed.next()} == {("DELETED", "b"), ("ADDED", "c")}
    again = followed.watch()
    assert again.query["resourceVersion"] == "20"
    assert followed.told.empty(), "what is as it was is not told"
    assert followed.lines == []
    again.end()


def test_a_changed_and_a_replaced_object_after_a_gap(followed: Followed) -> None:
    """Same name, other uid: the old one was deleted, and who keeps it by uid must hear of that."""
    followed.informer.start()
    watch = followed.watch()
    for _ in range(2):
        followed.next()
    followed.server.answers["GET", PATH] = listing(20, pod("a", 10), pod("b", 11, uid="another"))
    watch.event("ERROR", {"code": 410})
    watch.end()
    told = [followed.told.get(timeout=10) for _ in range(3)]
    assert told == [("DELETED", "b", "uid-b"), ("MODIFIED", "a", "uid-a"), ("ADDED", "b", "another")]
    followed.watch().end()


def test_a_connection_that_breaks_is_told_and_made_again(followed: Followed) -> None:
    followed.informer.start()
    followed.watch().raw(b"break")
    again = followed.watch()
    assert len(followed.lines) == 1
    assert f"watch {PATH}" in followed.lines[0]
    assert followed.names() == {"default/a", "default/b"}
    again.end()


def test_a_server_that_refuses_is_asked_again(followed: Followed) -> None:
    refusal = (403, {"reason": "Forbidden", "message": "not yet"})
    followed.server.answers["GET", PATH] = [refusal, refusal, listing(5, pod("a", 3))]
    followed.informer.start()
    assert followed.next() == ("ADDED", "a")
    assert followed.lines == [f"watching {PATH}: GET {PATH}: not yet"] * 2
    followed.watch().end()


def test_a_handler_that_cannot_reach_the_api_does_not_end_the_watch(followed: Followed) -> None:
    followed.unreachable = True
    followed.informer.start()
    assert followed.next() == ("ADDED", "b")
    followed.watch().end()


def test_selectors_go_with_list_and_watch(server: Any, caplog: pytest.LogCaptureFixture) -> None:
    server.answers["GET", PATH] = listing(5)
    followed = Followed(server, caplog, fieldSelector="spec.nodeName=node01")
    followed.informer.start()
    watch = followed.watch()
    assert watch.query["fieldSelector"] == "spec.nodeName=node01"
    assert server.asked[0][2] == {"fieldSelector": "spec.nodeName=node01"}
    followed.informer.stop()
    watch.end()


@pytest.mark.parametrize(("item", "key"), [(pod("a", 1), "default/a"), ({"metadata": {"name": "n"}}, "n")])
def test_keys(item: dict[str, Any], key: str) -> None:
    assert key_of(item) == key
