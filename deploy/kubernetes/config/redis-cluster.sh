#!/bin/sh
# Makes one cluster of the nodes in REDIS_NODES: three masters with a replica each. Run again on a cluster that is there, it changes
# nothing, unless a node is not reached: then it says where each is now, which is what a cluster needs whose nodes all came back with new
# addresses.
set -eu
export REDISCLI_AUTH; REDISCLI_AUTH=$(cat /etc/redis/users/admin-password)
cli() { redis-cli --tls --cert /etc/redis/tls/tls.crt --key /etc/redis/tls/tls.key --cacert /etc/redis/tls/ca.crt --user admin "$@"; }
address() { getent ahosts "$1" | { read -r ip _; echo "$ip"; }; }

for node in $REDIS_NODES; do
  until [ "$(cli -h "$node" ping 2>/dev/null)" = PONG ]; do echo "waiting for $node"; sleep 1; done
done

first=${REDIS_NODES%% *}
if cli -h "$first" cluster info | grep -q '^cluster_known_nodes:1[^0-9]*$'; then
  addresses=
  for node in $REDIS_NODES; do addresses="$addresses $(address "$node"):6379"; done
  # shellcheck disable=SC2086
  cli --cluster create $addresses --cluster-replicas 1 --cluster-yes
elif cli -h "$first" cluster nodes | grep -q -w -e fail -e 'fail?'; then
  for node in $REDIS_NODES; do cli -h "$first" cluster meet "$(address "$node")" 6379 >/dev/null; done
fi
until cli -h "$first" cluster info | grep -q '^cluster_state:ok'; do echo "waiting for the cluster"; sleep 1; done
echo "the cluster is whole"
