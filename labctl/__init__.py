"""labctl: from ten lines of YAML to a proven Cisco NX-OS VXLAN EVPN + Kubernetes/Calico lab."""

__version__ = "0.2.0"
