#!/usr/bin/env bash
# What the cluster's scenarios are written with: forwarders between the API server, the replicas and
# Notary, which can be taken away; workloads; and rules about what kubectl says. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

declare -A replica_port=() metrics_port=()

# --- forwarders -------------------------------------------------------------------------------------
front() { # name port ready|always backend...
  start "$1" "$2" python3 "$here/kubernetes/forward.py" "${@:2}"
}

notary_up() { running notary_front || front notary_front "$cluster_notary_port" always "$notary_port"; }
notary_down() { end notary_front; }
notary_requests() { # how many of Portreeve's it has answered
  grep '"msg":"response completed"' "$work/notary.log" |
    grep -c '"http.request.useragent":"portreeve' || true
}

await_front() { # until the forwarder sends reviews to a replica
  for _ in $(seq 100); do
    [ "$(webhook_port=$front_port as_kubelet=1 probe readyz)" = 200 ] && return 0
    sleep 0.1
  done
  say "no replica is ready behind the forwarder" >&2
  return 1
}

# --- asking and waiting -----------------------------------------------------------------------------
told=""
workload() { python3 "$here/kubernetes/workload.py" "$@"; }
quietly() { "$@" >>"$work/kubectl.log" 2>&1; }
create() { workload "$@" | k create -f -; }
apply() { workload "$@" | k apply -f -; }
replace() { workload "$@" | k replace -f -; }
apply_on_server() { workload "${@:1:4}" | k apply --server-side -f - "${@:5}"; } # kind ns name image flag...
try() { workload "$@" | k create --dry-run=server -o json -f -; }

succeeds() { # rule command...: leaves what it prints in $told
  local rule=$1
  shift
  if told=$("$@" 2>&1); then pass "$rule"; else fail "$rule" "$told"; fi
}

refused() { # rule words command...: it fails, and says these words
  local rule=$1 words=$2
  shift 2
  if told=$("$@" 2>&1); then
    fail "$rule" "wanted a refusal with: $words" "got:    $told"
  else
    holds "$rule" "$words" "$told"
  fi
}

becomes() { # rule seconds wanted command...: within the seconds the command prints what is wanted
  local rule=$1 until=$((SECONDS + $2)) wanted=$3 got
  shift 3
  while got=$("$@" 2>&1) || true; [ "$got" != "$wanted" ] && [ "$SECONDS" -lt "$until" ]; do
    sleep 0.1
  done
  equal "$rule" "$wanted" "$got"
}

field() { # jsonpath kind namespace name
  k get "$2" --namespace "$3" "$4" --output "jsonpath={$1}"
}

image() { # kind namespace name: of the first container of the template, or of the Pod
  case $1 in
    pod) field '.spec.containers[0].image' "$@" ;;
    cronjob) field '.spec.jobTemplate.spec.template.spec.containers[0].image' "$@" ;;
    *) field '.spec.template.spec.containers[0].image' "$@" ;;
  esac
}

seal() { field '.metadata.annotations.portreeve\.dev/admission' "$@"; } # kind namespace name

pods() { # namespace app: the names of its Pods that are there to stay
  k get pods --namespace "$1" --selector "app=$2" --output \
    'go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}'
}

pod_images() { # namespace app: each image that its Pods have, once
  k get pods --namespace "$1" --selector "app=$2" \
    --output 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' | sort -u
}

replica_sets() { # namespace app: how many there are
  k get replicasets --namespace "$1" --selector "app=$2" --output name | wc -l
}

rolled_out() { # kind/name namespace: within fifty seconds
  k rollout status --timeout=50s --namespace "$2" "$1" 2>&1
}

delete_pods() { # namespace app
  quietly k delete pods --namespace "$1" --selector "app=$2" --wait=true
}
