#!/usr/bin/env bash
# The chart's release in the cluster, installed as Helm would, and its Pods as processes: each in a root
# of its own that holds nothing but the program and its volumes, under the chart's user and service
# account, with the chart's arguments. Only the ports are other ones. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

chart=$plane/chart

release_values() {
  # The words of a chart's user: PEM, addresses, and what this machine needs.
  cat <<YAML
replicaCount: 2
image: {host: registry.example/portreeve}
gencerts: {extraNames: [localhost]}
AllowAdmissionSkip: true
config:
  freshness: 0s
  allowTrustServer: ["$trust_server", "https://localhost:$private_port"]
  allowRealm: ["localhost:$private_port=127.0.0.1:$tokens_port"]
trustCA: |
$(sed 's/^/  /' "$work/pki/ca.crt")
apiServerClientCA: |
$(sed 's/^/  /' "$work/pki/ca.crt")
YAML
}

put() { # file of the chart: applied, its webhooks with a URL
  k create --dry-run=client --validate=false -o json -f "$1" |
    python3 "$here/kubernetes/install.py" "https://localhost:$front_port" >"$1.json"
  quietly k apply -f "$1.json"
}

install_release() {
  needs golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev \
    golang-github-xeipuuv-gojsonschema-dev
  mkdir -p "$chart"
  release_values >"$chart/values.yaml"
  "$here/render" "$chart/out" --release portreeve --namespace portreeve \
    --kube-version v1.20.2 -f "$chart/values.yaml" >>"$work/render.log" 2>&1
  # An API server before 1.21 does not put this label on namespaces, so its operator does.
  quietly k create namespace portreeve
  quietly k label namespace portreeve kubernetes.io/metadata.name=portreeve
  quietly k label namespace kube-system kubernetes.io/metadata.name=kube-system
  quietly k apply -f "$chart/out/crds.yaml"
  quietly k wait --for=condition=Established --timeout=30s crd --all
  gencerts pre-install
  put "$chart/out/manifest.yaml"
  gencerts post-install
  save_webhooks
}

gencerts() { # event: its hook's objects, and its Job as a process, to its end
  quietly k delete --ignore-not-found -f "$chart/out/hooks/$1.yaml"
  put "$chart/out/hooks/$1.yaml"
  once gencerts Job portreeve-gencerts-hook
  quietly k delete -f "$chart/out/hooks/$1.yaml" # its policy is hook-succeeded
}

renewal() { once renewal CronJob portreeve-gencerts "$@"; } # [flag...]: what the CronJob runs

once() { # pod kind name [flag...]: a Pod of the release as a process, to its end
  lay "$1" "$2" "$3"
  (contained "$1" "${@:4}") >>"$work/gencerts.log" 2>&1
}

# --- the webhook configurations ---------------------------------------------------------------------
save_webhooks() {
  k get mutatingwebhookconfiguration,validatingwebhookconfiguration portreeve --output json |
    python3 -c 'import json, sys
held = json.load(sys.stdin)
for one in held["items"]:
    for word in ("resourceVersion", "uid", "generation", "creationTimestamp", "managedFields"):
        one["metadata"].pop(word, None)
json.dump(held, sys.stdout)' >"$chart/webhooks.json"
}

webhooks_on() { quietly k create -f "$chart/webhooks.json"; }
webhooks_off() { save_webhooks && quietly k delete -f "$chart/webhooks.json"; }

# --- Pods as processes ------------------------------------------------------------------------------
lay() { # pod kind name: what the kubelet puts into the Pod's root
  local at=$plane/pods/$1 library
  mkdir -p "$at/root"
  python3 "$here/kubernetes/pod.py" "$plane/admin.json" portreeve "$2" "$3" "$at" "$1" \
    "$work/pki/ca.crt" 127.0.0.1 "$api_front_port"
  touch "$at/root/portreeve"
  # Without libraries where the program needs none, as in the image.
  ldd "$bin" >/dev/null 2>&1 || return 0
  mkdir -p "$at/root/usr"
  for library in lib lib64; do ln -sfn "usr/$library" "$at/root/$library"; done
}

contained() { # pod [flag...]: becomes its program
  exec unshare --mount bash -euc '
    bin=$1 at=$2
    shift 2
    mount --bind "$at/root" "$at/root"
    mount --bind "$bin" "$at/root/portreeve"
    if [ -d "$at/root/usr" ]; then mount --bind /usr "$at/root/usr"; fi
    if [ -e "$at/data-path" ]; then mount --bind "$at/data" "$at/root$(cat "$at/data-path")"; fi
    mount -o remount,bind,ro "$at/root"
    mapfile -t args <"$at/args"
    mapfile -t env <"$at/env"
    user=$(cat "$at/user") chroot=$(command -v chroot)
    exec env -i "${env[@]}" "$chroot" --userspec="$user" --groups="${user#*:}" "$at/root" \
      /portreeve "${args[@]}" "$@"' contained "$bin" "$plane/pods/$1" "${@:2}"
}

replica() { # name [flag...]: a Pod of the webhook, until it is ready
  local name=$1 port=${replica_port[$1]}
  lay "$name" Deployment portreeve
  start "$name" "$port" contained "$name" --listen "127.0.0.1:$port" \
    --metrics-listen "127.0.0.1:${metrics_port[$name]}" "${@:2}"
  webhook_port=$port as_kubelet=1 await_ready "$name"
}

data_of() { echo "$plane/pods/$1/data"; } # replica
