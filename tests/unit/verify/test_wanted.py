"""Choosing checks by patterns of their ids."""

from __future__ import annotations

import pytest

from labctl.verify.checks import EVERY, Wanted


def test_without_patterns_everything_is_wanted() -> None:
    assert EVERY.check("bgp.session.leaf2101.192.168.1.10")
    assert EVERY.flow("ping.node01-node02-ipv4")
    assert EVERY.flow("links")


@pytest.mark.parametrize(
    ("pattern", "flow", "meets"),
    [
        ("ping.*", "ping", True),
        ("ping.*", "ping-ipip", False),
        ("ping-ipip.*.answered", "ping-ipip.node01-node02-ipv4", True),
        ("ping.node01-*", "ping.node02-node01-ipv4", False),
        ("curl.ext1-*", "curl.master-nginx-service", False),
        ("curl.ext1-*", "curl.ext1-nginx-service", True),
        ("cluster.calico-config", "cluster", True),
        ("cluster", "cluster", False),
        ("*", "links", True),
    ],
)
def test_a_flow_is_wanted_when_a_pattern_may_name_one_of_its_checks(pattern: str, flow: str, meets: bool) -> None:
    assert Wanted((pattern,)).flow(flow) is meets


def test_a_check_is_wanted_when_a_pattern_names_it() -> None:
    wanted = Wanted(("bgp.route.*.10.96.0.0/16", "cluster.peer.*"))
    assert wanted.check("bgp.route.leaf2101.10.96.0.0/16")
    assert not wanted.check("bgp.route.leaf2101.default/my-service-ipv4")
    assert wanted.check("cluster.peer.leaf2101-calico-v4")
