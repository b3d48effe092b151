"""Where the folders are that travel beside the package: example specs, notes on images and on kind."""

from __future__ import annotations

from pathlib import Path

from labctl.errors import HostError

PACKAGE = Path(__file__).resolve().parent


def shipped(name: str, *, package: Path = PACKAGE) -> Path:
    """The folder ``name`` (``topologies``, ``images``, ``kind``): inside an installed wheel, else in the checkout.

    Raises `HostError` when the installation has lost it.
    """
    for path in (package / "data" / name, package.parent / name):
        if path.is_dir():
            return path
    raise HostError(
        f"this installation of labctl has no folder {name}",
        code="incomplete-installation",
        next_command="pip install --force-reinstall nxos-labctl",
    )


def topologies() -> dict[str, Path]:
    """The example specs by name."""
    return {path.stem: path for path in sorted(shipped("topologies").glob("*.yaml"), key=lambda path: path.stem)}
