"""Where the manifest of a real Calico comes from: the user's file or folder, else the release's address, once.

Nothing is written into the user's folder: what is found goes with a copy of the lab's ``calico/`` into its state
folder, and what was used is recorded there (``inputs-used.json``).
It is judged before anything boots by what `labctl.render.cluster` patches; the operator's manifests have none of that
(projectcalico/calico, manifests/calico.yaml; the same objects from 3.20 to 3.33).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import yaml

from labctl import __version__
from labctl.cache import cache_dir
from labctl.errors import HostError, InconclusiveError, Place, Problem, SpecError, UsageError
from labctl.kube.api import Json
from labctl.kube.apply import documents
from labctl.state import LabState

NAME = "calico.yaml"
"""What the rendered kustomization lists."""
ADDRESS = "https://raw.githubusercontent.com/projectcalico/calico/v{version}/manifests/calico.yaml"
VARIABLE = "LABCTL_CALICO_URL"
ELSEWHERE = "download it on another machine, then labctl up SPEC --calico FILE"
ANSWER_LIMIT = 30.0
"""Seconds for the connection, and for each piece of the answer."""
LARGEST = 32 * 1024 * 1024
"""Octets; Calico's is 0.35 million."""
CALICO = re.compile(r"(?:^|/)calico/[\w.-]+(?::(?P<tag>[^/@]+))?(?:@.*)?$")
"""An image of Calico, in whatever registry: ``calico/node``, ``registry.example:5000/mirror/calico/cni:v3.32.1``."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Text by file name, and where it came from in words."""

    texts: Mapping[str, str]
    source: str


def find_manifest(folder: Path, version: str, given: Path | None, say: Callable[[str], None]) -> Manifest:
    """The user's (``given``), what lies in the folder's ``calico/`` already, the cache's, else the release's.

    Raises `UsageError` or `SpecError` for what the user has, `HostError` or `InconclusiveError` for the download.
    """
    if given is not None:
        return _users(given)
    laid = folder / "calico" / NAME
    if laid.is_file():
        return Manifest({NAME: _read(laid)}, f"calico/{NAME} of the folder")
    address = (os.environ.get(VARIABLE) or ADDRESS).replace("{version}", version)
    cached = cache_dir() / "calico" / f"v{version}-{hashlib.sha256(address.encode()).hexdigest()[:12]}.yaml"
    if cached.is_file():
        return Manifest({NAME: _read(cached)}, f"{address} (cached)")
    say(f"Calico {version} is fetched from {address}")
    text = fetch(address)
    try:
        judge(documents(text, NAME), version, address)
    except SpecError as error:
        message = f"{address} gave no manifest of Calico {version}: {error.problems[0].message}"
        raise HostError(message, code="calico-download", hint=ELSEWHERE, next_command=None) from None
    cached.parent.mkdir(parents=True, exist_ok=True)
    new = cached.with_suffix(f".{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(cached)
    return Manifest({NAME: text}, address)


def _users(path: Path) -> Manifest:
    if path.is_file():
        return Manifest({NAME: _read(path)}, str(path))
    if not path.is_dir():
        raise UsageError(f"there is no Calico manifest {path}", code="no-calico-manifest", hint="a file or a folder")
    whole = path / NAME
    parts = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml"))
    files = [whole] if whole.is_file() else [file for file in parts if file.name != "kustomization.yaml"]
    if not files:
        raise UsageError(
            f"there is no manifest in {path}", code="no-calico-manifest", hint=f"{NAME}, or several *.yaml"
        )
    return Manifest({file.name: _read(file) for file in files}, str(path))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", code="no-calico-manifest") from None


def fetch(address: str) -> str:
    """The text at an address, through the proxies of the environment. Raises `HostError` or `InconclusiveError`."""
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"{VARIABLE}: {address} is no http or https address", code="calico-download")
    wrong = None
    try:
        with urlopen(address, timeout=ANSWER_LIMIT) as answer:  # noqa: S310 - of these two schemes
            data: bytes = answer.read(LARGEST + 1)
    except HTTPError as error:
        wrong = f"answered {error.code}"
    except (OSError, HTTPException) as error:
        message = f"{address} cannot be fetched: {error}"
        raise InconclusiveError(message, code="calico-download", hint=ELSEWHERE) from None
    if wrong or len(data) > LARGEST:
        message = f"{address} {wrong or 'is too large for a manifest'}"
        raise HostError(message, code="calico-download", hint=ELSEWHERE, next_command=None)
    return data.decode("utf-8", errors="replace")


def lay(state: LabState, folder: Path, manifest: Manifest, version: str, say: Callable[[str], None]) -> Path:
    """Copy the folder's ``calico/`` with the manifest beside it into the state folder; the path to kustomize.

    Raises `SpecError` when the manifest is none of Calico ``version``.
    """
    items = [item for name, text in manifest.texts.items() for item in documents(text, name)]
    images = judge(items, version, manifest.source)
    for image in images:
        if "@" in image:
            why = "an image that was loaded from an archive has none, so it would be pulled"
            say(f"note: {image} has a digest: {why}")
    target = state.root / "calico"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder / "calico", target)
    for name, text in manifest.texts.items():
        (target / name).write_text(text, encoding="utf-8")
    _list_resources(target / "kustomization.yaml", sorted(manifest.texts))
    files = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in manifest.texts.items()}
    row = {"name": "calico", "version": version, "source": manifest.source, "sha256": files, "images": images}
    body = {"schema": "labctl.inputs-used/v1", "generator": f"labctl {__version__}", "inputs": [row]}
    state.write(state.root / "inputs-used.json", json.dumps(body, indent=2) + "\n")
    return target


def _list_resources(path: Path, names: list[str]) -> None:
    """Let the kustomization take all files where it names the one."""
    try:
        body = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        resources = body["resources"]
        index = resources.index(NAME)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
        message = f"calico/kustomization.yaml does not list {NAME} among its resources"
        raise SpecError([Problem("bad-kustomization", message, Place("calico/kustomization.yaml"))]) from None
    if names != [NAME]:
        body["resources"] = [*resources[:index], *names, *resources[index + 1 :]]
        path.write_text(yaml.safe_dump(body, sort_keys=False))


def judge(items: Sequence[Json], version: str, file: str) -> list[str]:
    """Images of a good manifest; ``file`` names it in problems. Raises `SpecError` with everything that is wrong."""
    problems, place = list(_shape(items, file)), Place(file)
    rows = [row for item in items for row in _containers(item)]
    images = list(dict.fromkeys(str(row["image"]) for row in rows if row.get("image")))
    calicos = [(image, match["tag"]) for image in images if (match := CALICO.search(image))]
    if not problems and not calicos:
        problems.append(Problem("no-calico-manifest", "no image of Calico is in it", place))
    for image, tag in calicos:
        if tag and tag != f"v{version}" and not tag.startswith(f"v{version}-"):
            message = f"the lab has Calico {version}, and this manifest has {image}"
            problems.append(Problem("calico-version", message, place, f"cluster.calico.version: {tag.lstrip('v')}"))
    if problems:
        raise SpecError(problems)
    return images


def _shape(items: Sequence[Json], file: str) -> Iterator[Problem]:
    found = {(item["kind"], item["metadata"].get("namespace"), item["metadata"].get("name")): item for item in items}
    hint = "labctl wants manifests/calico.yaml of a release, not the operator's"
    for kind, name in (("DaemonSet", "calico-node"), ("ConfigMap", "calico-config")):
        if (kind, "kube-system", name) not in found:
            yield Problem("no-calico-manifest", f"there is no {kind} {name} in kube-system in it", Place(file), hint)
    node = found.get(("DaemonSet", "kube-system", "calico-node"))
    if node is not None and "calico-node" not in [row.get("name") for row in _containers(node)]:
        message = "its DaemonSet calico-node has no container calico-node"
        yield Problem("no-calico-manifest", message, Place(file), hint)


def _containers(item: Json) -> Iterator[Json]:
    pod: Json = ((item.get("spec") or {}).get("template") or {}).get("spec") or {}
    for field in ("initContainers", "containers"):
        yield from pod.get(field) or ()
