"""``labctl inventory``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from labctl.cli.labs import Lab, OnLab, lab_argument
from labctl.cli.output import json_text, result
from labctl.errors import InconclusiveError

if TYPE_CHECKING:
    from labctl.folder import Lab as Rendered
    from labctl.runtime.api import SshEndpoint


@click.command(cls=OnLab)
@lab_argument
@click.option("--format", "form", type=click.Choice(["ssh", "ansible", "nornir", "json"]), default="ssh",
              show_default=True, help="ssh_config(5); Ansible's YAML; hosts of Nornir's SimpleInventory.")  # fmt: skip
def command(lab: Lab, form: str) -> None:
    """Print how stock tools reach the switches of running LAB; json has its other nodes, too.

    Ansible and Nornir get the lab's key, and the password where there is none: keep what is printed to yourself.

    \b
    labctl inventory whitepaper > lab.ssh; ssh -F lab.ssh leaf2101
    labctl inventory whitepaper --format ansible > hosts.yml; ansible-inventory -i hosts.yml --list
    labctl inventory whitepaper --format nornir > hosts.yaml
    """
    endpoints = lab.endpoints()  # a lab that does not run is an error, not an old file
    if form == "ssh":
        config = lab.state_folder.ssh_config
        if not config.is_file():
            message = f"no switch of lab {lab.name} takes logins yet"
            raise InconclusiveError(message, code="not-running", next_command=f"labctl status {lab.name}")
        result(config.read_text().rstrip())
        return
    import yaml

    rendered = lab.folder().lab
    switches = {name: endpoints.ssh(name) for name in rendered.switches}
    if form == "json":
        result(json_text(_json(lab, rendered, switches)))
        return
    body = (_ansible if form == "ansible" else _nornir)(rendered, switches)
    result(yaml.safe_dump(body, sort_keys=False).rstrip())


def _ansible(rendered: Rendered, switches: dict[str, SshEndpoint]) -> dict[str, Any]:
    """One group a role under ``switches``, for cisco.nxos over network_cli. The lab's host keys are not the user's."""
    groups: dict[str, Any] = {}
    for name, ssh in switches.items():
        group = groups.setdefault(f"{rendered.nodes[name].role}s", {"hosts": {}})
        facts = {"ansible_host": ssh.host, "ansible_port": ssh.port, "ansible_user": ssh.username}
        login = ("ssh_private_key_file", str(ssh.key_file)) if ssh.key_file else ("password", ssh.password)
        group["hosts"][name] = facts | {f"ansible_{login[0]}": login[1]}
    settings = {
        "ansible_connection": "ansible.netcommon.network_cli",
        "ansible_network_os": "cisco.nxos.nxos",
        "ansible_host_key_checking": False,
    }
    return {"all": {"children": {"switches": {"vars": settings, "children": groups}}}}


def _nornir(rendered: Rendered, switches: dict[str, SshEndpoint]) -> dict[str, Any]:
    """``hosts.yaml`` of SimpleInventory; the platform is netmiko's name, scrapli has one of its own."""
    body: dict[str, Any] = {}
    for name, ssh in switches.items():
        key = str(ssh.key_file)
        netmiko = {"use_keys": True, "key_file": key} if ssh.key_file else {}
        scrapli = {"auth_strict_key": False} | ({"auth_private_key": key} if ssh.key_file else {})
        body[name] = {
            "hostname": ssh.host,
            "port": ssh.port,
            "username": ssh.username,
            **({} if ssh.key_file else {"password": ssh.password}),
            "platform": "cisco_nxos",
            "data": {"role": rendered.nodes[name].role},
            "connection_options": {
                "netmiko": {"extras": netmiko},
                "scrapli": {"platform": "cisco_nxos", "extras": scrapli},
            },
        }
    return body


def _json(lab: Lab, rendered: Rendered, switches: dict[str, SshEndpoint]) -> dict[str, Any]:
    seen, rows = lab.runtime.observe().nodes, []
    for name, node in rendered.nodes.items():
        row: dict[str, Any] = {"name": name, "kind": node.kind, "role": node.role}
        if ssh := switches.get(name):
            row |= {"host": ssh.host, "port": ssh.port, "username": ssh.username, "network_os": "nxos"}
            row |= {"key_file": str(ssh.key_file)} if ssh.key_file else {"password": ssh.password}
        else:
            row["exec"] = ["labctl", "exec", lab.name, name, "--"]
        rows.append(row | {"management": seen[name].management if name in seen else None})
    return {
        "schema": "labctl.inventory/v1",
        "lab": lab.name,
        "ssh_config": str(lab.state_folder.ssh_config),
        "kubeconfig": str(lab.endpoints().kubeconfig()) if rendered.kube_nodes else None,
        "nodes": rows,
    }
