"""Bringing the archive into the Docker daemon of this host."""

from __future__ import annotations

from pathlib import Path

from labctl.containers import recipe
from labctl.errors import HostError


def daemon_answers() -> bool:
    """Whether there is a Docker daemon that this user may speak to."""
    import docker
    from docker.errors import DockerException

    try:
        return bool(docker.from_env(timeout=5).ping())
    except DockerException:
        return False


def load_archive(archive: Path) -> tuple[str, ...]:
    """``docker load``; returns the tags. Raises `HostError` when no daemon answers or it refuses."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=600)
        with archive.open("rb") as handle:
            client.images.load(handle)
    except DockerException as error:
        raise HostError(
            f"Docker did not take the images: {error}",
            code="docker",
            next_command="labctl doctor --runtime containerlab",
        ) from None
    return tuple(image.tag for image in recipe.IMAGES)
