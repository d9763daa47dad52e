#!/bin/sh
# Plays ethtool for a made-up host: what is set stays in files beside, and the pages look like those of version 6.1.
set -eu
at=$(dirname "$0")/cards/$2
held() { cat "$at/$1" 2>/dev/null || echo "$2"; }
letters() {
    echo "UDP over IPV4 flows use these fields for computing Hash flow key:"
    case $1 in *s*) echo "IP SA" ;; esac
    case $1 in *d*) echo "IP DA" ;; esac
    case $1 in *f*) echo "L4 bytes 0 & 1 [TCP/UDP src port]" ;; esac
    case $1 in *n*) echo "L4 bytes 2 & 3 [TCP/UDP dst port]" ;; esac
    echo
}
[ -d "$at" ] || { echo "netlink error: there is no such card" >&2; exit 1; }
case $1 in
-g)
    printf 'Ring parameters for %s:\nPre-set maximums:\nRX:\t\t4096\nRX Mini:\tn/a\nTX:\t\t4096\n' "$2"
    printf 'Current hardware settings:\nRX:\t\t%s\nRX Mini:\tn/a\nTX:\t\t%s\n' "$(held G.rx 4096)" "$(held G.tx 4096)"
    ;;
-l)
    printf 'Channel parameters for %s:\nPre-set maximums:\nRX:\t\tn/a\nTX:\t\tn/a\nCombined:\t8\n' "$2"
    printf 'Current hardware settings:\nRX:\t\tn/a\nTX:\t\tn/a\nCombined:\t%s\n' "$(held L.combined 2)"
    ;;
-c)
    printf 'Coalesce parameters for %s:\nAdaptive RX: %s  TX: off\nstats-block-usecs: n/a\n\n' "$2" "$(held C.adaptive-rx off)"
    printf 'rx-usecs: %s\nrx-frames: n/a\n' "$(held C.rx-usecs 10)"
    ;;
-k)
    printf 'Features for %s:\ngeneric-receive-offload: on\nlarge-receive-offload: %s%s\n' "$2" "$(held K.lro off)" "$(held fixed '')"
    printf 'rx-gro-hw: %s\n' "$(held K.rx-gro-hw off)"
    ;;
-a) printf 'Pause parameters for %s:\nAutonegotiate:\ton\nRX:\t\t%s\nTX:\t\t%s\n' "$2" "$(held A.rx off)" "$(held A.tx off)" ;;
-n) letters "$(held "N.$4" sdfn)" ;;
-S) printf 'NIC statistics:\n     rx_packets: 5\n     pps_allowance_exceeded: %s\n' "$(held S.pps 0)" ;;
-N) echo "$5" >"$at/N.$4" ;;
-G | -L | -C | -K | -A) echo "$4" >"$at/${1#-}.$3" ;;
*) exit 1 ;;
esac
