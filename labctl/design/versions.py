"""Which versions a lab has where its spec leaves them out: the newest that go together (`labctl.peers`)."""

from __future__ import annotations

from labctl import peers
from labctl.imagename import image_name, image_trouble
from labctl.spec.keys import Cluster, Spec


def of_cluster(spec: Spec, cluster: str, containerlab: str = peers.WRITTEN_FOR) -> tuple[str, str]:
    """(Kubernetes, Calico) of a spec's cluster, for kind or the stand-in. The spec has been judged, or soon is."""
    wanted = spec.cluster if isinstance(spec.cluster, Cluster) else Cluster()
    kubernetes, calico = wanted.kubernetes, wanted.calico.version
    if cluster == "standin":
        return kubernetes or peers.STANDIN_KUBERNETES, calico or peers.WHITE_PAPER_CALICO
    kubernetes = kubernetes or image_version(spec.images.node, "node")
    if kubernetes is None:
        images = peers.kind(containerlab)[1].images
        tested = peers.calico(calico or "").kubernetes
        kubernetes = next((it for it in images if tested and not peers.outside(it, tested)), images[0])
    if calico is None:
        fitting = (row for row in peers.CALICO if row.kubernetes and not peers.outside(kubernetes, row.kubernetes))
        calico = next(fitting, peers.CALICO[0]).standin[0]
    return kubernetes, calico


def image_version(image: str | None, of: str) -> str | None:
    """What the tag of an image says of what is in it (``kindest/node:v1.37.0``: 1.37.0); None where it says nothing.

    ``of``: what the name of such an image has in it; the tags of others are their makers' own.
    """
    if image is None or image_trouble(image) or of not in image_name(image).repository.rpartition("/")[2]:
        return None
    found = peers.numbers(image_name(image).tag)
    return peers.dotted(found[:3]) if len(found) >= 3 else None
