#!/usr/bin/env bash
# How workloads are changed and recover, with Notary up, with Notary down, and after the tag was signed
# for another image: no refusal where nothing new runs, no rollout that nobody asked for. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

# --- what is there before ---------------------------------------------------------------------------
# Made with Notary up, while v1 is the first image and v2 the second.
prepare() { # namespace
  local ns=$1 name
  quietly k create namespace "$ns"
  for name in client owned replaced restarted scaled evicted; do
    case $name in
      owned) quietly apply_on_server Deployment "$ns" "$name" "$gun:v1" ;;
      replaced) quietly create Deployment "$ns" "$name" "$gun:v1" ;;
      *) quietly apply Deployment "$ns" "$name" "$gun:v1" ;;
    esac
  done
  quietly apply Deployment "$ns" undone "$gun:v1"
  quietly apply StatefulSet "$ns" parted "$gun:v1" replicas=2
  quietly apply CronJob "$ns" cron "$gun:v1"
  quietly k create job --namespace "$ns" --from=cronjob/cron cron-1
  quietly rolled_out deployment/undone "$ns"
  quietly apply Deployment "$ns" undone "$gun:v2"
  quietly rolled_out statefulset/parted "$ns"
  quietly apply StatefulSet "$ns" parted "$gun:v2" replicas=2 partition=1
  quietly apply CronJob "$ns" cron "$gun:v2"
  for name in client owned replaced restarted scaled evicted undone; do
    quietly rolled_out "deployment/$name" "$ns"
  done
  becomes "$ns: a StatefulSet is in the middle of its rollout" 40 \
    "$(printf '%s\n' "$gun:v1@$first" "$gun:v2@$second")" pod_images "$ns" parted
}

sign_again() { # image: v1 means this one from now on
  sign remove "$gun" v1 -p
  sign add "$gun" v1 "$work/$1.manifest" -p
}

# --- changes ----------------------------------------------------------------------------------------
# The image that the tag is pinned to when it is submitted again.
resolved() { case $1 in resigned) echo "$gun:v1@$second" ;; *) echo "$gun:v1@$first" ;; esac; }
# How many ReplicaSets there are when it was: a rollout is what a new digest asks for.
rollouts() { case $1 in resigned) echo 2 ;; *) echo 1 ;; esac; }

submitted_again() { # namespace name: the image and the number of ReplicaSets after the tag came again
  local rolled
  rolled=$(rolled_out "deployment/$2" "$1")
  case $rolled in *"successfully rolled out"*) ;; *) echo "$rolled" ;; esac
  echo "$(image deployment "$1" "$2") $(replica_sets "$1" "$2")"
}

check_submissions() { # namespace
  local ns=$1
  local wanted="$(resolved "$ns") $(rollouts "$ns")"
  succeeds "$ns: kubectl apply of the tag again" apply Deployment "$ns" client "$gun:v1"
  equal "$ns: apply: the image, and the rollouts" "$wanted" "$(submitted_again "$ns" client)"
  succeeds "$ns: kubectl apply --server-side of the tag again" \
    apply_on_server Deployment "$ns" owned "$gun:v1"
  equal "$ns: server-side apply: the image, and the rollouts" "$wanted" \
    "$(submitted_again "$ns" owned)"
  succeeds "$ns: kubectl replace with the tag" replace Deployment "$ns" replaced "$gun:v1"
  equal "$ns: replace: the image, and the rollouts" "$wanted" "$(submitted_again "$ns" replaced)"
}

check_rollouts() { # namespace
  local ns=$1
  succeeds "$ns: kubectl rollout undo" k rollout undo --namespace "$ns" deployment/undone
  equal "$ns: undo: back to the digest that ran before, in the ReplicaSet of then" \
    "$gun:v1@$first 2" "$(submitted_again "$ns" undone)"
  equal "$ns: undo: its Pods run it" "$gun:v1@$first" "$(running_images "$ns" undone)"
  succeeds "$ns: kubectl rollout restart" k rollout restart --namespace "$ns" deployment/restarted
  equal "$ns: restart: the same digest, in one ReplicaSet more" "$gun:v1@$first 2" \
    "$(submitted_again "$ns" restarted)"
  succeeds "$ns: kubectl scale" k scale --namespace "$ns" --replicas 3 deployment/scaled
  equal "$ns: scale: the same digest, in the same ReplicaSet" "$gun:v1@$first 1" \
    "$(submitted_again "$ns" scaled)"
  equal "$ns: scale: three Pods run it" "3 $gun:v1@$first" \
    "$(pods "$ns" scaled | wc -l) $(pod_images "$ns" scaled)"
}

running_images() { # namespace app: of the Pods that stay, once each
  local pod
  for pod in $(pods "$1" "$2"); do image pod "$1" "$pod"; echo; done | sort -u
}

check_pods() { # namespace
  local ns=$1 pod
  quietly k delete pod --namespace "$ns" parted-0 parted-1
  becomes "$ns: a Pod below a StatefulSet's partition comes back with the old digest" 40 \
    "$gun:v1@$first" image pod "$ns" parted-0
  becomes "$ns: and the one above it with the new one" 40 "$gun:v2@$second" image pod "$ns" parted-1
  pod=$(pods "$ns" evicted)
  succeeds "$ns: a Pod is evicted" evict "$ns" "$pod"
  becomes "$ns: another one takes its place" 40 "$gun:v1@$first" replacement "$ns" evicted "$pod"
  pod=$(k get pods --namespace "$ns" --selector job-name=cron-1 --output name)
  quietly k annotate --namespace "$ns" "$pod" e2e/ends=Failed
  becomes "$ns: a Job whose CronJob has changed since tries again with its own image" 40 \
    "$gun:v1@$first" replacement "$ns" cron "${pod#*/}"
}

evict() { # namespace pod
  printf '{"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": {"name": "%s", "namespace": "%s"}}' \
    "$2" "$1" | k create --raw "/api/v1/namespaces/$1/pods/$2/eviction" -f -
}

replacement() { # namespace app pod: the image of a Pod that is not this one
  local other
  for other in $(pods "$1" "$2"); do
    [ "$other" = "$3" ] || image pod "$1" "$other"
  done
}

# --- field ownership --------------------------------------------------------------------------------
check_field_conflict() {
  refused "server-side apply over another manager's image is a conflict, as for every webhook that pins" \
    "conflict" apply_on_server Deployment up client "$gun:v1"
  say "        what kubectl prints:"
  fold -s -w 92 <<<"$told" | sed 's/^/        | /'
  succeeds "and goes through with --force-conflicts" \
    apply_on_server Deployment up client "$gun:v1" --force-conflicts
  equal "which makes no rollout" "$gun:v1@$first 1" "$(submitted_again up client)"
}

# --- standing still ---------------------------------------------------------------------------------
generations() { # namespace: of whatever makes a rollout
  k get deployments,statefulsets,replicasets --namespace "$1" --output \
    'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation}{"\n"}{end}'
}

refused_children() { # namespace: what controllers were refused by a webhook, or for the lack of one
  k get events --namespace "$1" --field-selector reason=FailedCreate \
    --output 'jsonpath={range .items[*]}{.message}{"\n"}{end}' | grep webhook || true
}

changes() { # namespace
  check_submissions "$1"
  check_rollouts "$1"
  check_pods "$1"
  equal "$1: no controller was refused a Pod" "" "$(refused_children "$1")"
  settled[$1]=$(generations "$1")
  quietly k label --namespace "$1" --all deployments,statefulsets,replicasets touched=yes
}

updates_checks() {
  local ns
  local -A settled=()
  for ns in up down resigned; do prepare "$ns"; done
  changes up
  check_field_conflict
  settled[up]=$(generations up)
  notary_down
  changes down
  notary_up
  sign_again v2
  changes resigned
  sign_again v1
  for ns in up down resigned; do
    equal "$ns: a change of labels, and time, make no generation and no ReplicaSet" \
      "${settled[$ns]}" "$(generations "$ns")"
  done
}
