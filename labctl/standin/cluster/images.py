"""Which container images a stand-in node knows, and the guest's program behind each.

There is no registry in a lab without containers: an image name stands for a real program of the guest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from labctl.imagename import plain_name

Function = Literal["calico-node", "kube-proxy", "calico-kube-controllers"]

NGINX_CONF = """\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 256; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  log_format main '$remote_addr - $remote_user [$time_local] "$request" \
$status $body_bytes_sent "$http_referer" "$http_user_agent"';
  access_log /dev/stdout main;
  server {
    listen 80;
    listen [::]:80;
    location / { root /usr/share/nginx/html; index index.html; }
  }
}
"""
"""Listens and logs as the nginx image does; the page is the one that the guest's nginx package brings."""


@dataclass(frozen=True, slots=True)
class Image:
    """A known image: programs of the guest, or a function of the node agent."""

    name: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    binds: tuple[tuple[str, str], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """Written into the machine once before the first start."""
    function: Function | None = None


BUSYBOX_BIN = "/run/labctl/busybox"
SHARED = "/run/labctl/images"

IMAGES: Mapping[str, Image] = {
    image.name: image
    for image in (
        Image(
            "nginx",
            command=("nginx", "-e", "stderr", "-c", "/etc/nginx/nginx.conf", "-g", "daemon off;"),
            binds=((f"{SHARED}/nginx.conf", "/etc/nginx/nginx.conf"),),
            files={f"{SHARED}/nginx.conf": NGINX_CONF},
        ),
        Image("busybox", command=("sh",), binds=((BUSYBOX_BIN, "/usr/local/bin"),)),
        Image("calico/node", function="calico-node"),
        Image("calico/kube-controllers", function="calico-kube-controllers"),
        Image("kube-proxy", function="kube-proxy"),
    )
}


def find_image(reference: str) -> Image | None:
    """The image of a reference: registry, ``library/`` and tag or digest do not matter."""
    return IMAGES.get(plain_name(reference))


def version(reference: str) -> str:
    """The version in a reference's tag: ``calico/node:v3.20.0`` is of ``3.20.0``; empty when it has none."""
    tag = reference.split("@", maxsplit=1)[0].rpartition("/")[2].partition(":")[2]
    found = re.match(r"v?(\d+(?:\.\d+)*)", tag)
    return found[1] if found else ""


def unknown(reference: str) -> str:
    """What ``kubectl describe`` says of an image that is not known."""
    known = ", ".join(sorted(IMAGES))
    return f'image "{reference}" is not known to this lab\'s stand-in nodes, which run programs of the guest: {known}'
