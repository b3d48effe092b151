"""Requests to the Kubernetes API: what is sent, and what errors become."""

from __future__ import annotations

import base64
import socket
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from labctl.errors import ExitCode
from labctl.kube.api import Access, Api, ApiError, ApiLate, ApiUnreachable, Resource, access_from_kubeconfig
from labctl.kube.exec import exit_code
from labctl.kube.resources import IP_POOLS, NODES, PODS
from labctl.pace import LIMITS


@pytest.mark.parametrize(
    ("resource", "where", "path"),
    [
        (PODS, (), "/api/v1/pods"),
        (PODS, ("default",), "/api/v1/namespaces/default/pods"),
        (PODS, ("default", "web"), "/api/v1/namespaces/default/pods/web"),
        (PODS, ("default", "web", "status"), "/api/v1/namespaces/default/pods/web/status"),
        (NODES, (None, "node01"), "/api/v1/nodes/node01"),
        (NODES, ("default", "node01"), "/api/v1/nodes/node01"),
        (IP_POOLS, (None, "p"), "/apis/crd.projectcalico.org/v1/ippools/p"),
        (Resource("apps/v1", "deployments"), ("a", "b"), "/apis/apps/v1/namespaces/a/deployments/b"),
    ],
)
def test_paths(resource: Resource, where: tuple[str | None, ...], path: str) -> None:
    assert resource.path(*where) == path


@pytest.mark.parametrize(
    ("call", "method", "kind", "query"),
    [
        (lambda api: api.get("/x", fieldSelector="a=b"), "GET", "", {"fieldSelector": "a=b"}),
        (lambda api: api.create("/x", {"a": 1}), "POST", "application/json", {}),
        (lambda api: api.update("/x", {"a": 1}), "PUT", "application/json", {}),
        (lambda api: api.patch("/x", {"a": 1}), "PATCH", "application/merge-patch+json", {}),
        (
            lambda api: api.apply("/x", {"a": 1}), "PATCH", "application/apply-patch+yaml",
            {"fieldManager": "labctl", "force": "true"},
        ),
        (lambda api: api.delete("/x"), "DELETE", "", {}),
    ],
)  # fmt: skip
def test_requests(server: Any, api: Api, call: Any, method: str, kind: str, query: dict[str, str]) -> None:
    server.answers[method, "/x"] = (200, {"ok": True})
    assert call(api) == {"ok": True}
    ((asked, path, asked_query, _, asked_kind),) = server.asked
    assert (asked, path, asked_query, asked_kind) == (method, "/x", query, kind)


@pytest.mark.parametrize(
    ("answer", "status", "reason", "message"),
    [
        ((409, {"reason": "Conflict", "message": "changed"}), 409, "Conflict", "GET /x: changed"),
        ((403, b"forbidden by a proxy"), 403, "", "GET /x: HTTP 403 forbidden by a proxy"),
        ((500, b"[]"), 500, "", "GET /x: HTTP 500 []"),
    ],
)
def test_refusals(server: Any, api: Api, answer: Any, status: int, reason: str, message: str) -> None:
    server.answers["GET", "/x"] = answer
    with pytest.raises(ApiError) as caught:
        api.get("/x")
    assert (caught.value.status, caught.value.reason, caught.value.message) == (status, reason, message)


def test_what_is_not_there(server: Any, api: Api) -> None:
    assert api.find("/x") is None
    server.answers["GET", "/x"] = (403, {"message": "no"})
    with pytest.raises(ApiError):
        api.find("/x")


def test_lists_and_texts(server: Any, api: Api) -> None:
    server.answers["GET", "/api/v1/nodes"] = [(200, {"items": [{"a": 1}]}), (200, {"items": None})]
    assert api.list(NODES) == [{"a": 1}]
    assert api.list(NODES) == []
    server.answers["GET", "/log"] = (200, b"caf\xc3\xa9 \xff\n")
    assert api.text("/log") == "café \ufffd\n"
    with pytest.raises(ApiError):
        api.text("/none")


def test_nobody_answers() -> None:
    api = Api(Access("http://127.0.0.1:1", "", "", ""))
    with pytest.raises(ApiUnreachable, match="GET /x"):
        api.get("/x")


def test_an_api_that_answers_late_is_no_broken_labctl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "api", 0.05)  # type: ignore[index]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api = Api(Access(f"http://127.0.0.1:{silent.getsockname()[1]}", "", "", ""))
        with pytest.raises(ApiLate, match=r"^PATCH /x: the API did not answer within 0 s$") as late:
            api.apply("/x", {"a": 1})
    assert late.value.exit_code is ExitCode.INCONCLUSIVE


def test_an_api_that_was_not_done_in_time_refused_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(Access("http://127.0.0.1:9", "", "", ""))
    busy = SimpleNamespace(status=504, data=b'{"reason": "Timeout", "message": "context deadline exceeded"}')
    monkeypatch.setattr(api._pool, "request", lambda *_words, **_more: busy)
    with pytest.raises(ApiLate, match="context deadline exceeded"):
        api.apply("/x", {"a": 1})


def kubeconfig(folder: Path) -> Path:
    names = {"certificate-authority": "ca", "client-certificate": "crt", "client-key": "key"}
    data = {f"{name}-data": base64.b64encode(text.encode()).decode() for name, text in names.items()}
    cluster = {"server": "https://127.0.0.1:6443"} | {k: v for k, v in data.items() if k.startswith("cert")}
    user = {k: v for k, v in data.items() if k.startswith("client")}
    body = {
        "clusters": [{"name": "other", "cluster": {}}, {"name": "lab", "cluster": cluster}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "lab", "user": "admin"}}],
        "current-context": "c",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(body))
    return path


def test_a_kubeconfig_with_everything_inside(tmp_path: Path) -> None:
    access = access_from_kubeconfig(kubeconfig(tmp_path), tmp_path)
    assert access.server == "https://127.0.0.1:6443"
    texts = [Path(file).read_text() for file in (access.authority, access.certificate, access.key)]
    assert texts == ["ca", "crt", "key"]
    assert stat.S_IMODE(Path(access.key).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"status": "Success"}, 0),
        ({"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}, 3),
        ({"status": "Failure", "details": {"causes": [{"reason": "Other", "message": "x"}]}}, 1),
        ({"status": "Failure", "details": None}, 1),
        ({}, 1),
    ],
)
def test_exit_codes(status: dict[str, Any], code: int) -> None:
    assert exit_code(status) == code
