"""Every scenario that labctl knows, in the order in which they are told. One module each."""

from __future__ import annotations

from labctl.verify.scenario import Scenario
from labctl.verify.scenarios import bgp, cluster, curl, ipip, leafs, links, ping, scale

ALWAYS = links.SCENARIO
"""Every verification runs it, whatever else was asked for."""
SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        bgp.SCENARIO,
        ping.SCENARIO,
        curl.SCENARIO,
        cluster.SCENARIO,
        leafs.SCENARIO,
        ipip.SCENARIO,
        scale.SCENARIO,
    )
}
