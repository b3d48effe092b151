#!/bin/sh
# master: bond0 = LACP over eth1 (leaf2101) and eth2 (leaf2102), its addresses, and the routes to the
# leafs' peering loopbacks through the anycast gateway. Run as root in the node; a second run changes nothing.
# bond0 has a MAC of its own: links that are made again bring new ones, and the leafs would go on sending to the old.
set -eu
if ! [ -e /proc/net/bonding/bond0 ]; then
  ip -batch - <<'EOF'
link add bond0 address 02:00:c0:a8:01:0a type bond mode 802.3ad miimon 100 lacp_rate fast xmit_hash_policy layer3+4
link set eth1 down
link set eth2 down
link set eth1 master bond0
link set eth2 master bond0
link set bond0 mtu 1500
link set bond0 up
EOF
fi
ip -batch - <<'EOF'
addr replace 192.168.1.10/24 dev bond0
addr replace 2001:192:168:1::10/64 dev bond0 nodad
route replace 192.168.100.0/24 via 192.168.1.1 dev bond0
route replace 2001:193:168:1::/64 via 2001:192:168:1::1 dev bond0
EOF
