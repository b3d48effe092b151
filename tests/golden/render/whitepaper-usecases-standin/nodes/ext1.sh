#!/bin/sh
# ext1: a host outside, behind leaf2999. It owns an address of each prefix that it stands for, and reaches
# the lab's networks through the fabric. Run as root in the host; a second run changes nothing.
set -eu
ip -batch - <<'EOF'
link set eth1 up
addr replace 198.18.0.2/30 dev eth1
addr replace 2001:db8:ff00::2/64 dev eth1 nodad
addr replace 12.1.0.1/32 dev lo
addr replace 12.2.0.1/32 dev lo
addr replace 12.3.0.1/32 dev lo
addr replace 12.4.0.1/32 dev lo
addr replace 12.5.0.1/32 dev lo
addr replace 12.6.0.1/32 dev lo
addr replace 12.7.0.1/32 dev lo
addr replace 12.8.0.1/32 dev lo
addr replace 12.9.0.1/32 dev lo
addr replace 12.10.0.1/32 dev lo
addr replace 12.11.0.1/32 dev lo
addr replace 12.12.0.1/32 dev lo
addr replace 12.13.0.1/32 dev lo
addr replace 12.14.0.1/32 dev lo
addr replace 12.15.0.1/32 dev lo
addr replace 12.16.0.1/32 dev lo
addr replace 12.17.0.1/32 dev lo
addr replace 12.18.0.1/32 dev lo
addr replace 12.19.0.1/32 dev lo
addr replace 12.20.0.1/32 dev lo
addr replace 13.1.0.1/32 dev lo
addr replace 13.2.0.1/32 dev lo
addr replace 13.3.0.1/32 dev lo
addr replace 13.4.0.1/32 dev lo
addr replace 13.5.0.1/32 dev lo
addr replace 13.6.0.1/32 dev lo
addr replace 13.7.0.1/32 dev lo
addr replace 13.8.0.1/32 dev lo
addr replace 13.9.0.1/32 dev lo
addr replace 13.10.0.1/32 dev lo
addr replace 13.11.0.1/32 dev lo
addr replace 13.12.0.1/32 dev lo
addr replace 13.13.0.1/32 dev lo
addr replace 13.14.0.1/32 dev lo
addr replace 13.15.0.1/32 dev lo
addr replace 13.16.0.1/32 dev lo
addr replace 13.17.0.1/32 dev lo
addr replace 13.18.0.1/32 dev lo
addr replace 13.19.0.1/32 dev lo
addr replace 13.20.0.1/32 dev lo
addr replace 14.1.0.1/32 dev lo
addr replace 14.2.0.1/32 dev lo
addr replace 14.3.0.1/32 dev lo
addr replace 14.4.0.1/32 dev lo
addr replace 14.5.0.1/32 dev lo
addr replace 14.6.0.1/32 dev lo
addr replace 14.7.0.1/32 dev lo
addr replace 14.8.0.1/32 dev lo
addr replace 14.9.0.1/32 dev lo
addr replace 14.10.0.1/32 dev lo
addr replace 14.11.0.1/32 dev lo
addr replace 14.12.0.1/32 dev lo
addr replace 14.13.0.1/32 dev lo
addr replace 14.14.0.1/32 dev lo
addr replace 14.15.0.1/32 dev lo
addr replace 14.16.0.1/32 dev lo
addr replace 14.17.0.1/32 dev lo
addr replace 14.18.0.1/32 dev lo
addr replace 14.19.0.1/32 dev lo
addr replace 14.20.0.1/32 dev lo
addr replace 199.101.101.101/32 dev lo
addr replace 199.101.101.102/32 dev lo
addr replace 200.200.200.200/32 dev lo
route replace 192.168.1.0/24 via 198.18.0.1 dev eth1 src 12.1.0.1
route replace 2001:192:168:1::/64 via 2001:db8:ff00::1 dev eth1
route replace 10.233.64.0/18 via 198.18.0.1 dev eth1 src 12.1.0.1
route replace 10.233.0.0/18 via 198.18.0.1 dev eth1 src 12.1.0.1
EOF
