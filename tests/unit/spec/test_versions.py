"""Which versions a spec may ask for, alone and together, and what is said of those that are only doubtful."""

from __future__ import annotations

import pytest

from labctl.design.versions import image_version, of_cluster
from labctl.errors import SpecError
from labctl.spec.load import loads

KIND = ("n9kv", "kind")


def said(more: str, target: tuple[str, str] = KIND, containerlab: str | None = None) -> tuple[list[str], list[str]]:
    """Messages of errors and of warnings."""
    try:
        spec = loads("lab.yaml", f"name: lab\n{more}", target=target, containerlab=containerlab)
    except SpecError as error:
        return [problem.message for problem in error.problems], [problem.message for problem in error.warnings]
    return [], [problem.message for problem in spec.warnings]


def cluster(kubernetes: str | None, calico: str | None) -> str:
    rows = [f"kubernetes: {kubernetes}"] if kubernetes else []
    return f"cluster: {{{', '.join([*rows, *([f'calico: {{version: {calico}}}'] if calico else [])])}}}\n"


@pytest.mark.parametrize(
    ("containerlab", "kubernetes", "calico", "found"),
    [
        (None, None, None, ("1.37.0", "3.33.0")),
        ("0.79", None, None, ("1.35.1", "3.33.0")),
        (None, "1.34.0", None, ("1.34.0", "3.32.2")),
        (None, None, "3.32.1", ("1.36.4", "3.32.1")),
        ("0.79", None, "3.31.7", ("1.35.1", "3.31.7")),
    ],
)
def test_what_is_left_out_goes_with_what_is_said(
    containerlab: str | None, kubernetes: str | None, calico: str | None, found: tuple[str, str]
) -> None:
    text = f"name: lab\n{cluster(kubernetes, calico)}"
    spec = loads("lab.yaml", text, target=KIND, containerlab=containerlab)
    assert spec.warnings == ()
    assert of_cluster(spec, "kind", containerlab or "0.81") == found


def test_an_image_says_what_is_in_it() -> None:
    spec = loads("lab.yaml", "name: lab\nimages: {node: 'kindest/node:v1.34.11'}\n", target=KIND)
    assert of_cluster(spec, "kind") == ("1.34.11", "3.32.2")
    assert image_version("my/node:lab", "node") is None
    assert image_version("my/builder:2026.11.30", "node") is None


@pytest.mark.parametrize(
    ("kubernetes", "calico", "error", "warning"),
    [
        ("1.37.0", "3.33.0", None, None),
        ("1.36.4", "3.32.2", None, None),
        ("1.34.0", "3.33.0", None, "Calico 3.33.0 is tested with Kubernetes 1.35 to 1.37"),
        ("1.35.1", "3.26.0", "Calico 3.26.0 is tested with Kubernetes 1.24 to 1.27, and the cluster has 1.35.1", None),
        ("1.38.0", None, None, "runs Kubernetes 1.24 to 1.37, not 1.38.0"),
        ("1.39.0", None, "runs Kubernetes 1.24 to 1.37, not 1.39.0", None),
        (None, "3.34.0", None, "labctl knows Calico 3.26 to 3.33 on the Kubernetes of kind, not 3.34.0"),
        (None, "3.25.9", "labctl knows Calico 3.26 to 3.33", None),
        (None, "9.9.9", "labctl knows Calico 3.26 to 3.33", None),
    ],
)
def test_what_goes_together_on_kind(
    kubernetes: str | None, calico: str | None, error: str | None, warning: str | None
) -> None:
    errors, warnings = said(cluster(kubernetes, calico))
    for wanted, found in ((error, errors), (warning, warnings)):
        assert wanted in found[0] if wanted else not found, found


def test_kubernetes_of_an_older_containerlab() -> None:
    text = cluster("1.37.0", None)
    assert said(text) == ([], [])
    errors, _ = said(text, containerlab="0.79")
    assert errors == ["the kind 0.31 of containerlab 0.79 runs Kubernetes 1.24 to 1.36, not 1.37.0"]


@pytest.mark.parametrize(
    ("kubernetes", "calico", "good"),
    [
        (None, None, True), ("1.34.3", "3.32.1", True), (None, "3.33.0", True), (None, "3.32.2", True),
        ("1.33.0", None, False), ("1.37.0", None, False), (None, "3.19.9", False), (None, "3.33.1", False),
    ],
)  # fmt: skip
def test_what_the_stand_in_is(kubernetes: str | None, calico: str | None, good: bool) -> None:
    errors, warnings = said(cluster(kubernetes, calico), ("standin", "standin"))
    assert (not errors) is good
    assert warnings == []


@pytest.mark.parametrize(
    ("text", "target", "warning"),
    [
        ('fabric: {nxos: "10.7(1)"}', KIND, "labctl knows NX-OS 9.2 to 10.6, not 10.7(1)"),
        ('fabric: {nxos: "10.6(2)"}', KIND, None),
        ("images: {switch: 'vrnetlab/cisco_n9kv:10.5.5'}", KIND,
         "this image has NX-OS 10.5(5), and the configuration is written for 10.5(4)"),
        ("images: {switch: 'vrnetlab/cisco_n9kv:10.5.4.M.lite'}", KIND, None),
        ("images: {switch: 'my/n9kv:lab'}", KIND, None),
        ("images: {switch: 'vrnetlab/cisco_n9kv:10.5.4'}", ("standin", "standin"),
         "vrnetlab/cisco_n9kv:10.5.4 is no stand-in, and the target has stand-ins there"),
        ("images: {node: 'kindest/node:v1.35.1'}", ("n9kv", "standin"),
         "kindest/node:v1.35.1 is no stand-in, and the target has stand-ins there"),
        ("images: {switch: 'my/standin:1', host: 'vrnetlab/x:1'}", ("standin", "standin"), None),
    ],
)  # fmt: skip
def test_switches_and_images(text: str, target: tuple[str, str], warning: str | None) -> None:
    assert said(f"{text}\n", target) == ([], [warning] if warning else [])
