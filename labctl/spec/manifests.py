"""Workloads that a person wrote: Kubernetes manifests in files beside the spec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import yaml

from labctl.errors import Place, Problem, did_you_mean
from labctl.spec.model import Spec
from labctl.spec.textfile import read_text
from labctl.yamldoc import Document, documents, syntax_problem

SUFFIXES = (".yaml", ".yml")


def is_file(workload: str) -> bool:
    """Whether an entry of ``workloads`` is a file; built-in ones have no extension."""
    return workload.endswith(SUFFIXES)


def stem(workload: str) -> str:
    """What the workload is called in the folder: ``k8s/<stem>.yaml``."""
    return PurePosixPath(workload).stem if is_file(workload) else workload


def read(spec: Spec, found: Document, folder: Path) -> tuple[dict[str, str], list[Document], list[Problem]]:
    """The text of each manifest that the spec names, the objects in them, and what is wrong with their form."""
    texts: dict[str, str] = {}
    objects: list[Document] = []
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
        objects += _objects(str(path), text, problems)
        texts[stem(workload)] = text if text.endswith("\n") else f"{text}\n"
    return texts, objects, problems


def _calico(spec: Spec, found: Document, folder: Path) -> Iterator[Problem]:
    """The file or folder that ``cluster.calico.manifest`` names is there; what is in it is judged by ``up``."""
    wanted = None if spec.cluster == "none" else spec.cluster.calico.manifest
    if wanted is not None and not (folder / wanted).exists():
        beside = [path.name for path in folder.glob("*calico*")] if folder.is_dir() else []
        hint = did_you_mean(wanted, beside, "the path is relative to the spec")
        message = f"there is no Calico manifest {wanted}"
        yield Problem("no-such-file", message, found.place(("cluster", "calico", "manifest")), hint)


def _objects(file: str, text: str, problems: list[Problem]) -> Iterator[Document]:
    """Every document is an object that the API could take: mapping, apiVersion, kind, metadata.name."""
    count = 0
    try:
        for document in documents(file, text):
            count += 1
            if not isinstance(document.data, dict):
                why = "a manifest is a mapping with apiVersion, kind and metadata"
                problems.append(Problem("no-object", why, document.place(())))
                continue
            metadata = document.data.get("metadata")
            missing = [key for key in ("apiVersion", "kind") if key not in document.data]
            missing += [] if isinstance(metadata, dict) and "name" in metadata else ["metadata.name"]
            if missing:
                why = f"this object has no {' and no '.join(missing)}"
                problems.append(Problem("no-object", why, document.place(())))
            else:
                yield document
    except yaml.YAMLError as error:
        problems.append(syntax_problem(file, text, error))
        return
    if not count:
        problems.append(Problem("empty", "there is no object in this manifest", Place(file)))
