"""Pages that are generated are what the code says today; the README names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labctl.cli.sources import folder_of
from labctl.cli.words import VERBS
from labctl.graph import draw
from labctl.labjson import lab_schema
from labctl.report.evidencefolder import evidence_schema
from tests.unit.docs.scenarios_page import reference as scenarios
from tests.unit.docs.spec_page import reference as spec
from tests.unit.docs.verbs_page import reference as verbs

ROOT = Path(__file__).parent.parent.parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
IMAGES = {"labctl/host", "labctl/k8s-standin", "labctl/n9kv-standin"}


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("cli.md", verbs),
        ("spec.md", spec),
        ("scenarios.md", scenarios),
        ("lab.schema.json", lab_schema),
        ("evidence.schema.json", evidence_schema),
    ],
)
def test_generated_pages_are_up_to_date(page: str, text: object) -> None:
    assert callable(text)
    assert (ROOT / "docs" / page).read_text() == text(), "run `make docs`"


def test_the_picture_is_what_is_drawn_today() -> None:
    with folder_of(ROOT / "topologies" / "whitepaper.yaml") as folder:
        assert (ROOT / "docs" / "graph" / "whitepaper.svg").read_text() == draw(folder), "run `make docs`"


def test_every_link_of_the_pages_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_file_that_the_pages_name_is_there() -> None:
    """Such as `labctl/peers.py` or `tests/rendered.py`; a name with a part that is left open is none."""
    for page in PAGES:
        if page.name != "CHANGELOG.md":  # of what was there then
            named = set(re.findall(r"`((?:labctl|tests|bench|docs|scripts|topologies)/[\w./-]+)`", page.read_text()))
            assert {name for name in named - IMAGES if not (ROOT / name).exists()} == set(), page.name


def test_the_readme_uses_verbs_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    used = {*re.findall(r"`labctl ([a-z]+)", text), *re.findall(r"^labctl ([a-z]+)", text, re.MULTILINE)}
    assert len(used) > 8
    assert used - set(VERBS) == set()


def test_the_readme_shows_the_minimal_topology() -> None:
    spec_text = (ROOT / "topologies" / "minimal.yaml").read_text()
    body = "".join(line for line in spec_text.splitlines(keepends=True) if not line.startswith("#"))
    assert body in (ROOT / "README.md").read_text()


def test_the_sabotage_page_is_up_to_date() -> None:
    from tests.integration.sabotages import page

    text = (ROOT / "docs" / "sabotage.md").read_text()
    assert text == page(), "run `python -m tests.integration.sabotages >docs/sabotage.md`"
