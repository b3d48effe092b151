"""Nodes and cluster: the gates (bonds, API, names of nodes, Calico's addresses), Calico and workloads applied.

Of the manifest of a real Calico nothing is written into the user's folder: what is found goes with a copy of the lab's
``calico/`` into its state folder, and what was used is recorded there (``inputs-used.json``). It is judged before
anything boots by what `labctl.render.cluster` patches; the operator's manifests have none of that
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
from labctl.bonding import bond_trouble
from labctl.cache import cache_dir
from labctl.engine.proving import Running
from labctl.engine.steps import StepContext
from labctl.errors import (
    CheckFailed,
    GateMissed,
    HostError,
    InconclusiveError,
    Place,
    Problem,
    SpecError,
    UsageError,
)
from labctl.host import between, look, not_judged, overloaded
from labctl.kube.api import ApiError, ApiUnreachable, Json
from labctl.kube.apply import Applier, documents, load
from labctl.kube.kubectl import kustomize
from labctl.kube.ready import await_workloads
from labctl.kube.resources import NODES
from labctl.parallel import at_once
from labctl.restore.node import run_scripts
from labctl.state import LabState
from labctl.waiting import DeadlinePassed, NotYet

BOND = "bond0"
ADDRESS = "projectcalico.org/IPv4Address"
"""Where calico-node writes what it detected; Calico's Node is made of it (libcalico-go, backend/k8s/resources)."""
CALICO_RESOURCES = ("ippools.yaml", "bgpconfiguration.yaml", "bgppeers.yaml")


def set_up(lab: Running, context: StepContext, names: Sequence[str] = ()) -> str:
    """Run the scripts of nodes and hosts (all, or those named), then the gate before Calico, which looks once for its
    address: bond0 has a global IPv4 address on every node."""
    known = lab.folder.lab
    wanted = names or [*known.kube_nodes, *known.hosts]
    done = run_scripts(lab.folder.path, wanted, lab.endpoints)
    nodes = [name for name in wanted if name in known.kube_nodes]

    def addressed() -> str | NotYet:
        missing = [node for node in nodes if not _bond_addresses(lab, node)]
        return NotYet(f"no address on {BOND} of {', '.join(missing)}") if missing else done

    return context.wait(addressed, known.limit("nodes"))


def _bond_addresses(lab: Running, node: str) -> frozenset[str]:
    """Global IPv4 addresses of bond0 with their prefix length, as the node's kernel has them; none without a bond0."""
    done = lab.endpoints.exec(node, ["ip", "-j", "addr", "show", "dev", BOND])
    if done.code != 0:
        return frozenset()
    return frozenset(
        f"{info['local']}/{info['prefixlen']}"
        for row in json.loads(done.stdout or b"[]")
        for info in row.get("addr_info", [])
        if info.get("scope") == "global" and info.get("family") == "inet"
    )


def await_bonds(lab: Running, context: StepContext, names: Sequence[str] = ()) -> str:
    """The gate: bond0 of every node (or of those named) has a member that distributes without partner mismatch."""
    nodes = names or lab.folder.lab.kube_nodes

    def one(node: str) -> str | None:
        done = lab.endpoints.exec(node, ["cat", f"/proc/net/bonding/{BOND}"])
        reason = bond_trouble(done.stdout.decode(errors="replace")) if done.code == 0 else f"no {BOND}"
        return f"{node}: {reason}" if reason else None

    def joined() -> str | NotYet:
        reasons = [reason for reason in at_once(nodes, one).values() if reason]
        return NotYet("; ".join(reasons)) if reasons else f"{BOND} of {', '.join(nodes)} distributes"

    return context.wait(joined, lab.folder.lab.limit("bond"))


def _must_run(lab: Running) -> None:
    """What the runtime knows of an end of its parts ends a wait for them: what is waited for would never come."""
    trouble = lab.runtime.observe().detail
    if trouble:
        raise InconclusiveError(trouble, code="cluster-failed")


def await_api(lab: Running, context: StepContext) -> str:
    """The gate: the API server says that it is ready."""

    def ready() -> str | NotYet:
        _must_run(lab)
        try:
            lab.client.cluster.text("/readyz")
        except (ApiUnreachable, ApiError) as error:
            return NotYet(error.message)
        return "the API answers"

    return context.wait(ready, lab.folder.lab.limit("api"))


def await_ready(lab: Running, context: StepContext, namespaces: Sequence[str]) -> str:
    """Until all workloads are. Raises `CheckFailed` when they are not in time; `InconclusiveError` where the host was
    overloaded meanwhile."""
    guest = lab.runtime.observe().guest
    before, deadline = look(guest), context.deadline.at_most(lab.folder.lab.limit("workloads"))
    try:
        return await_workloads(lab.client.cluster, namespaces, deadline, context.cancel)
    except DeadlinePassed as passed:
        if why := overloaded(between(before, look(guest))):
            raise InconclusiveError(not_judged(why, passed.reason), code="host-overloaded") from None
        hint = "labctl kubectl LAB -- describe pod NAME says more"
        raise CheckFailed(f"not ready: {passed.reason}", code="workloads-not-ready", hint=hint) from None


def apply_calico(lab: Running, context: StepContext, kustomization: Path, kubectl: Path) -> str:
    """Calico's manifest with our patch, as ``kubectl kustomize`` makes it out of a folder, and our pools and peers.

    Definitions, pools and peers first, then what uses them: no node starts with pools that are not there.
    """
    manifests = documents(kustomize(kubectl, kustomization), "calico/kustomization.yaml")
    ours = [lab.folder.path / "calico" / name for name in CALICO_RESOURCES]
    items = [*load(path for path in ours if path.is_file()), *manifests]
    return f"{_applied(lab, context, items, 'api')} objects of Calico applied"


def apply_workloads(lab: Running, context: StepContext) -> str:
    """``k8s/*.yaml``."""
    paths = sorted((lab.folder.path / "k8s").glob("*.yaml"))
    return f"{_applied(lab, context, load(paths), 'workloads')} objects of {len(paths)} workloads applied"


def _applied(lab: Running, context: StepContext, items: Sequence[Json], limit: str) -> int:
    deadline = context.deadline.at_most(lab.folder.lab.limit(limit))
    return Applier(lab.client.cluster).apply(items, deadline, context.cancel)


def await_names(lab: Running, context: StepContext) -> str:
    """The gate: the nodes that Kubernetes knows are those of the spec. Raises `GateMissed`.

    Another name ends the wait: a node registers once, so kind did not take the patch that names it.
    """
    names = list(lab.folder.lab.kubernetes.values())

    def registered() -> str | NotYet:
        _must_run(lab)
        found = _nodes(lab)
        if isinstance(found, NotYet):
            return found
        strangers = sorted(found.keys() - set(names))
        if strangers:
            raise GateMissed(
                f"Kubernetes knows {', '.join(strangers)}, which {'is' if len(strangers) == 1 else 'are'} no node of "
                f"the lab ({', '.join(names)}): kind did not take the names out of kind/cluster.yaml",
                code="node-names",
                hint="nodeRegistration.name in the kubeadmConfigPatches of each node says its name",
            )
        missing = [name for name in names if name not in found]
        return NotYet(f"not registered: {', '.join(missing)}") if missing else f"{', '.join(names)} registered"

    try:
        return context.wait(registered, lab.folder.lab.limit("nodes"))
    except DeadlinePassed as passed:
        raise GateMissed(f"nodes are not there: {passed.reason}", code="node-names") from None


def await_calico_addresses(lab: Running, context: StepContext) -> str:
    """The gate: Calico uses bond0's address on every node. Raises `GateMissed` with what Calico has instead."""
    known = lab.folder.lab
    found = at_once(known.kube_nodes, lambda node: _bond_addresses(lab, node))
    bonds = {known.kubernetes[node]: addresses for node, addresses in found.items()}

    def used() -> str | NotYet:
        items = _nodes(lab)
        if isinstance(items, NotYet):
            return items
        found = {name: (item["metadata"].get("annotations") or {}).get(ADDRESS) for name, item in items.items()}
        wrong = []
        for name, expected in bonds.items():
            if name not in found:
                wrong.append(f"{name} is not registered")
            elif found[name] is None:
                wrong.append(f"calico-node has not written an address of {name}")
            elif found[name] not in expected:
                wrong.append(f"{name} has {found[name]}, bond0 has {', '.join(sorted(expected)) or 'none'}")
        return NotYet("; ".join(wrong)) if wrong else ", ".join(f"{name} {found[name]}" for name in bonds)

    try:
        return context.wait(used, known.limit("workloads"), every=0.05)
    except DeadlinePassed as passed:
        raise GateMissed(
            f"Calico does not use bond0: {passed.reason}",
            code="calico-address",
            hint="it looks for its address when it starts: labctl kubectl LAB -- -n kube-system logs ds/calico-node",
        ) from None


def _nodes(lab: Running) -> dict[str, Json] | NotYet:
    """By name; while the API server restarts (kubeadm does that), why there is no answer."""
    try:
        return {item["metadata"]["name"]: item for item in lab.client.cluster.list(NODES)}
    except (ApiUnreachable, ApiError) as error:
        return NotYet(error.message)


# --- the manifest of a real Calico ------------------------------------------------------------------------------------

NAME = "calico.yaml"
"""What the rendered kustomization lists."""
MANIFEST = "https://raw.githubusercontent.com/projectcalico/calico/v{version}/manifests/calico.yaml"
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
    address = (os.environ.get(VARIABLE) or MANIFEST).replace("{version}", version)
    cached = cache_dir() / "calico" / f"v{version}-{hashlib.sha256(address.encode()).hexdigest()[:12]}.yaml"
    if cached.is_file():
        return Manifest({NAME: _read(cached)}, f"{address} (cached)")
    say(f"Calico {version} is fetched from {address}")
    text = fetch_manifest(address)
    try:
        judge_manifest(documents(text, NAME), version, address)
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


def fetch_manifest(address: str) -> str:
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


def lay_manifest(state: LabState, folder: Path, manifest: Manifest, version: str, say: Callable[[str], None]) -> Path:
    """Copy the folder's ``calico/`` with the manifest beside it into the state folder; the path to kustomize.

    Raises `SpecError` when the manifest is none of Calico ``version``.
    """
    items = [item for name, text in manifest.texts.items() for item in documents(text, name)]
    images = judge_manifest(items, version, manifest.source)
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


def judge_manifest(items: Sequence[Json], version: str, file: str) -> list[str]:
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
