#!/usr/bin/env bash
# Portreeve as the cluster's webhook: what the chart renders is applied, its webhook configurations with
# a URL on loopback in place of the service, and replicas run as processes under the chart's service
# account. Between the API server and the replicas, and between these and Notary, stand forwarders
# that can be taken away. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

declare -A replica_port=()

# --- the chart --------------------------------------------------------------------------------------
install_chart() {
  local at=$plane/chart
  mkdir -p "$at"
  render_chart >"$at/rendered.yaml"
  k create --dry-run=client --validate=false -o json -f "$at/rendered.yaml" |
    python3 -c 'import json, sys
text, items, at = sys.stdin.read().strip(), [], 0
while at < len(text):
    one, at = json.JSONDecoder().raw_decode(text, at)
    items += one["items"] if one["kind"] == "List" else [one]
    at += len(text[at:]) - len(text[at:].lstrip())
json.dump({"items": items}, sys.stdout)' >"$at/rendered.json"
  python3 "$here/kubernetes/install.py" "$at/rendered.json" "$at" \
    "https://localhost:$front_port" "$work/pki/ca.crt"
  quietly k apply -f "$at/first.json"
  quietly k wait --for=condition=Established --timeout=30s crd --all
  quietly k apply -f "$at/objects.json"
}

webhooks_on() { quietly k apply -f "$plane/chart/webhooks.json"; }
webhooks_off() { quietly k delete -f "$plane/chart/webhooks.json"; }

# A token of the service account as the kubelet asks for one, and a kubeconfig that uses it.
service_account() {
  local path=/api/v1/namespaces/portreeve/serviceaccounts/portreeve/token
  printf '%s' '{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}' \
    >"$plane/request.json"
  api "$path" -H 'Content-Type: application/json' --data-binary "@$plane/request.json" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["status"]["token"], end="")' \
      >"$plane/token"
  kubeconfig "$plane/portreeve.kubeconfig" "https://127.0.0.1:$api_front_port" \
    "tokenFile: $plane/token"
}

# --- forwarders -------------------------------------------------------------------------------------
front() { # name port ca|- backend...
  start "$1" "$2" python3 "$here/kubernetes/forward.py" "${@:2}"
}

notary_up() { running notary_front || front notary_front "$cluster_notary_port" - "$notary_port"; }
notary_down() { end notary_front; }
notary_requests() { # how many of Portreeve's it has answered
  grep '"msg":"response completed"' "$work/notary.log" |
    grep -c '"http.request.useragent":"portreeve' || true
}

# --- replicas ---------------------------------------------------------------------------------------
replica() { # name [flag...]: one process
  local name=$1 port=${replica_port[$1]}
  shift
  start "$name" "$port" "$bin" serve --config "$plane/chart/config.yaml" \
    --kubeconfig "$plane/portreeve.kubeconfig" --listen "127.0.0.1:$port" \
    --tls-cert "$plane/tls/tls.crt" --tls-key "$plane/tls/tls.key" --client-ca "$work/pki/ca.crt" \
    --seal-key "$plane/seal.key" --data-dir "$work/$name" --trust-ca "$work/pki/ca.crt" \
    --allow-trust-server "$trust_server" --drain-delay 2s --log json --log-level info "$@"
  webhook_port=$port await_ready "$name"
}

await_front() { # until the forwarder sends reviews to a replica
  for _ in $(seq 100); do
    [ "$(webhook_port=$front_port probe readyz)" = 200 ] && return 0
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

rolled_out() { # kind/name namespace: within twenty seconds
  k rollout status --timeout=20s --namespace "$2" "$1" 2>&1
}

delete_pods() { # namespace app
  quietly k delete pods --namespace "$1" --selector "app=$2" --wait=true
}
