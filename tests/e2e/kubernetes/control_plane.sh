#!/usr/bin/env bash
# A Kubernetes control plane on loopback: etcd, kube-apiserver and kube-controller-manager, as build.sh
# made them, and `kubelet.py` that says of each Pod what a kubelet would. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

plane=$work/kubernetes

# --- who is who -------------------------------------------------------------------------------------
issue() { # name subject usage [names]: a leaf of the lab's CA for the control plane
  local pki=$work/pki
  {
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
    printf 'extendedKeyUsage=%s\n' "$3"
    [ $# -lt 4 ] || printf 'subjectAltName=%s\n' "$4"
  } >"$pki/$1.ext"
  openssl ecparam -name prime256v1 -genkey -noout -out "$pki/$1.key"
  openssl req -new -key "$pki/$1.key" -subj "$2" -out "$pki/$1.csr"
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial \
    -days 2 -extfile "$pki/$1.ext" -out "$pki/$1.crt"
}

plane_certificates() {
  local pki=$work/pki service=IP:127.0.0.1,IP:10.96.0.1,DNS:localhost
  {
    issue apiserver /CN=kube-apiserver serverAuth \
      "$service,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    issue admin /O=system:masters/CN=admin clientAuth
    issue controllers /CN=system:kube-controller-manager clientAuth
    # What the API server shows to webhooks.
    issue caller /CN=kube-apiserver-webhooks clientAuth
    openssl ecparam -name prime256v1 -genkey -noout -out "$pki/accounts.key"
    openssl ec -in "$pki/accounts.key" -pubout -out "$pki/accounts.pub"
  } >>"$work/openssl.log" 2>&1
  kubeconfig "$plane/admin.kubeconfig" "https://127.0.0.1:$apiserver_port" \
    "client-certificate: $pki/admin.crt" "client-key: $pki/admin.key"
  kubeconfig "$plane/controllers.kubeconfig" "https://127.0.0.1:$apiserver_port" \
    "client-certificate: $pki/controllers.crt" "client-key: $pki/controllers.key"
}

kubeconfig() { # file url line...: the lines say who the user is
  local file=$1 url=$2
  shift 2
  {
    printf 'apiVersion: v1\nkind: Config\ncurrent-context: e2e\n'
    printf 'clusters:\n- name: e2e\n  cluster:\n    server: %s\n' "$url"
    printf '    certificate-authority: %s\n' "$work/pki/ca.crt"
    printf 'contexts:\n- name: e2e\n  context: {cluster: e2e, user: e2e}\n'
    printf 'users:\n- name: e2e\n  user:\n'
    printf '    %s\n' "$@"
  } >"$file"
  chmod 600 "$file"
}

# --- configuration ----------------------------------------------------------------------------------
# Every change of a workload, with what the webhooks annotated; and whatever Portreeve itself asks.
audit_policy() {
  cat >"$plane/audit.yaml" <<'YAML'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: ["system:serviceaccounts:portreeve"]
  - level: Metadata
    verbs: [create, update, patch]
    resources:
      - {group: "", resources: [pods, pods/ephemeralcontainers, replicationcontrollers]}
      - {group: apps}
      - {group: batch}
  - level: None
YAML
}

admission_configuration() {
  cat >"$plane/admission.yaml" <<YAML
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: MutatingAdmissionWebhook
    configuration: &webhooks
      apiVersion: apiserver.config.k8s.io/v1
      kind: WebhookAdmissionConfiguration
      kubeConfigFile: $plane/webhooks.kubeconfig
  - name: ValidatingAdmissionWebhook
    configuration: *webhooks
YAML
  cat >"$plane/webhooks.kubeconfig" <<YAML
apiVersion: v1
kind: Config
users:
  - name: "*"
    user: {client-certificate: $work/pki/caller.crt, client-key: $work/pki/caller.key}
YAML
}

# --- processes --------------------------------------------------------------------------------------
start_etcd() {
  local client=http://127.0.0.1:$etcd_port peer=http://127.0.0.1:$etcd_peer_port
  start etcd "$etcd_port" "$kubernetes/etcd" --name e2e --data-dir "$plane/etcd" \
    --logger zap --log-level error --listen-client-urls "$client" --advertise-client-urls "$client" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "e2e=$peer"
}

# For a moment at its start it may ask no webhook (kubernetes/kubernetes issue 113761). So, as in any
# cluster, what stands in front of it looks at its /readyz.
start_apiserver() {
  local pki=$work/pki
  start apiserver "$apiserver_own_port" "$kubernetes/kube-apiserver" \
    --etcd-servers "http://127.0.0.1:$etcd_port" --bind-address 127.0.0.1 \
    --advertise-address 127.0.0.1 --secure-port "$apiserver_own_port" --insecure-port 0 \
    --endpoint-reconciler-type none --service-cluster-ip-range 10.96.0.0/24 \
    --cert-dir "$plane" --tls-cert-file "$pki/apiserver.crt" \
    --tls-private-key-file "$pki/apiserver.key" --client-ca-file "$pki/ca.crt" \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$pki/accounts.pub" \
    --service-account-signing-key-file "$pki/accounts.key" --authorization-mode RBAC \
    --feature-gates EphemeralContainers=true --allow-privileged=true --profiling=false \
    --admission-control-config-file "$plane/admission.yaml" \
    --audit-policy-file "$plane/audit.yaml" --audit-log-path "$plane/audit.log" --v 1
  running plane_front || front plane_front "$apiserver_port" ready "$apiserver_own_port"
  await_plane "the API server" api /readyz
}

start_controllers() {
  start controllers "$controllers_port" "$kubernetes/kube-controller-manager" \
    --kubeconfig "$plane/controllers.kubeconfig" \
    --authentication-kubeconfig "$plane/controllers.kubeconfig" \
    --authorization-kubeconfig "$plane/controllers.kubeconfig" --bind-address 127.0.0.1 \
    --secure-port "$controllers_port" --port 0 --cert-dir "$plane" \
    --root-ca-file "$pki/ca.crt" --service-account-private-key-file "$pki/accounts.key" \
    --use-service-account-credentials=true --leader-elect=false --profiling=false
  # They work when they have given a namespace its service account.
  await_plane "the controllers" api /api/v1/namespaces/default/serviceaccounts/default
}

start_kubelet() {
  python3 "$here/kubernetes/kubelet.py" "$plane/admin.json" >>"$work/kubelet.log" 2>&1 </dev/null &
  pids[kubelet]=$!
}

await_plane() { # what command...: until the command succeeds, for a minute at most
  local what=$1
  shift
  for _ in $(seq 600); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  say "$what: not usable within a minute" >&2
  return 1
}

control_plane() {
  local pki=$work/pki
  kubernetes=$("$here/kubernetes/build.sh")
  read -r etcd_port etcd_peer_port apiserver_port apiserver_own_port controllers_port \
    < <(free_ports 5)
  mkdir -p "$plane"
  plane_certificates
  audit_policy
  admission_configuration
  cat >"$plane/admin.json" <<JSON
{"port": $apiserver_port, "ca": "$pki/ca.crt", "cert": "$pki/admin.crt", "key": "$pki/admin.key"}
JSON
  start_etcd
  start_apiserver
  start_controllers
  start_kubelet
}

# --- asking it --------------------------------------------------------------------------------------
api() { # path [curl's words...]: as the administrator
  local path=$1
  shift
  curl -sf --max-time 20 --cacert "$work/pki/ca.crt" --cert "$work/pki/admin.crt" \
    --key "$work/pki/admin.key" "$@" "https://127.0.0.1:$apiserver_port$path" </dev/null
}

k() { # kubectl, as the administrator
  timeout 60 "$kubernetes/kubectl" --kubeconfig "$plane/admin.kubeconfig" \
    --cache-dir "$plane/discovery" "$@"
}
