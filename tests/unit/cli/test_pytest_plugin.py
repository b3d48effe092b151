"""The pytest plugin, run by a pytest of its own: which lab it gives, when it boots one, what it takes down."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from labctl.pytest_plugin import name_of

pytest_plugins = ("pytester",)

INSTALLED = any(point.value == "labctl.pytest_plugin" for point in entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "labctl.pytest_plugin")
"""An installed labctl brings it by itself; a checkout beside an older installation does not."""

FAKE = """
    import labctl.pytest_plugin as plugin, labctl.testing as testing, pytest

    class Lab:
        def __init__(self, name):
            self.name = name
            print("opened", name)
        def close(self):
            print("closed", self.name)

    def boot(spec, more):
        print("booted", spec.name, *more)
        return "small"

    FAKES = [
        (testing, "RunningLab", Lab), (plugin, "boot", boot), (plugin, "take_down", lambda name: print("down", name))
    ]

    @pytest.fixture(scope="session", autouse=True)
    def fakes():
        with pytest.MonkeyPatch.context() as patch:
            for fake in FAKES:
                patch.setattr(*fake)
            yield
"""
TESTS = """
    def test_one(labctl):
        assert labctl.name == "small"

    def test_two(labctl):
        assert labctl.name == "small"
"""


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(FAKE)
    pytester.makepyfile(TESTS)
    return pytester


def run(inner: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return inner.runpytest_inprocess(*PLUGIN, "-p", "no:cacheprovider", "-s", *arguments)


def told(result: pytest.RunResult) -> list[str]:
    return [
        found[0].rstrip() for line in result.outlines if (found := re.search(r"(opened|closed|booted|down) .*", line))
    ]


def test_a_spec_is_booted_once_and_taken_down_at_the_end(inner: pytest.Pytester) -> None:
    result = run(inner, "--labctl-spec", "small.yaml")
    result.assert_outcomes(passed=2)
    assert told(result) == ["booted small.yaml", "opened small", "closed small", "down small"]


def test_a_lab_may_be_kept(inner: pytest.Pytester) -> None:
    result = run(inner, "--labctl-spec", "small.yaml", "--labctl-keep")
    assert told(result) == ["booted small.yaml", "opened small", "closed small"]


def test_a_lab_that_runs_is_used_and_left(inner: pytest.Pytester) -> None:
    result = run(inner, "--labctl-lab", "small")
    result.assert_outcomes(passed=2)
    assert told(result) == ["opened small", "closed small"]


def test_the_spec_may_stand_in_the_ini_file(inner: pytest.Pytester) -> None:
    inner.makeini("[pytest]\nlabctl_spec = small.yaml\nlabctl_up = --launcher uml\n")
    assert told(run(inner))[0] == "booted small.yaml --launcher uml"


def test_without_a_lab_the_tests_are_skipped(inner: pytest.Pytester) -> None:
    run(inner).assert_outcomes(skipped=2)


@pytest.mark.parametrize(
    ("before", "arguments", "down"),
    [
        ((), (), ["down small"]),
        ((), ("--labctl-keep",), []),
        (("small",), (), []),  # somebody else's
    ],
)
def test_what_a_failed_up_kept_is_taken_down(
    pytester: pytest.Pytester, before: tuple[str, ...], arguments: tuple[str, ...], down: list[str]
) -> None:
    pytester.makeconftest(
        FAKE
        + f"""
    seen = iter([set({before!r}), {{"small", "another"}}])

    def fails(spec, more):
        pytest.fail("it did not come up", pytrace=False)

    FAKES += [(plugin, "labs", lambda: next(seen)), (plugin, "boot", fails)]
"""
    )
    pytester.makepyfile(TESTS)
    pytester.path.joinpath("small.yaml").write_text("name: small\n")
    result = run(pytester, "--labctl-spec", "small.yaml", *arguments)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*it did not come up*"])
    assert told(result) == down


@pytest.mark.parametrize(
    ("text", "more", "name"),
    [
        ("name: small", (), "small"),
        ("name: small", ("--launcher", "uml", "--name", "mine"), "mine"),
        ("name: small", ("--name=mine",), "mine"),
        ("- 1", (), None),
        ("name: [1]", (), None),
        ("a: b: c", (), None),
    ],
)
def test_the_name_of_a_lab(tmp_path: Path, text: str, more: tuple[str, ...], name: str | None) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(text)
    assert name_of(spec, list(more)) == name
    assert name_of(tmp_path / "none.yaml", []) is None


def test_a_lab_that_does_not_come_up_fails_with_what_labctl_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = run(pytester, "--labctl-spec", "none.yaml")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*labctl up *none.yaml: exit code 2", "*there is no file *none.yaml*"])
