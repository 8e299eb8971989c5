#!/usr/bin/env bash
# The chart: renders with its default values and with each optional value, for old and new versions
# of Kubernetes, and refuses values that could not work. What is rendered is held against rules
# (chart.py). Where `helm` is on PATH, it must render the same.
#
# Sourced by `run` for chart_scenario; or by itself:
#   tests/e2e/chart.sh [OUT]    OUT keeps what was rendered
set -euo pipefail

chart_packages() {
  local package missing=()
  for package in golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev \
    golang-github-xeipuuv-gojsonschema-dev python3-yaml; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update </dev/null >>"$chart_out/apt.log" 2>&1
  apt-get -qq install -y --no-install-recommends "${missing[@]}" </dev/null >>"$chart_out/apt.log" 2>&1
}

renders() { # name flags...: it renders, and holds the rules
  local name=$1 output
  shift
  if ! output=$("$chart_here/render" "$chart_out/$name" "$@" 2>&1); then
    fail "chart, $name: it renders" "$output"
    return 0
  fi
  if output=$(python3 "$chart_here/chart.py" "$chart_out/$name" "$@" 2>&1); then
    pass "chart, $name: $output"
  else
    fail "chart, $name: it holds the rules" "$output"
  fi
  same_as_helm "$name" "$@"
}

same_as_helm() {
  local name=$1 output words=() chart=$chart_here/../../deploy/portreeve
  shift
  command -v helm >/dev/null || return 0
  while [ $# -gt 0 ]; do
    case $1 in
      --release | --namespace) shift 2 ;;
      --upgrade) words+=(--is-upgrade); shift ;;
      *) words+=("$1" "$2"); shift 2 ;;
    esac
  done
  case " ${words[*]} " in *" --kube-version "*) ;; *) words+=(--kube-version v1.31.0) ;; esac
  if output=$(helm template portreeve "$chart" --namespace portreeve "${words[@]}" 2>&1) &&
    output=$(printf '%s' "$output" | python3 "$chart_here/chart.py" --same "$chart_out/$name" 2>&1); then
    pass "chart, $name: Helm renders the same"
  else
    fail "chart, $name: Helm renders the same" "$output"
  fi
}

refuses() { # words of the refusal, flags...
  local words=$1 output
  shift
  if output=$("$chart_here/render" "$chart_out/refused" "$@" 2>&1); then
    fail "chart: refuses $*"
  elif [[ $output == *"$words"* ]]; then
    pass "chart: refuses $*"
  else
    fail "chart: refuses $*, saying \"$words\"" "$output"
  fi
}

chart_values() {
  cat >"$chart_out/everything.yaml" <<'YAML'
replicaCount: 5
image: {host: "registry.example.com:5000/a", digest: "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", pullSecret: pull}
podAnnotations: {a.example/b: "true"}
podLabels: {team: security}
deploymentAnnotations: {c.example/d: e}
webHooks: {annotations: {f.example/g: h}, matchConditions: [{name: mine, expression: "true"}]}
NamespaceSelectorAdmissionSkip: [{key: team, operator: NotIn, values: [infra]}]
AllowAdmissionSkip: true
bootstrapNamespaces: [kube-system, calico-system]
journal: {maxAge: 720h, durability: process}
config:
  allowTrustServer: ["https://notary.example.com:4443"]
  trustServers: {quay.io: null, .corp.example: "https://{host}:4443"}
  pins: {"r.example/team/*": [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]}
drainDelaySeconds: 20
terminationGracePeriodSeconds: 60
trustCA: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
trustServerCAs: {"notary.example.com:4443": "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----"}
pinCAs: {r.example/team: "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----"}
apiServerClientCA: "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----"
extraEnv: [{name: HTTPS_PROXY, value: "http://proxy.example.com:3128"}]
clusterPolicy: {mode: audit, allowedRepositories: [{name: "*", policy: {trust: {enabled: true}}}]}
rbac: {secretNamespaces: [shop, pay]}
serviceAccount: {annotations: {i.example/j: k}}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {}}
podDisruptionBudget: {minAvailable: 3}
networkPolicy: {metricsFrom: [{namespaceSelector: {}}], egress: [{}]}
metrics: {serviceMonitor: {enabled: true, labels: {l: m}}}
YAML
}

chart_scenario() {
  chart_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  chart_out=${chart_out:-$work/chart}
  mkdir -p "$chart_out"
  chart_packages
  chart_values
  renders default
  renders upgrade --upgrade
  renders names --release shop --namespace trust
  for version in 1.19.0 1.20.2 1.21.0 1.27.3 1.28.0 1.33.1; do
    renders "kubernetes-$version" --kube-version "$version"
  done
  renders everything -f "$chart_out/everything.yaml"
  renders host-network --set useHostNetwork=true
  renders persistence --set journal.persistence.enabled=true \
    --set journal.persistence.storageClass=fast --set-json 'journal.persistence.annotations={"a":"b"}'
  renders cert-manager --set UseCertManager=true
  renders cluster-issuer --set UseCertManager=true --set certManagerIssuer.skipCreation=true \
    --set certManagerIssuer.kind=ClusterIssuer --set certManagerIssuer.name=corp
  renders certificates-in-values --set UseGeneratedCerts.enabled=true \
    --set UseGeneratedCerts.tlsCert=A --set UseGeneratedCerts.tlsKey=B --set UseGeneratedCerts.caCert=C
  renders supplied --set SkipSecretCreation=true --set tlsSecretName=mine --set webHooks.caBundle=C
  renders supplied-without-seal-and-jobs --set SkipSecretCreation=true --set webHooks.caBundle=C \
    --set gencerts.enabled=false --set sealKey.enabled=false
  renders own-seal --set sealKey.secretName=mine
  renders no-metrics --set service.metricsPort=0
  renders no-network-policy --set networkPolicy.enabled=false
  renders no-budget --set podDisruptionBudget.enabled=false
  renders one-replica --set replicaCount=1
  renders ignore --set webHooks.failurePolicy=Ignore --set webHooks.timeoutSeconds=5
  renders not-asked --set webHooks.enabled=false
  renders no-second-webhook --set webHooks.validate=false
  renders own-account --set serviceAccount.create=false --set serviceAccount.name=mine
  renders any-user --set-json 'securityContext={"runAsUser":null,"runAsGroup":null,"fsGroup":null}'
  renders two-families --set service.listenAddress=::
  chart_refusals
}

chart_refusals() {
  refuses "Additional property replicas is not allowed" --set replicas=2
  refuses "Additional property PolicySet is not allowed" --set PolicySet=IKS
  refuses "ObjectSelectorAdmissionSkip" \
    --set-json 'ObjectSelectorAdmissionSkip={"matchLabels":{"a":"b"}}'
  refuses "replicaCount: Must be greater than or equal to 1" --set replicaCount=0
  refuses "set one of UseCertManager" --set UseCertManager=true --set SkipSecretCreation=true
  refuses "with gencerts.enabled false" --set gencerts.enabled=false
  refuses "with SkipSecretCreation, set webHooks.caBundle" --set SkipSecretCreation=true
  refuses "UseGeneratedCerts.tlsCert is" --set UseGeneratedCerts.enabled=true \
    --set UseGeneratedCerts.caCert=C
  refuses "certManagerIssuer.kind is Issuer" --set UseCertManager=true \
    --set certManagerIssuer.kind=ClusterIssuer
  refuses "no node could be drained" --set podDisruptionBudget.minAvailable=3
  refuses "waiting reviews are cut off" --set drainDelaySeconds=30 \
    --set terminationGracePeriodSeconds=30
  refuses "Additional property listen is not allowed" --set config.listen=0.0.0.0:1
  refuses "journal.maxBytes" --set journal.maxBytes=1000
  refuses "webHooks.matchConditions needs Kubernetes 1.28" --kube-version 1.27.9 \
    --set-json 'webHooks.matchConditions=[{"name":"a","expression":"true"}]'
  refuses "metrics.serviceMonitor needs service.metricsPort" --set service.metricsPort=0 \
    --set metrics.serviceMonitor.enabled=true
  refuses "serviceAccount.name is needed" --set serviceAccount.create=false
  refuses "webHooks.failurePolicy" --set webHooks.failurePolicy=ignore
  refuses "the chart needs Kubernetes >=1.19" --kube-version 1.18.20
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  passed=0 failed=0
  say() { printf '%s\n' "$*"; }
  pass() { passed=$((passed + 1)); say "ok      $1"; }
  fail() { failed=$((failed + 1)); say "FAILED  $1"; [ $# -lt 2 ] || printf '        %s\n' "${@:2}"; }
  if [ $# -gt 0 ]; then
    chart_out=$(mkdir -p "$1" && cd "$1" && pwd)
  else
    chart_out=$(mktemp -d)
    trap 'rm -rf "$chart_out"' EXIT
  fi
  chart_scenario
  say "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
fi
