#!/usr/bin/env bash
# New keys for seals, from the chart's Secret: workloads are sealed anew by annotation alone, and Pods
# go on being admitted by what their owners carry. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

seal_secret() { # file: becomes the Secret, and the kubelet brings it to the replica
  k create secret generic --namespace portreeve portreeve-seal --dry-run=client \
    --from-file=seal.key="$1" --output yaml | quietly k apply -f -
  lay one Deployment portreeve
}

key_of() { seal "$@" | cut -d . -f 2; } # kind namespace name: the key that it is sealed with

sealed_anew() { # key: a workload that is made now gets a seal of another
  quietly k delete deployment --namespace vault --ignore-not-found fresh
  quietly create Deployment vault fresh "$gun:v1" replicas=0
  [ "$(key_of deployment vault fresh)" = "$1" ] || echo yes
}

keys_in_force() { # key: whether the replica's log says that it knows it
  grep 'other keys of seals are in force' "$work/one.log" | tail -n 1 | grep -o "$1" | head -n 1
}

child_of() { # owner: what becomes of a Pod that names it, with its image
  create Pod vault "child-$RANDOM$RANDOM" "$gun:v2@$second" "$1" 2>&1 |
    grep -o 'trust-server-unreachable\|created' | head -n 1
}

check_revocation() {
  local owner
  quietly create Deployment vault ended "$gun:v2"
  quietly rolled_out deployment/ended vault
  owner=$(owner replicaset vault "$(replica_set vault ended)")
  notary_down
  equal "seals: with Notary down a seal lets its image in" created "$(child_of "$owner")"
  succeeds "seals: an operator ends the entry for the cluster" "$bin" seal revoke "$gun@$second" \
    --reason "built from the wrong commit" --kubeconfig "$plane/admin.kubeconfig"
  becomes "seals: then it lets it in no more" 40 trust-server-unreachable child_of "$owner"
  delete_pods vault kept
  holds "seals: while others go on counting" "successfully rolled out" \
    "$(rolled_out deployment/kept vault)"
  notary_up
}

# The steps of docs/seals.md, "In a cluster".
seals_checks() {
  local keys=$work/seal.key old new output status=0
  local where=(--kubeconfig "$plane/admin.kubeconfig" --seal-secret portreeve/portreeve-seal)
  quietly k create namespace vault
  quietly create Deployment vault kept "$gun:v1"
  quietly rolled_out deployment/kept vault
  old=$(key_of deployment vault kept)
  k get secret --namespace portreeve portreeve-seal --output 'jsonpath={.data.seal\.key}' |
    base64 -d >"$keys"
  new=$("$bin" seal keygen --standby "$keys" 2>&1 | grep -oE '[0-9a-f]{16}' | head -n 1)
  seal_secret "$keys"
  becomes "seals: a key that stands by is known to the replica" 30 "$new" keys_in_force "$new"
  quietly create Deployment vault early "$gun:v1" replicas=0
  equal "seals: and makes no seal yet" "$old" "$(key_of deployment vault early)"
  quietly "$bin" seal switch "$keys" "$new"
  seal_secret "$keys"
  becomes "seals: switched to, it makes those of new workloads" 30 yes sealed_anew "$old"
  equal "seals: workloads from before keep theirs" "$old" "$(key_of deployment vault kept)"
  output=$(timeout 60 "$bin" seal status "${where[@]}" 2>&1 </dev/null) || status=$?
  equal "seals: status tells that there are seals of an old key" 1 "$status"
  holds "seals: and which key that is" "$old" "$output"
  succeeds "seals: all are renewed" timeout 120 "$bin" seal renew "${where[@]}" --write
  equal "seals: renewed, a workload is of the new key" "$new" "$(key_of deployment vault kept)"
  equal "seals: and nothing was rolled out" "1 $gun:v1@$first" \
    "$(replica_sets vault kept) $(pod_images vault kept)"
  status=0
  output=$(timeout 60 "$bin" seal status "${where[@]}" 2>&1 </dev/null) || status=$?
  # owners.sh left a workload that carries the seal of another one.
  equal "seals: status has nothing left to tell but of the copied one" \
    "1 StatefulSet estate/copied: it is the seal of Deployment estate/genuine" \
    "$status $(grep 'it is the seal of' <<<"$output")"
  equal "seals: and no seal is of the old key" 0 "$(grep -c 'old seal' <<<"$output" || true)"
  head -n 1 "$keys" >"$keys.new"
  seal_secret "$keys.new"
  becomes "seals: the old key is taken out" 30 "" keys_in_force "$old"
  notary_down
  delete_pods vault kept
  holds "seals: with the old key and Notary gone, Pods are admitted by the renewed seal" \
    "successfully rolled out" "$(rolled_out deployment/kept vault)"
  notary_up
  check_revocation
}
