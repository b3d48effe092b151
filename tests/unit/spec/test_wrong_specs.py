"""Specs that were once taken in silence, or refused badly: what is said of each, and where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from labctl.errors import Problem, SpecError
from labctl.spec.load import loads
from tests.goldens import Goldens

ROWS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "data" / "wrong-specs.yaml").read_text(encoding="utf-8")
)
MANIFESTS = {
    "web.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}",
    "np.yaml": "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: np}\nspec: {podSelector: {}}",
    "bad.yaml": "apiVersion: apps/v1\nkind: Deploymnet\nmetadata: {name: web}",
    "img.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: img}
spec:
  selector: {matchLabels: {app: img}}
  template:
    metadata: {labels: {app: img}}
    spec: {containers: [{name: web, image: "registry.corp.example/web:1"}]}""",
}


@pytest.fixture(autouse=True)
def _beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in MANIFESTS.items():
        Path(name).write_text(f"{text}\n")


def text_of(row: dict[str, Any]) -> str:
    """Most rows are behind a first line."""
    return str(row["spec"]) if row.get("whole") else f"name: lab\n{row['spec']}"


def judged(row: dict[str, Any]) -> tuple[list[Problem], str]:
    """What is said of a spec: all problems and warnings, and the text that a person reads."""
    try:
        found = list(loads("lab.yaml", text_of(row), target=("n9kv", "kind") if row.get("real") else None).warnings)
    except SpecError as error:
        return [*error.problems, *error.warnings], f"{error.render()}\n"
    return found, "".join(f"{problem.render()}\n" for problem in found)


def said(row: dict[str, Any]) -> list[Problem]:
    return judged(row)[0]


def short(problem: Problem) -> str:
    """``~3:14 overlap`` for a warning."""
    place = str(problem.place).removeprefix("lab.yaml:")
    return f"{'~' if problem.severity == 'warning' else ''}{place} {problem.code}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["id"]))
def test_what_is_said_and_where(row: dict[str, Any]) -> None:
    assert [short(problem) for problem in said(row)] == row["says"]


@pytest.mark.parametrize("row", [row for row in ROWS if row.get("whole")], ids=lambda row: str(row["id"]))
def test_every_problem_of_a_refused_spec_has_a_place_inside_the_file(row: dict[str, Any]) -> None:
    lines = row["spec"].splitlines()
    with pytest.raises(SpecError) as caught:
        loads("lab.yaml", row["spec"])
    for problem in caught.value.problems:
        assert problem.place is not None
        assert problem.place.file == "lab.yaml"
        if problem.place.line:
            assert problem.place.text == lines[problem.place.line - 1]
            assert 1 <= problem.place.column <= len(problem.place.text) + 1


def test_there_are_enough_bad_specs() -> None:
    assert len([row for row in ROWS if row.get("whole")]) >= 75


def moves_with_the_field(row: dict[str, Any]) -> bool:
    """What is said of versions names the newest ones."""
    return not row.get("whole") and any("version" in text for text in row["says"])


def test_the_messages(golden: Goldens) -> None:
    parts = [f"== {row['id']}\n{judged(row)[1]}" for row in ROWS if not moves_with_the_field(row)]
    golden("spec/wrong.txt", "".join(parts))


def test_as_many_hosts_as_a_border_leaf_has_ports() -> None:
    rows = [f"  - {{name: h{i:02}, attach: border1, announces: [20.{i}.0.0/16]}}\n" for i in range(63)]
    text = f"fabric: {{borders: 1}}\nexternal:\n{''.join(rows)}"
    assert [short(problem) for problem in said({"spec": text})] == ["4:3 too-many-ports"]
    assert said({"spec": text.replace(rows[0], "")}) == []


@pytest.mark.parametrize(
    ("manifest", "code"),
    [
        ("apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a}", "1:13 no-such-kind"),
        ("apiVersion: v1\nkind: Gadget\nmetadata: {name: a}", "~2:7 no-such-kind"),
        ("apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: a}", None),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}", "3:32 no-such-namespace"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{image: docker.io/library/nginx}]}",
            None,
        ),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: [what, is, this]", None),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {<<: {}, containers: [{image: x}]}", None),
    ],
)
def test_an_object_of_ones_own(manifest: str, code: str | None) -> None:
    Path("web.yaml").write_text(f"{manifest}\n")
    expected = [] if code is None else [code]
    assert [short(p).replace("web.yaml:", "") for p in said({"spec": "workloads: [web.yaml]"})] == expected


def test_an_image_that_no_stand_in_runs_is_fine_on_kind() -> None:
    assert said({"spec": "workloads: [img.yaml, np.yaml]", "real": True}) == []


PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: web}}
spec: {nodeName: node01, containers: [{name: c, image: nginx}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec: {replicas: 2, template: {spec: {containers: [{name: c, image: nginx}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
"""


@pytest.mark.parametrize(
    ("traffic", "codes"),
    [
        ("pings: [{from: {node: node01, pod: a}, to: {node: node02, pod: db-1}}]", []),
        ("pings: [{from: {node: node01, pod: db-2}, to: {node: node02, pod: db-1}}]", ["no-such-pod"]),
        ("pings: [{from: {node: node02, pod: a}, to: {node: node01, pod: db-1}}]", ["other-node"]),
        ("curls: [{from: master, service: web, backends: node01}]", []),
        ("curls: [{from: master, service: web, backends: node02}]", ["other-node"]),
        ("curls: [{from: master, service: empty, backends: node02}]", ["no-backends"]),
        ("curls: [{from: master, service: web, namespace: shop, backends: node01}]", ["no-such-service"]),
        ("curls: [{from: master, service: nginx-service, backends: node01}]", []),
        ("curls: [{from: master, service: nginx-service, backends: node02}]", ["other-node"]),
        ("curls: [{from: master, service: my-service-ipv4, backends: node02}]", ["no-such-service"]),
    ],
)
def test_traffic_names_what_somebody_brings(traffic: str, codes: list[str]) -> None:
    Path("web.yaml").write_text(PODS)
    row = {"spec": f"workloads: [nginx, web.yaml]\ntraffic: {{{traffic}}}\n"}
    assert [problem.code for problem in said(row)] == codes


@pytest.mark.parametrize(
    "text", ["node01", "lab-worker", "lab-worker2", "lab-control-plane", "master", "spine1", "lab"]
)
def test_no_host_is_called_like_a_node_that_labctl_names(text: str) -> None:
    row = {"spec": f"fabric: {{borders: 1}}\nexternal: [{{name: {text}, attach: border1, announces: [12.1.0.0/16]}}]"}
    assert {problem.code for problem in said(row)} == {"duplicate-name"}


def test_what_may_lie_in_what() -> None:
    """The underlay is a table of its own; prefixes lie in one another; the service range may lie in an IPv6 pool."""
    text = """\
fabric: {borders: 1, vrfs: [{networks: [{gateway: 10.2.0.1/24}]}]}
external: [{name: ext1, attach: border1, announces: [10.0.0.0/9, 10.1.0.0/16]}]
cluster: {calico: {pools: [{cidr: 10.4.0.0/24}]}}
"""
    assert [problem.code for problem in said({"spec": text})] == ["overlap"]
    assert said({"spec": text.replace("10.0.0.0/9", "10.3.0.0/16")}) == []


def test_every_id_has_one_row() -> None:
    ids = [row["id"] for row in ROWS]
    assert len(set(ids)) == len(ids)
    says = re.compile(r"~?(\w+\.yaml:)?\d+:\d+ [a-z0-9-]+|lab.yaml empty")
    assert all(says.fullmatch(text) for row in ROWS for text in row["says"])
