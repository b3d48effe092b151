"""Asking until all pass or the deadline is there; who is asked what, and how often."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labctl.errors import InconclusiveError
from labctl.kube.resources import NODES
from labctl.pace import LIMITS, limit
from labctl.verify.checks import CUT, Check, Stopwatch, hold, poll
from labctl.verify.evidence import Evidence
from labctl.verify.expectation import Cluster
from labctl.verify.lab import LabUnderTest
from labctl.verify.observer import Answer, Command, Observer, Unanswered
from labctl.verify.verdict import CheckResult, Judgement
from labctl.waiting import Cancelled, Deadline, reasons_to


class Asked:
    """An observer with an answer a command; a list gives one an ask (its last stays); errors are raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[Command] = []
        self._lock = threading.Lock()

    def answer(self, command: Command) -> Answer:
        value, path = self.ask(command)
        return Answer(value, lambda: path)

    def ask(self, command: Command) -> tuple[Any, str]:
        with self._lock:
            self.asked.append(command)
            found = self.answers[command.text]
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        return found, f"commands/{command.text}.txt"


def command(text: str, target: str = "leaf1") -> Command:
    return Command("nxos", target, text)


def equals(wanted: Any) -> Callable[..., Judgement]:
    def judge(*seen: Any) -> Judgement:
        verdict = "PASS" if seen == (wanted,) else "FAIL"
        return Judgement(verdict, f"{seen[0]} and not {wanted}" if verdict == "FAIL" else "good", wanted, seen[0])

    return judge


def check(name: str, *commands: Command, wanted: Any = 1, judge: Any = None) -> Check:
    return Check(name, name.title(), commands, judge or equals(wanted))


def run(checks: list[Check], observer: Any, seconds: float = 10.0) -> tuple[list[CheckResult], list[str]]:
    told: list[str] = []
    found = poll(checks, observer, Deadline(seconds), threading.Event(), lambda result: told.append(result.id))
    return found, told


def held(observer: Any, *names: str, seconds: float = 0.4) -> tuple[list[CheckResult], list[str]]:
    told: list[str] = []
    checks = [check(name, command(name)) for name in names]
    found = hold(checks, observer, seconds, threading.Event(), lambda result: told.append(result.id))
    return found, told


def test_what_must_not_be_holds_over_a_window_of_looks() -> None:
    found, told = held(Asked(a=1, b=1), "a", "b")
    assert [row.verdict for row in found] == ["PASS", "PASS"]
    assert told == ["a", "b"]
    assert found[0].attempts >= 3
    assert found[0].sentence == f"good, {found[0].attempts} times in 0.4 s"


def test_one_look_that_fails_decides_whatever_comes_after() -> None:
    found, _ = held(Asked(a=[1, 0, 1], b=1), "a", "b")
    assert [row.verdict for row in found] == ["FAIL", "PASS"]
    assert found[0].sentence.startswith("0 and not 1 (after 0.")
    assert found[0].attempts == 2


def test_a_node_that_was_silent_once_may_have_failed_just_then() -> None:
    found, _ = held(Asked(a=[1, Unanswered("silent"), 1]), "a")
    assert (found[0].verdict, found[0].sentence) == ("INCONCLUSIVE", "silent")
    found, _ = held(Asked(a=[Unanswered("silent"), 0]), "a")
    assert found[0].verdict == "FAIL", "it did fail later"


def test_holding_is_stopped() -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Cancelled):
        hold([check("a", command("a"))], Asked(a=1), 5.0, stopped, lambda _result: None)  # type: ignore[arg-type]


def test_a_check_that_passes_later() -> None:
    observer = Asked(a=[0, 0, 1], b=1)
    found, told = run([check("a", command("a")), check("b", command("b"))], observer)
    assert [(row.id, row.verdict, row.attempts) for row in found] == [("a", "PASS", 3), ("b", "PASS", 1)]
    assert told == ["b", "a"], "each is told when it passes"
    assert [row.text for row in observer.asked].count("b") == 1, "one that has passed is not asked again"
    assert found[0].commands == ("commands/a.txt",)


def test_the_last_judgement_counts_at_the_deadline() -> None:
    found, told = run([check("a", command("a")), check("b", command("b"))], Asked(a=0, b=1), 0.0)
    assert [(row.verdict, row.sentence) for row in found] == [("FAIL", "0 and not 1"), ("PASS", "good")]
    assert (found[0].expected, found[0].seen, found[0].attempts) == (1, 0, 1)
    assert sorted(told) == ["a", "b"]


def test_a_deadline_between_rounds() -> None:
    found, _ = run([check("a", command("a"))], Asked(a=0), 0.05)
    assert found[0].verdict == "FAIL"
    assert found[0].attempts >= 2


def test_a_node_that_is_silent_is_neither_passed_nor_failed() -> None:
    found, _ = run([check("a", command("a"))], Asked(a=Unanswered("leaf1: show x: no prompt")), 0.0)
    assert (found[0].verdict, found[0].sentence) == ("INCONCLUSIVE", "leaf1: show x: no prompt")


def test_a_silent_node_is_asked_once_a_round_and_hides_no_other() -> None:
    observer = Asked(a=Unanswered("leaf1 is silent"), b=1, c=1)
    checks = [check("a", command("a")), check("b", command("b")), check("c", command("c", "leaf2"))]
    found, _ = run(checks, observer, 0.0)
    assert [row.verdict for row in found] == ["INCONCLUSIVE", "INCONCLUSIVE", "PASS"]
    assert found[1].sentence == "leaf1 is silent"
    assert {row.text for row in observer.asked} == {"a", "c"}


def test_a_node_that_answers_again_is_judged() -> None:
    found, _ = run([check("a", command("a"))], Asked(a=[Unanswered("silent"), 1]))
    assert (found[0].verdict, found[0].attempts) == ("PASS", 2)


def test_a_command_of_several_checks_is_asked_once_a_round() -> None:
    observer = Asked(a=1)
    found, _ = run([check(name, command("a")) for name in "xyz"], observer, 0.0)
    assert {row.verdict for row in found} == {"PASS"}
    assert len(observer.asked) == 1


def test_a_judge_gets_its_observations_in_order_and_may_find_no_answer() -> None:
    seen: list[Any] = []

    def judge(*values: Any) -> Judgement:
        seen.append(values)
        raise Unanswered("the API does not answer")

    found, _ = run([check("a", command("b"), command("a", "leaf2"), judge=judge)], Asked(a="A", b="B"), 0.0)
    assert seen == [("B", "A")]
    assert (found[0].verdict, found[0].sentence) == ("INCONCLUSIVE", "the API does not answer")


def test_nodes_are_asked_side_by_side() -> None:
    """Each answers only once the other has been asked."""
    both = threading.Barrier(2, timeout=10)

    class Waiting(Asked):
        def ask(self, _command: Command) -> tuple[int, str]:
            both.wait()
            return 1, ""

    found, _ = run([check("a", command("a", "leaf1")), check("b", command("b", "leaf2"))], Waiting())
    assert {row.verdict for row in found} == {"PASS"}


def test_a_check_leads_to_the_answer_that_it_was_judged_by(tmp_path: Path) -> None:
    """Of two checks on one question one passes early: its answer stays; what decides nothing is not kept."""
    evidence, numbers = Evidence(tmp_path), itertools.count()

    class Counting(Asked):
        def answer(self, command: Command) -> Answer:
            number = next(numbers)
            return Answer(number, lambda: evidence.command(command.target, command.text, str(number).encode()))

    def at_least(wanted: int) -> Callable[[int], Judgement]:
        return lambda seen: Judgement("PASS" if seen >= wanted else "FAIL", "", wanted, seen)

    found, _ = run([Check(str(n), "", (command("x"),), at_least(n)) for n in (1, 4)], Counting())
    files = [tmp_path / path for row in found for path in row.commands]
    assert [(row.seen, file.read_text().splitlines()[-1]) for row, file in zip(found, files, strict=True)] == [
        (1, "1"), (4, "4"),
    ]  # fmt: skip
    assert sorted((tmp_path / "commands").iterdir()) == sorted(files)
    assert all(row.seconds is not None for row in found)
    assert found[0].seconds < found[1].seconds


def test_cut_short_tells_what_was_judged_and_what_it_still_waited_for() -> None:
    cancel, told = threading.Event(), list[CheckResult]()

    class Cuts(Asked):
        def ask(self, command: Command) -> tuple[Any, str]:
            if len(self.asked) == 3:
                cancel.set()
            return super().ask(command)

    observer = Cuts(a=0, b=1, c=5)
    with pytest.raises(Cancelled):
        poll([check(name, command(name)) for name in "abc"], observer, Deadline(10), cancel, told.append)  # type: ignore[arg-type]
    assert [(row.id, row.verdict, row.cause) for row in told] == [
        ("b", "PASS", None), ("a", "INCONCLUSIVE", CUT), ("c", "INCONCLUSIVE", CUT),
    ]  # fmt: skip
    assert told[1].sentence == f"{CUT}, last: 0 and not 1"
    assert len(observer.asked) == 4, "once cut short, no node is asked anything more"


def test_who_polls_says_what_for() -> None:
    """By cause, after each round that was not the last one."""
    silent = Unanswered("leaf1: show x: no prompt", "leaf1", "no prompt")
    reasons = list[str]()
    with reasons_to(reasons.append):
        run([check("a", command("a")), check("b", command("b")), check("c", command("c", "leaf2"))],
            Asked(a=[silent, 1], b=1, c=[0, 0, 1]))  # fmt: skip
    assert reasons == ["0 and not 1 (and 2 more)", "0 and not 1"]
    reasons.clear()
    with reasons_to(reasons.append):
        run([check("a", command("a")), check("b", command("b"))], Asked(a=[silent, 1], b=1))
    assert reasons == ["leaf1 did not answer (no prompt): 2 checks not judged"]


def test_nothing_to_check() -> None:
    assert run([], Asked()) == ([], [])
    assert Stopwatch().seconds >= 0


# --- the observer -----------------------------------------------------------------------------------------------


def test_a_switch_is_logged_in_to_once_and_what_it_says_is_kept(
    observer: Observer, scripted: Any, tmp_path: Path
) -> None:
    scripted.switches["leaf1"] = {"show vpc": {"a": 1}, "show ip route": {"b": 2}}
    assert observer.ask(command("show vpc")) == ({"a": 1}, "commands/leaf1__show-vpc-json.txt")
    observer.ask(command("show ip route"))
    assert scripted.logins == ["leaf1"]
    text = (tmp_path / "evidence" / "commands" / "leaf1__show-vpc-json.txt").read_text()
    assert text.startswith("# leaf1: show vpc | json\n# 20")
    assert text.endswith('{\n "a": 1\n}')
    observer.close()
    assert scripted.closed == ["leaf1"]


def test_a_session_that_breaks_is_made_anew(observer: Observer, scripted: Any) -> None:
    scripted.switches["leaf1"] = {}
    with pytest.raises(Unanswered, match="leaf1: show vpc: the session ended"):
        observer.ask(command("show vpc"))
    assert scripted.closed == ["leaf1"]
    scripted.switches["leaf1"] = {"show vpc": {}}
    assert observer.ask(command("show vpc"))[0] == {}
    assert scripted.logins == ["leaf1", "leaf1"]


def test_a_session_that_was_given_is_used_and_left_open(scripted: Any, tmp_path: Path) -> None:
    scripted.switches["leaf1"] = {"show vpc": {}}
    session = scripted.login("leaf1")
    observer = Observer(scripted, Evidence(tmp_path), scripted.login, {"leaf1": session}, scripted)
    observer.ask(command("show vpc"))
    observer.close()
    assert (scripted.logins, scripted.closed) == (["leaf1"], [])


def test_a_switch_that_is_not_up(observer: Observer) -> None:
    with pytest.raises(Unanswered, match="leaf9: show vpc: leaf9 is not up"):
        observer.ask(command("show vpc", "leaf9"))


def test_nodes(observer: Observer, scripted: Any, done: Any, tmp_path: Path) -> None:
    scripted.nodes = {
        ("n", "cat a"): done("text"), ("n", "cat b"): done("", 1, "No such file"),
        ("n", "cat c"): InconclusiveError("the channel is closed"),
    }  # fmt: skip
    assert observer.ask(Command("node", "n", "cat a"))[0] == "text"
    value, path = observer.ask(Command("node", "n", "cat b"))
    assert value == ""
    assert "No such file" in (tmp_path / "evidence" / path).read_text()
    with pytest.raises(Unanswered, match="n: cat c: the channel is closed"):
        observer.ask(Command("node", "n", "cat c"))


def test_a_lab_without_cluster(scripted: Any, tmp_path: Path) -> None:
    from labctl.kube.resources import NODES

    observer = Observer(scripted, Evidence(tmp_path), scripted.login, {}, None)
    with pytest.raises(Unanswered, match="no cluster"):
        observer.list(NODES)
    with pytest.raises(Unanswered, match="no cluster"):
        observer.ask(Command("kube", "kubernetes", "/api/v1/nodes"))
    scripted.objects = None
    with pytest.raises(Unanswered, match="kubernetes: GET: Connection refused"):
        Observer(scripted, Evidence(tmp_path), scripted.login, {}, scripted).list(NODES)


class Paused(threading.Event):
    """A cancellation that never comes and keeps how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return False


@pytest.mark.parametrize(("took", "pause"), [(0.0, 0.15), (0.5, 0.5), (9.0, 2.0)])
def test_a_pause_is_as_long_as_the_round_took(monkeypatch: pytest.MonkeyPatch, took: float, pause: float) -> None:
    clock = [0.0]
    monkeypatch.setattr("labctl.verify.checks.time.monotonic", lambda: clock[0])

    class Slow(Asked):
        def ask(self, asked: Command) -> tuple[Any, str]:
            clock[0] += took
            return super().ask(asked)

    paused = Paused()
    poll([check("a", command("a"))], Slow(a=[0, 0, 1]), Deadline(60.0), paused, lambda _result: None)
    assert paused.waits == [pause, pause]


def test_objects_that_many_checks_need_are_listed_once_in_a_round(lab: LabUnderTest) -> None:
    def judged(cluster: Cluster, seen: Any) -> Judgement:
        names = [item["name"] for item in cluster.nodes]
        return Judgement("PASS" if (names, seen) == (["node01"], 1) else "FAIL", "", None, None)

    checks = [lab.cluster_check(name, name.title(), (NODES,), judged, command(name)) for name in ("a", "b", "c")]
    asked = Asked(a=1, b=[2, 1], c=1, **{NODES.path(): [[{"name": "other"}], [{"name": "node01"}]]})
    found, _ = run(checks, asked)
    assert {result.verdict for result in found} == {"PASS"}
    assert [row.text for row in asked.asked].count(NODES.path()) == 2
    assert all(f"commands/{NODES.path()}.txt" in result.commands for result in found)


def test_no_question_is_waited_for_longer_than_the_whole_has() -> None:
    waited: list[float] = []

    class Slow(Asked):
        def ask(self, command: Command) -> tuple[Any, str]:
            waited.append(limit("call"))
            return super().ask(command)

    run([check("a", command("a"))], Slow(a=1), seconds=12)
    run([check("a", command("a"))], Slow(a=1), seconds=3600)
    assert 11 < waited[0] <= 12
    assert waited[1] == LIMITS["call"]
