#!/usr/bin/env bash
# Policies in the cluster: how soon a change counts, which of them counts where, modes, what their status
# says, Events, the Secrets they name and those that workloads pull with. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

# --- writing and asking -----------------------------------------------------------------------------
policy() { # kind namespace|- name: applies it, with the repositories on standard input
  local group=${policy_group:-portieris.cloud.ibm.com/v1} at=""
  [ "$2" = - ] || at=", namespace: $2"
  {
    printf 'apiVersion: %s\nkind: %s\nmetadata: {name: %s%s}\n' "$group" "$1" "$3" "$at"
    printf 'spec:\n'
    [ -z "${policy_mode:-}" ] || printf '  mode: %s\n' "$policy_mode"
    printf '  repositories:\n'
    sed 's/^/    /'
  } | k apply -f - 2>&1
}

trusting() { # [member: value]: the rule that asks for trust in the team's images
  printf -- '- name: "%s/team/*"\n  policy:\n    trust: {enabled: true, trustServer: "%s"%s}\n' \
    "$registry" "$trust_server" "${1:+, $1}"
}

asking_nothing() { printf -- '- name: "%s/team/*"\n' "$registry"; }

verdict_on() { # namespace image: "allowed IMAGE", or the code of the refusal; nothing is stored
  workload Pod "$1" asked "$2" >"$work/asked.json"
  verdict_again "$1"
}

verdict_again() { # namespace: on what was asked last
  local answer
  answer=$(curl -s --max-time 20 --cacert "$work/pki/ca.crt" --cert "$work/pki/admin.crt" \
    --key "$work/pki/admin.key" -H 'Content-Type: application/json' --data-binary "@$work/asked.json" \
    "https://127.0.0.1:$apiserver_port/api/v1/namespaces/$1/pods?dryRun=All" </dev/null)
  case $answer in
    *'"kind": "Pod"'* | *'"kind":"Pod"'*)
      echo "allowed $(grep -o '"image": *"[^"]*"' <<<"$answer" | head -n 1 | cut -d '"' -f 4)" ;;
    *) grep -o '([a-z]*-[a-z-]*)' <<<"$answer" | head -n 1 | tr -d '()' || echo "$answer" ;;
  esac
}

# The second begins when kubectl has been told that the change is stored.
within_a_second() { # rule wanted namespace image command...: the change counts at once
  local rule=$1 wanted=$2 ns=$3 from got took
  workload Pod "$ns" asked "$4" >"$work/asked.json"
  shift 4
  quietly "$@"
  from=$(date +%s%N)
  while got=$(verdict_again "$ns"); took=$((($(date +%s%N) - from) / 1000000)); do
    if [ "$got" = "$wanted" ] || [ "$took" -gt 5000 ]; then break; fi
  done
  if [ "$got" = "$wanted" ] && [ "$took" -le 1000 ]; then
    pass "$rule ($took ms)"
  else
    fail "$rule" "wanted: $wanted within 1000 ms" "got:    $got after $took ms"
  fi
}

# --- which policy counts ----------------------------------------------------------------------------
check_changes_count() {
  quietly k create namespace rules
  equal "policies: the cluster's policy counts in a new namespace" tag-not-signed \
    "$(verdict_on rules "$gun:unsigned")"
  within_a_second "policies: a policy of the namespace overrides the cluster's" \
    "allowed $gun:unsigned" rules "$gun:unsigned" policy ImagePolicy rules own < <(asking_nothing)
  equal "policies: only there" tag-not-signed "$(verdict_on default "$gun:unsigned")"
  equal "policies: and for all of it" no-policy "$(verdict_on rules "$registry/free/tool:1")"
  within_a_second "policies: an edit counts" tag-not-signed rules "$gun:unsigned" \
    policy ImagePolicy rules own < <(trusting)
  equal "policies: what is allowed is pinned" "allowed $gun:v1@$first" "$(verdict_on rules "$gun:v1")"
  within_a_second "policies: where it is deleted, the cluster's policy counts again" \
    "allowed $registry/free/tool:1" rules "$registry/free/tool:1" \
    k delete --namespace rules imagepolicies.portieris.cloud.ibm.com own
  within_a_second "policies: without any policy everything is refused" no-policy rules "$gun:v1" \
    k delete clusterimagepolicies.portieris.cloud.ibm.com team
  holds "policies: by a message that says so" "no-policy" \
    "$(create Pod rules orphan "$gun:v1" 2>&1 || true)"
  within_a_second "policies: a policy of the first Portieris counts as it is" "allowed $gun:v1@$first" \
    rules "$gun:v1" eval 'policy_group=securityenforcement.admission.cloud.ibm.com/v1beta1 \
      policy ClusterImagePolicy - team' < <(trusting)
  quietly cluster_policies
  within_a_second "policies: with both groups their union counts" "allowed $registry/free/tool:1" \
    rules "$registry/free/tool:1" true
  quietly k delete clusterimagepolicies.securityenforcement.admission.cloud.ibm.com team
}

# --- policies that cannot be obeyed -----------------------------------------------------------------
condition() { # namespace name member: of the status of an ImagePolicy
  field ".status.conditions[?(@.type==\"Accepted\")].$3" \
    imagepolicies.portieris.cloud.ibm.com "$1" "$2"
}

check_malformed() {
  quietly k create namespace muddle
  quietly policy ImagePolicy muddle good < <(trusting)
  becomes "policies: the status of a good policy says that it is in force" 30 True \
    condition muddle good status
  within_a_second "policies: one that cannot be obeyed denies its whole namespace" policy-invalid \
    muddle "$gun:v1" policy ImagePolicy muddle bad < <(printf -- '- name: "%s/team/*"\n  policy:\n%s\n' \
    "$registry" '    trust: {enabled: true, trustServer: "ftp://nowhere.example"}')
  becomes "policies: its status says that it is not accepted" 30 "False" condition muddle bad status
  holds "policies: and why" "trustServer" "$(condition muddle bad message)"
  fold -s -w 92 <<<"$(condition muddle bad message)" | sed 's/^/        | /'
  equal "policies: other namespaces are as before" "allowed $gun:v1@$first" \
    "$(verdict_on rules "$gun:v1")"
  within_a_second "policies: what Portreeve does not support is refused, never ignored" policy-invalid \
    muddle "$gun:v1" policy ImagePolicy muddle bad < <(printf -- '- name: "%s/team/*"\n  policy:\n%s\n' \
    "$registry" '    simple: {requirements: [{type: signedBy}]}')
  becomes "policies: its status says NotSupported" 30 NotSupported condition muddle bad reason
  within_a_second "policies: corrected, it counts again" "allowed $gun:v1@$first" muddle "$gun:v1" \
    policy ImagePolicy muddle bad < <(trusting)
  becomes "policies: and its status says so" 30 True condition muddle bad status
}

# --- definitions that come and go -------------------------------------------------------------------
check_late_definition() {
  local group=securityenforcement.admission.cloud.ibm.com
  quietly k delete crd "clusterimagepolicies.$group" "imagepolicies.$group"
  equal "policies: without the definitions of the first Portieris the others count" \
    "allowed $gun:v1@$first" "$(verdict_on rules "$gun:v1")"
  equal "policies: an image that none covers is refused" no-policy "$(verdict_on rules late.example/x:1)"
  quietly k apply -f "$chart/out/crds.yaml"
  quietly k wait --for=condition=Established --timeout=30s crd --all
  policy_group=$group/v1beta1 quietly policy ClusterImagePolicy - late <<<'- name: "late.example/*"'
  becomes "policies: definitions that appear later are found" 60 "allowed late.example/x:1" \
    verdict_on rules late.example/x:1
  quietly k delete "clusterimagepolicies.$group" late
}

# --- modes ------------------------------------------------------------------------------------------
check_modes() {
  local mode
  for mode in warn audit; do
    quietly k create namespace "$mode"
    policy_mode=$mode quietly policy ImagePolicy "$mode" own < <(trusting)
    becomes "modes: $mode allows what is not signed" 20 "allowed $gun:unsigned" \
      verdict_on "$mode" "$gun:unsigned"
  done
  succeeds "modes: warn lets an unsigned Deployment in" create Deployment warn loose "$gun:unsigned"
  holds "modes: and kubectl prints why it would be refused" "Warning: " "$told"
  holds "modes: by its code" "tag-not-signed" "$told"
  equal "modes: a signed one is pinned" "allowed $gun:v1@$first" "$(verdict_on warn "$gun:v1")"
  succeeds "modes: audit lets an unsigned Deployment in" create Deployment audit loose "$gun:unsigned"
  lacks "modes: and says nothing" "Warning" "$told"
  equal "modes: and changes nothing, signed or not" "allowed $gun:v1" "$(verdict_on audit "$gun:v1")"
  holds "modes: the API server's audit log has what would have been refused" tag-not-signed \
    "$(grep '"namespace":"audit","name":"loose"' "$plane/audit.log" | head -n 1)"
  for mode in warn audit; do
    becomes "modes: $mode: the Deployment's Pods run" 40 "$gun:unsigned" pod_images "$mode" loose
  done
}

# --- namespaces that are not asked about ------------------------------------------------------------
check_excluded() {
  quietly k create namespace skipped
  quietly k label namespace skipped securityenforcement.admission.cloud.ibm.com/namespace=skip
  equal "namespaces: with the skip label of Portieris nothing is asked" "allowed nowhere.example/x:1" \
    "$(verdict_on skipped nowhere.example/x:1)"
  end one
  for ns in kube-system portreeve; do
    equal "namespaces: $ns starts with no replica there" "allowed nowhere.example/x:1" \
      "$(verdict_on "$ns" nowhere.example/x:1)"
  done
  refused "namespaces: elsewhere nothing is let in while no replica is there" "failed calling webhook" \
    create Pod rules early "$gun:v1"
  replica one
  await_front
  succeeds "namespaces: until there is one" create Pod rules early "$gun:v1"
}

# --- Events -----------------------------------------------------------------------------------------
events_of() { # namespace name: reasons and messages
  k get events --namespace "$1" --field-selector "involvedObject.name=$2" --output \
    'jsonpath={range .items[*]}{.type} {.reason} {.message}{"\n"}{end}'
}

check_events() {
  quietly create Deployment rules told "$gun:unsigned" || true
  becomes "events: a refusal is told in the namespace" 30 yes eval \
    'events_of rules told | grep -q "^Warning .*tag-not-signed" && echo yes'
  becomes "events: and what warn let through" 30 yes eval \
    'events_of warn loose | grep -q "tag-not-signed" && echo yes'
  lacks "events: no planted text is in them" "$PLANTED" "$(k get events --all-namespaces --output json)"
}

# --- Secrets ----------------------------------------------------------------------------------------
signer_secret() { # namespace name signer: applies the Secret of a signer
  k create secret generic --namespace "$1" "$2" --from-literal=name="$3" \
    --from-file=publicKey="$work/pki/$3.crt" --dry-run=client -o yaml | k apply -f -
}

check_signers() {
  local released=$registry/team/released
  sign init "$released" -p
  delegate "$released"
  sign add "$released" v1 "$work/v1.manifest" -r targets/releases -r targets/alice -p
  quietly k create namespace signed
  within_a_second "signers: a Secret that is not there refuses" signer-key-missing signed "$released:v1" \
    policy ImagePolicy signed own < <(trusting 'signerSecrets: [{name: signer}]')
  within_a_second "signers: made, it counts" "allowed $released:v1@$first" signed "$released:v1" \
    signer_secret signed signer alice
  within_a_second "signers: changed to another signer, it refuses" signer-missing signed "$released:v1" \
    signer_secret signed signer bob
  within_a_second "signers: deleted, it refuses" signer-key-missing signed "$released:v1" \
    k delete secret --namespace signed signer
  # The cluster's policies take theirs from Portreeve's own namespace.
  quietly k delete --namespace signed imagepolicies.portieris.cloud.ibm.com own
  quietly signer_secret portreeve release-manager alice
  within_a_second "signers: a ClusterImagePolicy takes its Secrets from Portreeve's namespace" \
    "allowed $released:v1@$first" signed "$released:v1" policy ClusterImagePolicy - released < <(
      trusting 'signerSecrets: [{name: release-manager}]' | sed 's#/team/\*#/team/released#'
    )
  quietly k delete clusterimagepolicies.portieris.cloud.ibm.com released
}

pulling() { # namespace word...: what becomes of a Pod of the private image with these words
  workload Pod "$1" puller "$private:v1" "${@:2}" | k create --dry-run=server -o name -f - 2>&1 |
    grep -o 'pod/puller\|([a-z]*-[a-z-]*)' | head -n 1
}

check_pull_secrets_on_demand() {
  local keys=publisher-in-cluster trust_server=https://localhost:$private_port
  local publishing reading wrong identity private=registry.example/private/app
  local public=registry.example/public/app
  publishing=$(random_text) reading=$(random_text) wrong=$(random_text) identity=$(random_text)
  end private
  end tokens
  start_private
  publish_private
  credentials_files
  quietly k create namespace private
  quietly policy ImagePolicy private own <<YAML
- name: "registry.example/*"
  policy: {trust: {enabled: true, trustServer: "$trust_server"}}
YAML
  becomes "pull secrets: without one the trust server refuses" 20 "(trust-server-unauthorized)" \
    pulling private
  equal "pull secrets: one that does not exist is none" "(trust-server-unauthorized)" \
    "$(pulling private secret=listed)"
  quietly docker_secret private listed right
  quietly docker_secret private accounted identity
  quietly k create serviceaccount --namespace private runner
  quietly k patch serviceaccount --namespace private runner \
    --patch '{"imagePullSecrets": [{"name": "accounted"}]}'
  becomes "pull secrets: made, the Pod's own opens the collection" 30 pod/puller \
    pulling private secret=listed
  becomes "pull secrets: so does that of its service account" 30 pod/puller pulling private account=runner
  quietly docker_secret private listed wrong
  becomes "pull secrets: changed, it is used as it is now" 40 "(trust-server-unauthorized)" \
    pulling private secret=listed
  equal "pull secrets: no password and no token is in the journal or the log" "" \
    "$(grep -rlF -e "$reading" -e "$wrong" -e "$identity" "$(data_of one)" "$work/one.log" || true)"
  end private
  end tokens
}

docker_secret() { # namespace name credentials
  pull_secret "$1" "$2" "$3" | k apply -f -
}

# --- rights -----------------------------------------------------------------------------------------
check_rights() { # at the end of everything: what the audit log has of Portreeve's own requests
  local ours='"username":"system:serviceaccount:portreeve:portreeve"'
  equal "rights: Portreeve asked the API server for something" yes \
    "$(grep -qF "$ours" "$plane/audit.log" && echo yes)"
  equal "rights: and for nothing that the chart's role does not grant" "" \
    "$(grep -F "$ours" "$plane/audit.log" | grep '"decision":"forbid"' | cut -c 1-600 | head -n 3)"
}

policies_checks() {
  check_changes_count
  check_malformed
  check_late_definition
  check_modes
  check_excluded
  check_events
  check_signers
  check_pull_secrets_on_demand
}
