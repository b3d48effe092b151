"""The images of a lab: there by exact name, and made by somebody whose boxes containerlab can start. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from labctl.doctor.containerlab.model import ContainerHostFacts, ImageFact
from labctl.doctor.containerlab.needs import ImageNeed, LabNeeds
from labctl.doctor.findings import Finding, Severity
from labctl.peers import CONTAINERLAB_OLDEST, DEVELOPMENT, PASSTHROUGH_FIXED, WRITTEN_FOR, kind, outside, span

STANDIN_LABEL = "labctl.standin"
Maker = Literal["standin", "srl-labs", "plain", "unknown"]


def maker(image: ImageFact) -> Maker:
    """Who built a switch image, by what the image says of itself.

    Both forks of vrnetlab start ``/launch.py`` and have ``/healthcheck.py``. The one that containerlab drives, now
    srl-labs/vrnetlab, publishes NX-API's port 443 as well; the plain one does not, and neither did the other before it
    could pass the management address through.
    """
    if image.labels.get(STANDIN_LABEL) == "switch":
        return "standin"
    starts = any(word.endswith("launch.py") for word in image.entrypoint)
    if not starts or not any(word.endswith("healthcheck.py") for word in image.healthcheck):
        return "unknown" if not any("launch_" in word for word in image.entrypoint) else "plain"
    return "srl-labs" if "uv" in image.entrypoint or "443/tcp" in image.ports else "plain"


def images(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """One finding an image, more for one that has something wrong with it."""
    if needs is None or facts.docker is None:
        return
    for need in needs.images:
        found = facts.docker.images.get(need.reference)
        name = f"image-{need.part}"
        if "@sha256:" in need.reference:
            why = f"{need.reference} is a digest: kind pulls one anew that `docker load` has dropped"
            yield Finding(f"{name}-digest", "warning", f"{why}; write the tag")
        if found is None:
            severity: Severity = "warning" if needs.pulled else "error"
            pulled = ", and is pulled when the lab starts" if needs.pulled else ""
            yield Finding(name, severity, f"{need.reference} is not here{pulled}", _bring(needs, need))
        elif need.part == "switch":
            yield from _switch(needs, need, found)
        else:
            yield Finding(name, "ok", f"{need.reference} is here")


def _bring(needs: LabNeeds, need: ImageNeed) -> str:
    """The command that brings an image: ours are built, a node's is public, a switch's is the owner's own file."""
    if need.reference.startswith("labctl/"):
        return "make image"
    if need.part == "switch" and needs.switch == "n9kv":
        return "labctl setup images load ARCHIVE"
    return f"docker pull {need.reference}"


def _switch(needs: LabNeeds, need: ImageNeed, found: ImageFact) -> Iterator[Finding]:
    made = maker(found)
    here = f"{need.reference} is here"
    rebuild = "make -C vrnetlab/cisco/n9kv docker-image"
    if needs.switch == "standin":
        severity: Severity = "ok" if made == "standin" else "error"
        what = (
            ", a stand-in" if made == "standin" else f", but is no stand-in of labctl: it has no {STANDIN_LABEL}=switch"
        )
        yield Finding("image-switch", severity, here + what, None if made == "standin" else "make image")
        return
    if made == "standin":
        why = f"{here}, but is a stand-in, and the lab was rendered for a 9000v"
        yield Finding("image-switch", "error", why, "labctl generate SPEC --target switch=standin,cluster=kind")
    elif made == "plain":
        why = f"{here}, but plain vrnetlab built it (or a very old fork): it does not know containerlab's options"
        yield Finding("image-switch", "error", f"{why}; srl-labs/vrnetlab, folder cisco/n9kv, is needed", rebuild)
    elif made == "unknown":
        start = " ".join(found.entrypoint) or "nothing"
        why = f"{here}, but starts {start}, without vrnetlab's launch.py or health check: no switch image that is known"
        yield Finding("image-switch", "error", f"{why}; srl-labs/vrnetlab, folder cisco/n9kv, is needed", rebuild)
    elif "nxos" in need.reference.partition(":")[0]:
        why = f"{here}, by its name built in vrnetlab's folder nxos, which is for a switch with other ports"
        yield Finding("image-switch", "warning", why, rebuild)
    else:
        yield Finding("image-switch", "ok", f"{here}, built by srl-labs/vrnetlab")
    machine = needs.virtual_machine
    if machine and machine.passthrough and made == "srl-labs" and found.created and found.created < PASSTHROUGH_FIXED:
        built = found.created.date().isoformat()
        why = (
            f"built on {built}: before {PASSTHROUGH_FIXED.date().isoformat()} CLAB_MGMT_PASSTHROUGH sent bad checksums"
        )
        yield Finding("image-switch-age", "warning", f"{why}, so SSH to mgmt0 may stall", rebuild)


def kubernetes(facts: ContainerHostFacts, needs: LabNeeds | None) -> Iterator[Finding]:
    """The node image's Kubernetes against the kind library inside containerlab."""
    if needs is None or needs.cluster != "kind" or not needs.kubernetes or facts.containerlab is None:
        return
    version = facts.containerlab.version
    library, row = kind(CONTAINERLAB_OLDEST if version in {None, DEVELOPMENT} else version)
    which = f"Kubernetes {needs.kubernetes}, with kind {library} in containerlab"
    if not outside(needs.kubernetes, row.kubernetes):
        yield Finding("kubernetes", "ok", which)
    elif row is kind(WRITTEN_FOR)[1] or version in {None, DEVELOPMENT}:
        yield Finding("kubernetes", "warning", f"{which}, which is known to run {span(row.kubernetes)}")
    else:
        fix = f"kubernetes: {row.images[0]} in the spec"
        yield Finding("kubernetes", "error", f"{which}, which runs {span(row.kubernetes)}", fix)
