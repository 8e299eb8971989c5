#!/usr/bin/env bash
# The cluster scenarios in their order: one control plane, one Notary behind a forwarder, and a replica
# that is started anew where a scenario says so. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

for part in control_plane cluster release admission owners updates; do
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
  local one two metrics_one metrics_two
  read -r front_port api_front_port cluster_notary_port mutator_port one two metrics_one metrics_two \
    < <(free_ports 8)
  replica_port=([one]=$one [two]=$two) metrics_port=([one]=$metrics_one [two]=$metrics_two)
  trust_server=https://localhost:$cluster_notary_port
  control_plane
  say "a control plane of Kubernetes $(k version --short | awk '/Server/ { print $3 }') is up"
  running notary || {
    notary_config notary "$notary_port" "$(remote_signer)"
    start_notary notary "$notary_port"
  }
  front api_front "$api_front_port" - "$apiserver_port"
  notary_up
  front webhook_front "$front_port" "$work/pki/ca.crt" "${replica_port[one]}" "${replica_port[two]}"
  sign init "$gun" -p
  sign add "$gun" v1 "$work/v1.manifest" -p
  sign add "$gun" v2 "$work/v2.manifest" -p
  install_release
  cluster_policies
}

kubernetes_scenario() {
  local keys=publisher trust_server gun=$registry/team/web
  cluster_up
  replica one
  await_front
  admission_checks
  owners_checks
  updates_checks
}
