#!/usr/bin/env bash
# What an owner proves, and what it does not, with Notary down, so that nothing but a seal can allow a
# Pod: each forgery beside the genuine owner that is allowed. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

owner() { # kind namespace name: as a word of workload.py
  local kind
  case $1 in replicaset) kind=ReplicaSet ;; statefulset) kind=StatefulSet ;; *) kind=Deployment ;; esac
  echo "owner=apps/v1,$kind,$3,$(field .metadata.uid "$@")"
}

replica_set() { # namespace deployment: the name of its only one
  k get replicasets --namespace "$1" --selector "app=$2" --output 'jsonpath={.items[0].metadata.name}'
}

as_child() { # name image owner: a Pod that names this controller
  create Pod estate "$1" "$2" "$3"
}

check_forged_reference() {
  local set genuine
  set=$(replica_set estate genuine)
  genuine=$(owner replicaset estate "$set")
  delete_pods estate genuine
  holds "owners: the genuine owner's Pod is admitted with Notary down" "successfully rolled out" \
    "$(rolled_out deployment/genuine estate)"
  succeeds "owners: so is one that names the genuine owner and its image" \
    as_child child "$gun:v1@$first" "$genuine"
  succeeds "owners: a child with the tag that was submitted gets the digest" \
    as_child child-tag "$gun:v1" "$genuine"
  equal "owners: of the seal" "$gun:v1@$first" "$(image pod estate child-tag)"
  refused "owners: an owner that does not exist proves nothing" trust-server-unreachable \
    as_child nobody "$gun:v1@$first" "${genuine/$set/nobody}"
  refused "owners: the owner's name with another uid proves nothing" trust-server-unreachable \
    as_child usurper "$gun:v1@$first" "${genuine%,*},$(cat /proc/sys/kernel/random/uuid)"
  refused "owners: the genuine owner does not cover another image" trust-server-unreachable \
    as_child stowaway "$gun:v2@$second" "$genuine"
  refused "owners: nor the same tag with another digest" trust-server-unreachable \
    as_child swapped "$gun:v1@$second" "$genuine"
  refused "owners: a Deployment is not the direct owner of a Pod that a ReplicaSet made" \
    trust-server-unreachable as_child grandchild "$gun:v2@$second" \
    "$(owner deployment estate genuine)"
}

# An owner with the seal of another one, or changed behind Portreeve's back: both can only be there
# because no webhook saw it.
check_copied_and_edited() {
  local copied
  copied=$(seal deployment estate genuine)
  webhooks_off
  quietly create StatefulSet estate copied "$gun:v1@$first" \
    "note.portreeve.dev/admission=$copied" replicas=0
  quietly k set image --namespace estate statefulset/edited "app=$gun:v2@$second"
  webhooks_on
  quietly k scale --namespace estate --replicas 1 statefulset/kept statefulset/copied \
    statefulset/edited
  becomes "owners: a genuine StatefulSet's Pod is admitted with Notary down" 40 "$gun:v1@$first" \
    pod_images estate kept
  becomes "owners: a StatefulSet with another's seal gets no Pod" 40 trust-server-unreachable \
    why_not estate copied
  becomes "owners: a StatefulSet that was edited behind Portreeve's back gets no Pod" 40 \
    trust-server-unreachable why_not estate edited
  equal "owners: neither of them has any" "" "$(pods estate copied; pods estate edited)"
}

# The code of the refusal that the controller tells in its Events.
why_not() { # namespace statefulset
  k get events --namespace "$1" --field-selector "involvedObject.name=$2,reason=FailedCreate" \
    --output 'jsonpath={range .items[*]}{.message}{"\n"}{end}' |
    grep -o 'trust-server-unreachable\|[a-z-]*) by' | head -n 1
}

check_edits_under_watch() {
  local set
  set=$(replica_set estate genuine)
  refused "owners: a ReplicaSet's image is not changed to what is not signed" tag-not-signed \
    k set image --namespace estate "replicaset/$set" "app=$gun:unsigned"
  refused "owners: nor a StatefulSet's" tag-not-signed \
    k set image --namespace estate statefulset/kept "app=$gun:unsigned"
  succeeds "owners: a seal that somebody takes away" \
    k annotate --namespace estate deployment/genuine portreeve.dev/admission-
  holds "owners: is put back" "v1." "$(seal deployment estate genuine)"
  succeeds "owners: a seal that somebody overwrites" \
    k annotate --namespace estate --overwrite statefulset/kept portreeve.dev/admission=v1.nonsense
  lacks "owners: does not stand" nonsense "$(seal statefulset estate kept)"
}

owners_checks() {
  local name
  quietly k create namespace estate
  quietly create Deployment estate genuine "$gun:v1"
  for name in kept edited; do
    quietly create StatefulSet estate "$name" "$gun:v1" replicas=0
  done
  quietly rolled_out deployment/genuine estate
  notary_down
  check_forged_reference
  check_copied_and_edited
  notary_up
  check_edits_under_watch
}
