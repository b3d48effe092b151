"""Where Calico's manifest comes from, and what is left behind: a copy in the state folder, nothing in the user's."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from labctl.engine.cluster import Manifest, fetch_manifest, find_manifest, lay_manifest
from labctl.errors import ExitCode, HostError, InconclusiveError, SpecError, UsageError
from labctl.state import LabState

VERSION = "3.32.1"
TEXT = f"""\
kind: ConfigMap
apiVersion: v1
metadata: {{name: calico-config, namespace: kube-system}}
---
kind: DaemonSet
apiVersion: apps/v1
metadata: {{name: calico-node, namespace: kube-system}}
spec: {{template: {{spec: {{containers: [{{name: calico-node, image: "calico/node:v{VERSION}"}}]}}}}}}
"""
CRDS = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: ippools.x}\n"


class Release(ThreadingHTTPServer):
    """Serves what a test puts into ``answers``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.root = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Release

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, body = self.server.answers.get(self.path, (404, b"none"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Release]:
    server = Release()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LABCTL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LABCTL_CALICO_URL", f"{server.root}/v{{version}}/calico.yaml")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    calico = tmp_path / "folder" / "calico"
    calico.mkdir(parents=True)
    (calico / "kustomization.yaml").write_text("resources: [calico.yaml]\npatches: [{path: patch.yaml}]\n")
    (calico / "patch.yaml").write_text("{}\n")
    return calico.parent


@pytest.fixture
def state(tmp_path: Path) -> LabState:
    state = LabState("paper", tmp_path / "state")
    state.make()
    return state


def silent(_text: str) -> None:
    return


def find(folder: Path, given: Path | None = None, say: Callable[[str], None] = silent) -> Manifest:
    return find_manifest(folder, VERSION, given, say)


def test_the_release_is_fetched_once(release: Release, folder: Path) -> None:
    release.answers["/v3.32.1/calico.yaml"] = (200, TEXT.encode())
    told: list[str] = []
    assert find(folder, say=told.append).texts == {"calico.yaml": TEXT}
    again = find(folder, say=told.append)
    assert again.texts == {"calico.yaml": TEXT}
    assert again.source.endswith("(cached)")
    assert release.asked == ["/v3.32.1/calico.yaml"]
    assert told == [f"Calico 3.32.1 is fetched from {release.root}/v3.32.1/calico.yaml"]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, b"none", "answered 404"),
        (200, b"<html>log in to the portal</html>", "gave no manifest of Calico 3.32.1"),
        (200, TEXT.replace("v3.32.1", "v3.30.0").encode(), "this manifest has calico/node:v3.30.0"),
        (200, b"a: [", "gave no manifest of Calico 3.32.1"),
    ],
)  # fmt: skip
def test_a_download_that_is_no_manifest_is_not_kept(
    release: Release, folder: Path, tmp_path: Path, status: int, body: bytes, words: str
) -> None:
    release.answers["/v3.32.1/calico.yaml"] = (status, body)
    with pytest.raises(HostError) as caught:
        find(folder)
    assert caught.value.code == "calico-download"
    assert words in caught.value.message
    assert "--calico FILE" in (caught.value.hint or "")
    assert not list((tmp_path / "cache").rglob("*.yaml"))


def test_without_internet(monkeypatch: pytest.MonkeyPatch, release: Release, folder: Path) -> None:
    monkeypatch.setenv("LABCTL_CALICO_URL", "http://127.0.0.1:1/{version}")
    with pytest.raises(InconclusiveError) as caught:
        find(folder)
    assert caught.value.exit_code == ExitCode.INCONCLUSIVE
    assert "download it on another machine, then labctl up SPEC --calico FILE" in (caught.value.hint or "")


def test_an_address_of_another_kind() -> None:
    with pytest.raises(UsageError, match="no http or https address"):
        fetch_manifest("file:///etc/passwd")


def test_a_file_of_the_user(release: Release, folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(TEXT)
    assert find(folder, mine) == Manifest({"calico.yaml": TEXT}, str(mine))
    assert release.asked == []


def test_a_folder_of_the_user(release: Release, folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    with pytest.raises(UsageError, match="there is no manifest in"):
        find(folder, mine)
    (mine / "node.yaml").write_text(TEXT)
    (mine / "crds.yml").write_text(CRDS)
    (mine / "kustomization.yaml").write_text("resources: []\n")
    assert sorted(find(folder, mine).texts) == ["crds.yml", "node.yaml"]
    (mine / "calico.yaml").write_text(TEXT)
    assert sorted(find(folder, mine).texts) == ["calico.yaml"], "the whole one is taken before its parts"
    with pytest.raises(UsageError, match="there is no Calico manifest"):
        find(folder, tmp_path / "none.yaml")


def test_what_a_person_laid_into_the_folder(release: Release, folder: Path) -> None:
    (folder / "calico" / "calico.yaml").write_text(TEXT)
    assert find(folder).source == "calico/calico.yaml of the folder"
    assert release.asked == []


def test_the_manifest_is_laid_beside_a_copy(folder: Path, state: LabState) -> None:
    before = sorted(path.name for path in (folder / "calico").iterdir())
    laid = lay_manifest(state, folder, Manifest({"calico.yaml": TEXT}, "somewhere"), VERSION, silent)
    assert laid == state.root / "calico"
    assert (laid / "calico.yaml").read_text() == TEXT
    assert (laid / "patch.yaml").is_file()
    assert sorted(path.name for path in (folder / "calico").iterdir()) == before, "nothing in the user's folder"
    used = json.loads((state.root / "inputs-used.json").read_text())
    (row,) = used["inputs"]
    assert (used["schema"], row["name"], row["version"], row["source"]) == (
        "labctl.inputs-used/v1", "calico", VERSION, "somewhere",
    )  # fmt: skip
    assert row["sha256"] == {"calico.yaml": hashlib.sha256(TEXT.encode()).hexdigest()}
    assert row["images"] == ["calico/node:v3.32.1"]
    assert (state.root / "inputs-used.json").stat().st_mode & 0o777 == 0o600


def test_several_manifests_take_the_place_of_the_one(folder: Path, state: LabState) -> None:
    laid = lay_manifest(state, folder, Manifest({"node.yaml": TEXT, "crds.yaml": CRDS}, "mine"), VERSION, silent)
    body = yaml.safe_load((laid / "kustomization.yaml").read_text())
    assert body == {"resources": ["crds.yaml", "node.yaml"], "patches": [{"path": "patch.yaml"}]}


def test_a_manifest_of_another_version_is_refused_before_anything_boots(folder: Path, state: LabState) -> None:
    with pytest.raises(SpecError) as caught:
        lay_manifest(state, folder, Manifest({"calico.yaml": TEXT}, "mine.yaml"), "3.31.7", silent)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "mine.yaml: the lab has Calico 3.31.7" in caught.value.render()
    assert not (state.root / "inputs-used.json").exists()


def test_a_digest_is_told(folder: Path, state: LabState) -> None:
    told: list[str] = []
    text = TEXT.replace(f"v{VERSION}", f"v{VERSION}@sha256:{'0' * 64}")
    lay_manifest(state, folder, Manifest({"calico.yaml": text}, "mine"), VERSION, told.append)
    assert told[0].startswith("note: calico/node:v3.32.1@sha256:")


def test_a_kustomization_without_the_manifest(folder: Path, state: LabState) -> None:
    (folder / "calico" / "kustomization.yaml").write_text("resources: [other.yaml]\n")
    with pytest.raises(SpecError) as caught:
        lay_manifest(state, folder, Manifest({"calico.yaml": TEXT}, "mine"), VERSION, silent)
    assert caught.value.problems[0].code == "bad-kustomization"
