"""A whole verification on recorded answers: which checks run, in which order, and what the report carries."""

from __future__ import annotations

import json
import platform
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import UsageError
from labctl.events import Event
from labctl.paper.catalogue import as_evidence, find_row, scenarios_of
from labctl.verify import run
from labctl.verify.checks import CUT, EVERY, Wanted
from labctl.verify.lab import LabUnderTest, Scenario
from labctl.verify.run import VerifyRequest, verify
from labctl.verify.verdict import CheckResult, Report
from labctl.waiting import Deadline
from tests.unit.verify.recordedlab import FOLDER, RecordedLab


@pytest.fixture
def verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Report, list[Event]]]:
    """Verify the recorded lab: the scenarios and checks that are asked for."""
    recorded = RecordedLab.load()
    folder = tmp_path / "folder"
    shutil.copytree(FOLDER, folder)
    text = (folder / "checks.yaml").read_text()
    (folder / "checks.yaml").write_text(text.replace("window: 3.0", "window: 0.0"))
    monkeypatch.setattr(run, "Api", lambda *_arguments, **_more: recorded)
    monkeypatch.setattr(run, "access_from_kubeconfig", lambda *_arguments: None)
    monkeypatch.setattr("labctl.verify.run.overloaded", lambda _load: None)  # however busy this host is
    recorded.kubeconfig = lambda: tmp_path  # type: ignore[attr-defined]
    monkeypatch.setattr("labctl.verify.observer.PodExec", lambda _access: recorded)

    def go(
        scenarios: tuple[str, ...] | None = None, only: Wanted = EVERY, *, broken: bool = False, **more: Any
    ) -> tuple[Report, list[Event]]:
        events: list[Event] = []
        if broken:
            recorded.edit("leaf2101", "  fabric forwarding mode anycast-gateway\n", "")
        request = VerifyRequest(
            folder, recorded, tmp_path / "evidence", tmp_path / "journal.jsonl", tmp_path, events.append,  # type: ignore[arg-type]
            recorded.login, scenarios=scenarios, only=only, catalogue=as_evidence, **more,
        )  # fmt: skip
        return verify(request), events

    return go


def test_a_figure_runs_its_checks_alone(verified: Any, tmp_path: Path) -> None:
    row = find_row("17")
    report, _ = verified(scenarios_of(row), Wanted(row.checks))
    assert [scenario.id for scenario in report.scenarios] == ["leafs"]
    ids = [check.id for check in report.scenarios[0].checks]
    assert ids == [f"leafs.{kind}.{leaf}" for leaf in ("leaf2101", "leaf2102") for kind in ("gateway", "gateway-up")]
    assert report.verdict == "PASS", report.sentence
    evidence = json.loads((tmp_path / "evidence" / "evidence.json").read_text())
    verdicts = {row["id"]: row["verdict"] for row in evidence["catalogue"]}
    assert (verdicts["figure-17"], verdicts["table-svi"], verdicts["figure-18"]) == ("PASS", "PASS", None)


def test_what_is_refused_replaces_no_evidence(verified: Any, tmp_path: Path) -> None:
    verified(("leafs",), Wanted(("leafs.gateway.*",)))
    before = (tmp_path / "evidence" / "evidence.json").read_bytes()
    for name, code in (
        ("ping-ipip", "disruptive"),
        ("lefs", "no-such-scenario"),
        ("./none.yaml", "unreadable-scenario"),
    ):
        with pytest.raises(UsageError) as refused:
            verified((name,))
        assert refused.value.code == code
    assert (tmp_path / "evidence" / "evidence.json").read_bytes() == before


def test_what_asks_much_begins_when_the_others_are_over(verified: Any) -> None:
    _, events = verified(
        ("bgp", "cluster", "leafs"), Wanted(("bgp.session.*", "links.vpc.*", "cluster.node.*", "leafs.*"))
    )
    told = [(event.name, event.data["state"]) for event in events if event.kind == "scenario"]
    early = {("bgp", "done"), ("links", "done")}
    late = {("cluster", "started"), ("leafs", "started")}
    assert max(told.index(item) for item in early) < min(told.index(item) for item in late)


def test_what_asks_much_waits_for_traffic_alone(verified: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once packets got through, what still looks whether something appears that must not needs no quiet lab."""
    begun, sent, order = threading.Event(), threading.Event(), list[str]()

    def run_of(name: str) -> Callable[[LabUnderTest], list[CheckResult]]:
        def scenario(_lab: LabUnderTest) -> list[CheckResult]:
            order.append(name)
            {"watches": lambda: begun.wait(20), "sends": sent.set, "asks": begun.set}[name]()
            return [CheckResult(f"{name}.ran", name, "PASS" if sent.is_set() and begun.is_set() else "FAIL", name)]

        return scenario

    rows = [
        Scenario("watches", "", run_of("watches")), Scenario("asks", "", run_of("asks"), late=True),
        Scenario("sends", "", run_of("sends"), traffic=True),
    ]  # fmt: skip
    monkeypatch.setattr(run, "chosen", lambda *_arguments, **_more: rows)
    report, _ = verified(only=Wanted(("watches.*", "asks.*", "sends.*")))
    assert order.index("sends") < order.index("asks")
    assert {scenario.id: scenario.verdict for scenario in report.scenarios}["watches"] == "PASS"


def test_whole_scenarios_pass_as_recorded(verified: Any) -> None:
    """But for EVPN: of the border leaf nothing was recorded."""
    patterns = ("bgp.session.*", "bgp.prefixes.*", "bgp.peers.*", "bgp.route.*", "cluster.*", "leafs.*")
    report, _ = verified(("bgp", "cluster", "leafs"), Wanted(patterns))
    wrong = [f"{c.id}: {c.sentence}" for s in report.scenarios for c in s.checks if c.verdict != "PASS"]
    assert wrong == []


def test_a_failure_on_an_overloaded_host_is_told_and_kept_as_not_judged(
    verified: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.loads((tmp_path / "folder" / "lab.json").read_text())
    (tmp_path / "folder" / "lab.json").write_text(json.dumps({**body, "deadlines": {"converged": 0}}))
    checks = tmp_path / "folder" / "checks.yaml"
    checks.write_text(checks.read_text().replace("mac: 2020.0000.00aa", "mac: 2020.0000.00bb"))
    wanted = ("leafs",), Wanted(("leafs.gateway.*",))
    quiet, events = verified(*wanted)
    assert quiet.verdict == "FAIL"
    assert quiet.scenarios[0].load is not None
    monkeypatch.setattr("labctl.verify.run.overloaded", lambda _load: "the guest waited 80% of the time")
    report, events = verified(*wanted)
    assert report.verdict == "INCONCLUSIVE"
    assert report.scenarios[0].sentence.startswith("the host was overloaded (the guest waited 80% of the")
    assert {event.data["verdict"] for event in events if event.kind == "check"} == {"INCONCLUSIVE"}
    evidence = json.loads((tmp_path / "evidence" / "evidence.json").read_text())
    assert evidence["scenarios"][0]["load"]["seconds"] >= 0


GATEWAYS = ("leafs.gateway*",)
DRIFT = ("leaf2101: interface Vlan3001: fabric forwarding mode anycast-gateway is gone",)


def test_a_limit_that_passes_cuts_it_short_with_what_was_judged(verified: Any, tmp_path: Path) -> None:
    whole, _ = verified(("leafs",), Wanted(GATEWAYS))
    limit = Deadline(0.3 + 3 * whole.seconds)  # this host may be busy
    report, _ = verified(("leafs",), Wanted(GATEWAYS), broken=True, limit=limit)
    verdicts = {check.id: (check.verdict, check.cause) for check in report.scenarios[0].checks}
    assert verdicts["leafs.gateway-up.leaf2101"] == ("PASS", None)
    assert verdicts["leafs.gateway.leaf2101"] == ("INCONCLUSIVE", CUT)
    assert (report.verdict, report.cut) == ("INCONCLUSIVE", f"the limit of {limit.seconds:g} s passed")
    assert json.loads((tmp_path / "evidence" / "evidence.json").read_text())["cut"] == report.cut


def test_what_did_not_begin_is_in_the_report(verified: Any) -> None:
    stopped = threading.Event()
    stopped.set()
    report, events = verified(("leafs", "cluster"), Wanted(("leafs.*", "cluster.*")), cancel=stopped)
    assert [check.id for row in report.scenarios for check in row.checks] == ["cluster.ran", "leafs.ran"]
    assert (report.verdict, report.cut) == ("INCONCLUSIVE", "interrupted")
    assert {event.kind for event in events} == {"scenario"}


def test_what_was_changed_is_looked_for_as_soon_as_something_is_not_as_expected(verified: Any, tmp_path: Path) -> None:
    """Told while the check is still waited for; in the report, too."""
    told, stop = threading.Event(), threading.Event()

    def look() -> tuple[str, ...]:
        told.set()
        stop.set()  # nothing else ends the wait for the gateway
        return DRIFT

    report, events = verified(("leafs",), Wanted(GATEWAYS), broken=True, drift=look, cancel=stop)
    assert told.is_set()
    assert report.drift in ((), DRIFT), "cut short, it is not waited for"
    report, events = verified(("leafs",), Wanted(GATEWAYS), wait=False, drift=lambda: DRIFT)
    assert (report.verdict, report.drift) == ("FAIL", DRIFT)
    assert f"changed since up: {DRIFT[0]}" in [event.message for event in events if event.kind == "message"]
    assert f"changed since up: {DRIFT[0]}" in (tmp_path / "evidence" / "summary.txt").read_text()


def test_where_all_is_as_expected_nothing_is_looked_for(verified: Any) -> None:
    looks = list[int]()
    report, _ = verified(("leafs",), Wanted(("leafs.*",)), drift=lambda: looks.append(1) or DRIFT)
    assert (report.verdict, report.drift, looks) == ("PASS", (), [])


def test_checks_have_their_place_in_the_run(verified: Any) -> None:
    report, _ = verified(("leafs",), Wanted(("leafs.*",)))
    (leafs,) = report.scenarios
    for check in leafs.checks:
        assert check.started is not None
        assert check.seconds is not None
        assert leafs.started <= check.started <= leafs.started + leafs.seconds
    assert report.as_dict()["environment"]["host"] == platform.node()
