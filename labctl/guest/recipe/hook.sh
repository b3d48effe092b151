#!/bin/sh
# Run by mmdebstrap with the new root as $1, as a user in a user namespace too: everything stays in that root, kernels
# and C library in /labctl-out, from where pack.sh takes them.
# The kernel of QEMU is unpacked, not installed: no initramfs tools, no boot loader.
set -eu
root=$1
here=$(dirname "$0")
OUT=$root/labctl-out
mkdir "$OUT"
package=$(chroot "$root" apt-cache depends "$KERNEL_PACKAGE" | sed -n 's/^ *Depends: \(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
[ -n "$package" ] || { echo "no kernel behind $KERNEL_PACKAGE" >&2; exit 1; }
mkdir -p "$root/kernel"
chroot "$root" sh -c "cd /kernel && apt-get download -q $package && dpkg-deb -x ./*.deb /kernel/x"
cp "$root"/kernel/x/boot/vmlinuz-* "$OUT/vmlinuz"
mkdir -p "$root/usr/lib/modules"
cp -a "$root"/kernel/x/usr/lib/modules/* "$root/usr/lib/modules/" 2>/dev/null || cp -a "$root"/kernel/x/lib/modules/* "$root/usr/lib/modules/"
rm -rf "$root/kernel"
cp -L "$root/usr/bin/linux.uml" "$OUT/linux.uml"
cp -L "$root/lib64/ld-linux-x86-64.so.2" "$OUT/"
cp -L "$root/usr/lib/x86_64-linux-gnu/libc.so.6" "$OUT/"
cp -L "$root/bin/busybox" "$OUT/busybox"
if [ -d "$root/usr/lib/uml/modules" ]; then cp -a "$root"/usr/lib/uml/modules/* "$root/usr/lib/modules/"; rm -rf "$root/usr/lib/uml"; fi
for name in lab-init lab-init2; do install -m 0755 "$here/$name" "$root/sbin/$name"; done
mkdir -p "$root/lab" "$root/old"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/usr/bin/linux.uml "$root"/boot/* \
  "$root"/usr/share/doc "$root"/usr/share/man "$root"/usr/share/locale "$root"/usr/share/info
