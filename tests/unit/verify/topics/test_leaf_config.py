"""Route-maps and prefix-lists as NX-OS evaluates them, templates as it follows them."""

from __future__ import annotations

import pytest

from labctl.verify.topics.leafs import configuration, neighbor_of, trouble_of_filter

CONFIG = """\
ip prefix-list A seq 10 permit 10.0.0.0/8 le 24
ip prefix-list A seq 5 deny 10.1.0.0/16 le 32
ip prefix-list A seq 20 permit 192.168.0.0/16 ge 30
ip prefix-list B seq 5 permit 172.16.0.0/12 eq 32
route-map OUT permit 10
  match ip address prefix-list A
route-map OUT deny 20
  match ip address prefix-list B
route-map OUT permit 30
  match tag 7
router bgp 65102
  template peer T
    remote-as 65531
    address-family ipv4 unicast
      as-override
      route-map OUT out
  vrf v
    neighbor 192.168.1.10
      inherit peer T
      remote-as 65530
    neighbor 192.168.1.11 remote-as 65000
      address-family ipv4 unicast
        route-map IN in
"""


@pytest.mark.parametrize(
    ("prefix", "permitted"),
    [
        ("10.2.0.0/16", True),
        ("10.1.3.0/24", True),  # denied by the list A, so the entry does not match; 30 lets it through
        ("192.168.1.1/32", True),
        ("172.16.0.1/32", False),  # entry 20 denies what B permits
        ("172.16.1.0/24", True),  # B matches /32 alone: entry 30 may match by its tag
        ("2001:db8::/64", True),
    ],
)
def test_the_first_entry_that_matches_decides(prefix: str, permitted: bool) -> None:
    trouble = trouble_of_filter(configuration(CONFIG), "OUT", [prefix])
    assert (trouble == f"route-map OUT permits {prefix}") is permitted
    if not permitted:
        assert trouble is None


def test_what_nothing_permits_is_denied() -> None:
    text = CONFIG.replace("route-map OUT permit 30\n  match tag 7\n", "")
    assert trouble_of_filter(configuration(text), "OUT", ["10.1.3.0/24", "11.0.0.0/8", "2001:db8::/64"]) is None


def test_what_is_not_defined_is_no_filter() -> None:
    assert trouble_of_filter(configuration(CONFIG), "NONE", []) == "route-map NONE is not defined"
    text = CONFIG.replace("match ip address prefix-list B", "match ip address prefix-list C")
    assert trouble_of_filter(configuration(text), "OUT", []) == (
        "route-map OUT matches ip prefix-list C, which is not defined"
    )


def test_a_neighbor_goes_before_its_template() -> None:
    first = neighbor_of(configuration(CONFIG), 65102, "v", "192.168.1.10")
    assert first is not None
    assert (first.setting("remote-as"), first.has("ipv4", "as-override")) == ("65530", True)
    assert (first.route_map("ipv4", "out"), first.route_map("ipv4", "in")) == ("OUT", None)
    second = neighbor_of(configuration(CONFIG), 65102, "v", "192.168.1.11")
    assert second is not None
    assert (second.setting("remote-as"), second.route_map("ipv4", "in"), second.has("ipv4", "as-override")) == (
        "65000", "IN", False,
    )  # fmt: skip
    assert neighbor_of(configuration(CONFIG), 65102, "v", "192.168.1.12") is None
    assert neighbor_of(configuration(CONFIG), 65103, "v", "192.168.1.10") is None
