"""Workloads that a person wrote: Kubernetes manifests in files beside the spec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import yaml

from labctl.errors import Place, Problem, did_you_mean
from labctl.spec.model import Spec
from labctl.spec.textfile import read_text
from labctl.yamldoc import Document, syntax_problem

SUFFIXES = (".yaml", ".yml")


def is_file(workload: str) -> bool:
    """Whether an entry of ``workloads`` is a file; built-in ones have no extension."""
    return workload.endswith(SUFFIXES)


def stem(workload: str) -> str:
    """What the workload is called in the folder: ``k8s/<stem>.yaml``."""
    return PurePosixPath(workload).stem if is_file(workload) else workload


def read(spec: Spec, found: Document, folder: Path) -> tuple[dict[str, str], list[Problem]]:
    """The text of each manifest that the spec names, and what is wrong with them."""
    texts: dict[str, str] = {}
    problems = list(_calico(spec, found, folder))
    for index, workload in enumerate(spec.workloads or ()):
        if not is_file(workload):
            continue
        place = found.place(("workloads", index))
        path = folder / workload
        if not path.resolve().is_relative_to(folder.resolve()):
            problems.append(Problem("outside-folder", f"{workload} is not beside the spec or below", place))
            continue
        if not path.is_file():
            beside = [str(p.relative_to(folder)) for p in folder.glob("*.y*ml")] if folder.is_dir() else []
            hint = did_you_mean(workload, beside, "paths are relative to the spec")
            problems.append(Problem("no-such-file", f"there is no manifest {workload} beside the spec", place, hint))
            continue
        text, problem = read_text(path)
        if problem is not None:
            problems.append(problem)
            continue
        problems += _objects(str(path), text)
        texts[stem(workload)] = text if text.endswith("\n") else f"{text}\n"
    return texts, problems


def _calico(spec: Spec, found: Document, folder: Path) -> Iterator[Problem]:
    """The file or folder that ``cluster.calico.manifest`` names is there; what is in it is judged by ``up``."""
    wanted = None if spec.cluster == "none" else spec.cluster.calico.manifest
    if wanted is not None and not (folder / wanted).exists():
        beside = [path.name for path in folder.glob("*calico*")] if folder.is_dir() else []
        hint = did_you_mean(wanted, beside, "the path is relative to the spec")
        message = f"there is no Calico manifest {wanted}"
        yield Problem("no-such-file", message, found.place(("cluster", "calico", "manifest")), hint)


def _objects(file: str, text: str) -> Iterator[Problem]:
    """Every document is an object that the API could take: mapping, apiVersion, kind, metadata.name."""
    lines = text.splitlines()

    def place(mark: yaml.Mark) -> Place:
        return Place(file, mark.line + 1, mark.column + 1, lines[mark.line] if mark.line < len(lines) else "")

    count = 0
    try:
        for root in yaml.compose_all(text, Loader=yaml.CSafeLoader):
            if isinstance(root, yaml.ScalarNode) and not root.value:
                continue
            count += 1
            if not isinstance(root, yaml.MappingNode):
                yield Problem(
                    "no-object", "a manifest is a mapping with apiVersion, kind and metadata", place(root.start_mark)
                )
                continue
            keys = {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)}
            missing = [key for key in ("apiVersion", "kind") if key not in keys]
            metadata = keys.get("metadata")
            named = isinstance(metadata, yaml.MappingNode) and any(key.value == "name" for key, _ in metadata.value)
            missing += [] if named else ["metadata.name"]
            if missing:
                yield Problem("no-object", f"this object has no {' and no '.join(missing)}", place(root.start_mark))
    except yaml.YAMLError as error:
        yield syntax_problem(file, text, error)
        return
    if not count:
        yield Problem("empty", "there is no object in this manifest", Place(file))
