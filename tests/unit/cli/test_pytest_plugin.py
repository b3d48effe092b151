"""The pytest plugin, run by a pytest of its own: which lab it gives, when it boots one, what it takes down."""

from __future__ import annotations

import re
from importlib.metadata import entry_points

import pytest

pytest_plugins = ("pytester",)

INSTALLED = any(point.value == "labctl.pytest_plugin" for point in entry_points(group="pytest11"))
PLUGIN = () if INSTALLED else ("-p", "labctl.pytest_plugin")
"""An installed labctl brings it by itself; a checkout beside an older installation does not."""

FAKE = """
    import labctl.pytest_plugin as plugin, labctl.testing as testing

    class Lab:
        def __init__(self, name):
            self.name = name
            print("opened", name)
        def close(self):
            print("closed", self.name)

    testing.RunningLab = Lab

    def boot(spec, more):
        print("booted", spec.name, *more)
        return "small"

    plugin.boot = boot
    plugin.take_down = lambda name: print("down", name)
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


def test_a_lab_that_does_not_come_up_fails_with_what_labctl_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = run(pytester, "--labctl-spec", "none.yaml")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*labctl up *none.yaml: exit code 2", "*there is no file *none.yaml*"])
