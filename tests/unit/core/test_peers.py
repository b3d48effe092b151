"""One table says what is known of other people's versions, and no page or module says another thing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from labctl import peers
from labctl.design.versions import of_cluster
from labctl.spec.load import loads

ROOT = Path(__file__).parents[3]
NOT_SAID_BY_HAND = {ROOT / "labctl" / "peers.py", ROOT / "docs" / "whitepaper.md"}
"""The table itself, and the record of runs."""
CONTAINERLABS = {peers.dotted(row.since) for row in peers.CONTAINERLAB} | {
    peers.dotted(peers.CONTAINERLAB_TESTED), peers.dotted(peers.CONTAINERLAB_KNOWN), "0.78.2",
}  # fmt: skip
IMAGES = {version for row in peers.KIND.values() for version in row.images}
SAID = {
    r"kindest/node:v(\d+\.\d+\.\d+)": IMAGES,
    r"[Cc]ontainerlab`?(?: up to)? \(?v?(\d+\.\d+(?:\.\d+)?)": CONTAINERLABS,
    r"\bkind v?(\d+\.\d+(?:\.\d+)?)": {*peers.KIND, peers.KIND_COMMAND, "0.33"},
    r"\bcalico[-/](?:[a-z-]+:v)?(\d+\.\d+\.\d+)": {*peers.STANDIN_CALICO},
}


def pages() -> Iterator[Path]:
    for pattern in ("*.md", "docs/*.md", "images/*.md", "kind/*.md", "topologies/*", "bench/*.py", "labctl/**/*"):
        for path in ROOT.glob(pattern):
            if path.suffix in {".md", ".py", ".j2", ".yaml"} and path.name != "CHANGELOG.md":
                yield path


def test_every_page_and_module_says_what_the_table_says() -> None:
    wrong, count = [], 0
    for path in set(pages()) - NOT_SAID_BY_HAND:
        text = path.read_text(encoding="utf-8")
        for pattern, known in SAID.items():
            found = re.findall(pattern, text)
            count += len(found)
            wrong += [f"{path.relative_to(ROOT)}: {pattern}: {one}" for one in found if one not in known]
    assert wrong == []
    assert count > 20


def test_pages_that_name_a_default_name_todays() -> None:
    kubernetes, calico = of_cluster(loads("lab.yaml", "name: lab\n"), "kind")
    older = of_cluster(loads("lab.yaml", "name: lab\n"), "kind", peers.dotted(peers.CONTAINERLAB_TESTED))[0]
    for page, words in {
        "images/README.md": (
            f"`v{kubernetes}` unless the spec says otherwise, `v{older}` for containerlab",
            f"docker pull kindest/node:v{kubernetes}",
            f"`v{calico}` unless the spec says otherwise",
        ),
        "kind/README.md": (
            f"--image kindest/node:v{kubernetes} ",
            f"Kubernetes up to {peers.dotted(peers.KIND['0.32'].kubernetes[1])} with containerlab 0.80 or newer",
            f"{peers.dotted(peers.KIND['0.31'].kubernetes[1])} at most",
        ),
        "labctl/starter.yaml": (f"kindest/node:v{kubernetes}", f"nxos: {peers.NXOS_DEFAULT}", peers.STANDIN_KUBERNETES),
        "labctl/cli/configured.py": (f"kindest/node:v{kubernetes}",),
        "docs/spec.md": (f"kindest/node:v{kubernetes}", f"calico-{calico}.yaml", f'"{peers.NXOS_DEFAULT}"'),
        "scripts/install": (f"kind=v{peers.KIND_COMMAND}\n",),
        "README.md": (f"containerlab ({peers.dotted(peers.CONTAINERLAB_OLDEST)} or newer)",),
    }.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [word for word in words if word not in text] == [], page


def test_the_rows_agree_among_themselves() -> None:
    for table in (peers.CONTAINERLAB, peers.CALICO, peers.NXOS):
        assert all(newer.since > older.since for newer, older in pairwise(table))
    assert {row.kind for row in peers.CONTAINERLAB} == set(peers.KIND)
    assert all(not peers.outside(image, row.kubernetes) for row in peers.KIND.values() for image in row.images)
    for row in peers.CALICO:
        assert all(peers.calico(version) is row for version in row.standin)
    kubernetes, calico = of_cluster(loads("lab.yaml", "name: lab\n"), "kind")
    tested = peers.calico(calico).kubernetes
    assert tested is not None
    assert not peers.outside(kubernetes, tested)
    assert peers.CONTAINERLAB_TESTED <= peers.CONTAINERLAB_KNOWN
    assert not peers.outside(peers.NXOS_DEFAULT, peers.NXOS_KNOWN)


@pytest.mark.parametrize(
    ("version", "since"),
    [("0.78.2", (0, 78, 2)), ("0.78", (0, 78, 2)), ("0.60", (0, 78, 2)), ("0.79", (0, 78, 2)), ("0.80.4", (0, 80)),
     ("0.81", (0, 81)), ("1.0", (0, 81)), ("0.0.0", (0, 81))],
)  # fmt: skip
def test_the_row_of_a_containerlab(version: str, since: peers.Version) -> None:
    assert peers.containerlab(version).since == since


def test_who_reads_a_topology() -> None:
    assert peers.readers(peers.EXTRAS) == "0.78.2 to 0.80"
    assert peers.readers(peers.ON_NODE) == "0.81 or newer"
    assert peers.readers(frozenset()) == "0.78.2 or newer"
    assert peers.readers(peers.EXTRAS | peers.ON_NODE) == "no containerlab"


@pytest.mark.parametrize(
    ("version", "how_far"),
    [("1.32.9", 0), ("1.35.0", 0), ("1.31.9", 1), ("1.37.0", 2), ("1.20", 12), ("2.0", 99), ("0.99", 99)],
)
def test_how_far_a_version_is_from_a_range(version: str, how_far: int) -> None:
    assert peers.outside(version, ((1, 32), (1, 35))) == how_far
    assert peers.numbers("10.5(4)") == (10, 5, 4)
    assert peers.numbers("latest") == ()
