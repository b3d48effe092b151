#!/bin/sh
# ext1: a host outside, behind leaf2999. It owns an address of each prefix that it stands for, and reaches
# the lab's networks through the fabric. Run as root in the host; a second run changes nothing.
set -eu
ip -batch - <<'EOF'
link set eth1 up
addr replace 198.18.0.2/30 dev eth1
addr replace 2001:db8:ff00::2/64 dev eth1 nodad
addr replace 12.1.0.1/32 dev lo
route replace 192.168.1.0/24 via 198.18.0.1 dev eth1 src 12.1.0.1
route replace 2001:192:168:1::/64 via 2001:db8:ff00::1 dev eth1
route replace 10.244.0.0/16 via 198.18.0.1 dev eth1 src 12.1.0.1
route replace 2001:db8:42::/56 via 2001:db8:ff00::1 dev eth1
route replace 10.96.0.0/16 via 198.18.0.1 dev eth1 src 12.1.0.1
EOF
