#!/bin/bash
# Members of a replica set with authentication share a key. This one has no other members, so any key will do.
set -euo pipefail
umask 077
head -c 48 /dev/urandom | base64 -w 0 > /tmp/replica-set-key
chown mongodb:mongodb /tmp/replica-set-key
exec docker-entrypoint.sh mongod --replSet datalab --keyFile /tmp/replica-set-key --bind_ip_all \
  --wiredTigerCacheSizeGB "$MONGO_CACHE_GB"
