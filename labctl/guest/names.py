"""Names of the launchers, where the command line can read them without importing any."""

from __future__ import annotations

LAUNCHERS = ("qemu-kvm", "uml", "qemu-tcg", "netns")
AUTO = ("qemu-kvm", "uml", "qemu-tcg")
