#!/usr/bin/env bash
# The release is taken out as Helm does: what is left is what the release's notes name, and nothing
# stands in the cluster's way. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

leftovers() { # whatever in the cluster bears the release's name
  {
    k get --namespace portreeve --output name \
      all,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets
    k get --output name clusterroles,clusterrolebindings,customresourcedefinitions
    k get --output name mutatingwebhookconfigurations,validatingwebhookconfigurations
  } 2>>"$work/kubectl.log" | grep 'portreeve\|imagepolicies' | LC_ALL=C sort
}

uninstall_checks() {
  local kind=customresourcedefinition.apiextensions.k8s.io group
  quietly k create namespace afterwards
  refused "uninstall: before it, what is not signed is refused" tag-not-signed \
    create Deployment afterwards loose "$gun:unsigned"
  end one
  # An operator's, not the release's.
  quietly k delete configmap --namespace portreeve --ignore-not-found portreeve-revocations
  quietly k delete --wait=false -f "$chart/out/manifest.yaml"
  becomes "uninstall: nothing is left but what the notes name" 30 "$(
    for group in portieris.cloud.ibm.com securityenforcement.admission.cloud.ibm.com; do
      printf "$kind/%s.$group\n" clusterimagepolicies imagepolicies
    done | LC_ALL=C sort
    printf 'secret/portreeve-%s\n' certs seal
  )" leftovers
  for word in portreeve-certs portreeve-seal portreeve.dev/admission; do
    holds "uninstall: the notes name $word" "$word" "$(cat "$chart/out/NOTES.txt")"
  done
  succeeds "uninstall: nothing is asked any more" create Deployment afterwards loose "$gun:unsigned"
}
