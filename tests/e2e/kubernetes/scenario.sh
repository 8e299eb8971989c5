#!/usr/bin/env bash
# The cluster's scenarios, `kubernetes`, `chaos` and `uninstall`, on one control plane, with one Notary
# behind a forwarder. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

for part in control_plane cluster release admission owners updates policies seals chaos uninstall; do
  # shellcheck source=/dev/null
  source "$here/kubernetes/$part.sh"
done

cluster_policies() {
  k apply -f - >>"$work/kubectl.log" <<YAML
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: team}
spec:
  repositories:
    - name: "$registry/team/*"
      policy:
        trust: {enabled: true, trustServer: "$trust_server"}
    - name: "$registry/free/*"
YAML
}

# Everything but a replica.
cluster_up() {
  local ports name
  read -ra ports < <(free_ports 14)
  front_port=${ports[0]} api_front_port=${ports[1]} cluster_notary_port=${ports[2]}
  mutator_port=${ports[3]} private_port=${ports[4]} tokens_port=${ports[5]}
  ports=("${ports[@]:6}")
  for name in one two three four; do
    replica_port[$name]=${ports[0]} metrics_port[$name]=${ports[1]}
    ports=("${ports[@]:2}")
  done
  trust_server=https://localhost:$cluster_notary_port
  control_plane
  say "a control plane of Kubernetes $(k version --short | awk '/Server/ { print $3 }') is up"
  running notary || {
    notary_config notary "$notary_port" "$(remote_signer)"
    start_notary notary "$notary_port"
  }
  front api_front "$api_front_port" always "$apiserver_port"
  notary_up
  front webhook_front "$front_port" ready "${replica_port[@]}"
  sign init "$gun" -p
  sign add "$gun" v1 "$work/v1.manifest" -p
  sign add "$gun" v2 "$work/v2.manifest" -p
  install_release
  cluster_policies
}

gun_of_cluster=""
in_cluster() { # checks...: with the cluster up, once for all scenarios
  local keys=publisher gun
  if [ -z "$gun_of_cluster" ]; then
    gun=$registry/team/web
    cluster_up
    gun_of_cluster=$gun
  fi
  gun=$gun_of_cluster trust_server=https://localhost:$cluster_notary_port
  running one || replica one
  await_front
  "$@"
}

kubernetes_checks() {
  admission_checks
  owners_checks
  updates_checks
  policies_checks
  seals_checks
}

kubernetes_scenario() { local trust_server; in_cluster kubernetes_checks; check_rights; }
chaos_scenario() { local trust_server; in_cluster chaos_checks; check_rights; }
uninstall_scenario() { local trust_server; in_cluster uninstall_checks; }
