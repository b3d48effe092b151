"""The page in a real browser: no complaint, no request, sorted on a click, readable on a phone, in light and dark."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labctl.report.publish import publish
from tests.chromium import Browser, chromium, needs_chromium
from tests.unit.report.evidence import write_evidence

pytestmark = needs_chromium
WIDTHS = (380, 760, 1280)
CONTRAST = """
(() => {
  const parse = (colour) => {
    const [r, g, b, a] = colour.match(/[0-9.]+/g).map(Number);
    return [r, g, b, a === undefined ? 1 : a];
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) return colour;
    }
    return [255, 255, 255, 1];
  };
  const low = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !node.checkVisibility()) continue;
    if (node.closest("svg, script, .unseen, .skip")) continue;
    const style = getComputedStyle(node);
    const pair = [parse(style.color), ground(node)].map((colour) => light(colour.slice(0, 3)));
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) low.push([ratio.toFixed(2), walk.currentNode.data.trim().slice(0, 40), node.className]);
  }
  return low;
})()
"""
"""Text whose contrast with what is behind it is below 4.5 (WCAG 2.2, 1.4.3)."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("report")
    evidence = write_evidence(base / "evidence")
    body = json.loads((evidence / "evidence.json").read_text())
    identities = [check["id"] for row in body["scenarios"] for check in row["checks"]]
    body["catalogue"] = [
        {"id": "table-loopback-route-2101", "kind": "table", "title": "show ip route 192.168.100.2", "verdict": verdict,
         "place": "Service Leaf Network Design", "mode": "routed", "checks": identities, "note": "not run: x.*"}
        for verdict in ("PASS", "FAIL", "INCONCLUSIVE", None)
    ]  # fmt: skip
    (evidence / "evidence.json").write_text(json.dumps(body))
    return publish(evidence, base / "published")


def column(browser: Browser, number: int) -> Any:
    rows = "Array.from(document.querySelector('#scenarios ~ table').tBodies[0].rows"
    return [text.split()[0] for text in browser.value(f"{rows}, row => row.cells[{number}].innerText)")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_complaint_no_request_no_sideways_scrolling(browser: Browser, page: Path, width: int, scheme: str) -> None:
    browser.open(page, width=width, scheme=scheme)
    assert browser.value("document.querySelectorAll('details').forEach(node => node.open = true)") is None
    assert browser.value("document.scrollingElement.scrollWidth") <= width
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser: Browser, page: Path, scheme: str) -> None:
    browser.open(page, scheme=scheme)
    browser.value("document.querySelectorAll('details').forEach(node => node.open = true)")
    assert browser.value(CONTRAST) == []
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is (scheme == "light")


def test_a_page_that_asks_is_found_out(browser: Browser, page: Path, tmp_path: Path) -> None:
    """What the tests above would say of a worse page."""
    worse = tmp_path / "worse.html"
    text = page.read_text().replace(
        "</main>",
        "<img src='http://example.test/x.png'><script>nothing()</script><p style='width:9000px'>wide</p>"
        "<p style='color:#777'>grey</p></main>",
    )
    worse.write_text(text)
    browser.open(worse)
    assert "Content Security Policy" in str(browser.complaints)
    assert browser.value("document.scrollingElement.scrollWidth") > 1280
    assert [row[1] for row in browser.value(CONTRAST)] == ["grey"]
    open_page = tmp_path / "open.html"
    open_page.write_text(text.replace('http-equiv="Content-Security-Policy"', 'name="none"'))
    browser.open(open_page)
    assert "http://example.test/x.png" in browser.requests
    assert "nothing is not defined" in str(browser.complaints)


def test_tables_are_sorted_on_a_click(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert column(browser, 0) == ["FAIL", "PASS", "FAIL"]
    click = "document.querySelectorAll('#scenarios ~ table thead button')[{}].click()"
    browser.value(click.format(0))
    assert column(browser, 0) == ["FAIL", "FAIL", "PASS"]
    browser.value(click.format(0))
    assert column(browser, 0) == ["PASS", "FAIL", "FAIL"]
    browser.value(click.format(3))
    assert column(browser, 3) == ["1.5", "2.5", "5.2"], "as numbers"
    states = "Array.from(document.querySelectorAll('#scenarios ~ table thead th'), th => th.getAttribute('aria-sort'))"
    assert browser.value(states) == [None, None, None, "ascending"]


def test_a_checks_detail_stays_with_it_when_sorted(browser: Browser, page: Path) -> None:
    browser.open(page)
    table = "document.querySelector('article table.checks')"
    browser.value(f"{table}.querySelectorAll('thead button')[2].click()")
    rows = browser.value(f"Array.from({table}.tBodies, part => [part.id, part.rows.length, part.innerText])")
    assert [row[0] for row in rows] == [
        "check-links.lacp.node01", "check-links.port-channel.leaf2101.13", "check-links.vpc.leaf2102",
    ]  # fmt: skip
    assert all(row[1] == 2 and row[0].removeprefix("check-") in row[2] for row in rows if "lacp" not in row[0])


def test_a_link_to_what_is_folded_unfolds_it(browser: Browser, page: Path) -> None:
    browser.open(page)
    link = browser.value("document.querySelector('.sources a').getAttribute('href')")
    assert browser.value(f"document.querySelector('{link}').open") is False
    browser.value(f"location.hash = '{link}'")
    assert browser.value("new Promise(done => setTimeout(() => done(1)))") == 1  # the event came before
    assert browser.value(f"document.querySelector('{link}').open") is True


def test_complete_without_its_script(browser: Browser, page: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    text = str(browser.value("document.body.innerText"))
    assert "links.port-channel.leaf2101.13" in text
    assert browser.value("document.querySelectorAll('button').length") == 0


def test_links_lead_to_files_that_are_there(browser: Browser, page: Path) -> None:
    browser.open(page)
    links = browser.value("Array.from(document.links, link => link.href).filter(href => !href.includes('#'))")
    assert len(links) > 4
    missing = [link for link in links if not Path(link.removeprefix("file://")).is_file()]
    assert missing == []


def test_hostile_text_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    bad = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    page = publish(write_evidence(tmp_path / "evidence", lab=bad, output=bad.encode()), tmp_path / "published")
    browser.open(page)
    assert browser.value("document.title").startswith("FAIL: <script>")
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]


def test_damaged_evidence_makes_a_page_too(browser: Browser, tmp_path: Path) -> None:
    evidence = write_evidence(tmp_path / "evidence")
    shutil.rmtree(evidence / "lab")
    shutil.rmtree(evidence / "captures")
    browser.open(publish(evidence, tmp_path / "published"), width=380)
    assert browser.complaints == []
    assert "Evidence is missing" in browser.value("document.body.innerText")
