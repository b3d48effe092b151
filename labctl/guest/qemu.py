"""The launchers ``qemu-kvm`` and ``qemu-tcg``: QEMU with the processor's virtualization, and without."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from labctl.guest.image import GuestImage
from labctl.guest.machine import Machine, RunningGuest, spawn

WINDOW = 65536
"""Bytes under way towards a guest."""
KERNEL = "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable random.trust_cpu=on labctl.channel=/dev/vport2p1"


def refusal(name: str, _image: GuestImage, **_: bool) -> str | None:
    if shutil.which("qemu-system-x86_64") is None:
        return "qemu-system-x86_64 is not installed (apt-get install qemu-system-x86)"
    return kvm_refusal() if name == "qemu-kvm" else None


def kvm_refusal(device: Path = Path("/dev/kvm"), cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """Why KVM cannot be used; None when it may be tried. A /dev/kvm alone says little: it can be there and not boot."""
    if not device.exists():
        return f"there is no {device}"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"{device} may not be opened by this user"
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "").split()
    if not {"vmx", "svm"} & set(flags):
        return f"{device} is there, but this processor offers no hardware virtualization"
    return None


def start(name: str, image: GuestImage, machine: Machine) -> RunningGuest:
    accelerator, alone = ("kvm", "-cpu", "host"), ""
    if name != "qemu-kvm":
        accelerator = f"tcg,thread=multi,tb-size={machine.translation_mb}", "-cpu", "max"
        alone = " maxcpus=1"  # the second one is switched on by the guest's boot script, which says why

    def command(channel: int) -> list[str]:
        return [
            "qemu-system-x86_64", "-accel", *accelerator,
            "-smp", str(min(2, len(os.sched_getaffinity(0)))),
            "-m", f"{machine.memory_mb}M", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-chardev", f"file,id=console,path={machine.console},append=on", "-serial", "chardev:console",
            "-kernel", f"{image.folder}/vmlinuz", "-initrd", f"{image.folder}/initrd",
            "-append", f"{KERNEL}{alone} {machine.kernel}",
            # nobody writes the image: without this QEMU would refuse it while a UML guest, which locks it, runs
            "-drive", f"file={image.root},if=none,id=d0,format=raw,readonly=on,cache=unsafe,file.locking=off",
            "-device", "virtio-blk-pci,drive=d0",
            "-drive", f"file={machine.agent_disk},if=none,id=d1,format=raw,readonly=on",
            "-device", "virtio-blk-pci,drive=d1",
            "-device", "virtio-serial-pci,id=s0", "-chardev", f"socket,id=channel,fd={channel}",
            "-device", "virtserialport,bus=s0.0,nr=1,chardev=channel,name=labctl",
            *machine.qemu,  # behind the channel, whose name in the guest tells its place
        ]  # fmt: skip

    return spawn(name, machine, command, window=WINDOW)
