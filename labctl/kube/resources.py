"""The kinds of object that labctl speaks of."""

from __future__ import annotations

from labctl.kube.api import Resource

NODES = Resource("v1", "nodes", namespaced=False)
PODS = Resource("v1", "pods")
SERVICES = Resource("v1", "services")
EVENTS = Resource("v1", "events")
CONFIG_MAPS = Resource("v1", "configmaps")
NAMESPACES = Resource("v1", "namespaces", namespaced=False)
DEPLOYMENTS = Resource("apps/v1", "deployments")
DAEMON_SETS = Resource("apps/v1", "daemonsets")
ENDPOINT_SLICES = Resource("discovery.k8s.io/v1", "endpointslices")
LEASES = Resource("coordination.k8s.io/v1", "leases")
CRDS = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False)

CALICO = "crd.projectcalico.org/v1"
IP_POOLS = Resource(CALICO, "ippools", namespaced=False)
BGP_CONFIGURATIONS = Resource(CALICO, "bgpconfigurations", namespaced=False)
BGP_PEERS = Resource(CALICO, "bgppeers", namespaced=False)
IPAM_BLOCKS = Resource(CALICO, "ipamblocks", namespaced=False)
BLOCK_AFFINITIES = Resource(CALICO, "blockaffinities", namespaced=False)
IPAM_HANDLES = Resource(CALICO, "ipamhandles", namespaced=False)
