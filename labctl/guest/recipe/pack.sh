#!/bin/sh
# Run under fakeroot: the root's tar becomes one read-only ext4 file with the modules that a lab needs.
# $1 tar, $2 work folder, $3 image (what the hook laid into /labctl-out goes beside it); MODULES in the environment.
set -eu
tree=$2/tree
mkdir "$tree"
tar -x -f "$1" -C "$tree" --exclude='./dev/*'
mv "$tree"/labctl-out/* "$(dirname "$3")/"
rmdir "$tree/labctl-out"
for folder in "$tree"/usr/lib/modules/*; do
  release=${folder##*/}
  keep=$2/keep
  depmod -b "$tree" "$release" # the unpacked kernel has no modules.dep yet
  for module in $MODULES; do
    modprobe -d "$tree" -S "$release" --show-depends "$module" 2>/dev/null || true # built in, or not in this kernel
  done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u >"$keep"
  find "$folder" -name '*.ko*' | sort >"$2/all"
  while read -r file; do
    base=${file##*/}
    grep -q "/$base\$" "$keep" || rm -f "$file"
  done <"$2/all"
  find "$folder" -name '*.ko.xz' -exec xz -d {} +
  depmod -b "$tree" "$release"
done
# QEMU's kernel reaches its disk by this module, from the initramfs (UML's module of that name is another one)
find "$tree"/usr/lib/modules/*cloud* -name virtio_blk.ko -exec cp {} "$2/virtio_blk.ko" \;
size=$(( $(du -s --apparent-size -k "$tree" | cut -f 1) * 115 / 100 + 16384 ))
mke2fs -q -t ext4 -O '^has_journal,^resize_inode,^metadata_csum' -m 0 -N 24000 -d "$tree" "$3" "${size}k"
