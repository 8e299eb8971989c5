#!/usr/bin/env bash
# `portreeve serve` before an open trust server: what is admitted, what is refused, what a change to the
# trust data, a restart and an outage do, and what the journal tells afterwards. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

# --- what is signed ---------------------------------------------------------------------------------
publish() {
  sign init "$gun" -p
  sign add "$gun" v1 "$work/v1.manifest" -p
  # A second collection, whose tags alice signs and releases as `docker trust sign` would.
  sign init "$gun_signers" -p
  delegate "$gun_signers"
  sign add "$gun_signers" v1 "$work/v1.manifest" -r targets/releases -r targets/alice -p
}

# --- policies ---------------------------------------------------------------------------------------
policies() {
  mkdir -p "$work/objects"
  cat >"$work/objects/cluster.yaml" <<YAML
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: everything-signed}
spec:
  repositories:
    - name: "$registry/team/*"
      policy:
        trust: {enabled: true, trustServer: "$trust_server"}
    - name: "$registry/free/*"
      policy: {}
YAML
  for signer in alice bob; do
    cat >"$work/objects/$signer.yaml" <<YAML
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: signed-by-$signer, namespace: only-$signer}
spec:
  repositories:
    - name: "$registry/team/*"
      policy:
        trust:
          enabled: true
          trustServer: "$trust_server"
          signerSecrets: [{name: $signer}]
---
apiVersion: v1
kind: Secret
metadata: {name: $signer, namespace: only-$signer}
type: Opaque
stringData:
  name: $signer
  publicKey: |
$(sed 's/^/    /' "$work/pki/$signer.crt")
YAML
  done
  cat >"$work/objects/steady.yaml" <<YAML
apiVersion: portieris.cloud.ibm.com/v1
kind: ImagePolicy
metadata: {name: steady, namespace: steady}
spec:
  repositories:
    - name: "$registry/team/*"
      policy:
        trust: {enabled: true, trustServer: "$trust_server", freshness: 9s}
YAML
  cat >"$work/objects/credentials.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata: {name: credentials, namespace: default}
type: Opaque
stringData: {name: user, password: $PLANTED}
YAML
  cat >"$work/portreeve.yaml" <<YAML
# No freshness: every allow asks the trust server, so that a removed tag is refused at once.
freshness: 0s
node: e2e
YAML
}

serve() {
  start portreeve "$webhook_port" "$bin" serve --config "$work/portreeve.yaml" \
    --listen "127.0.0.1:$webhook_port" --tls-cert "$work/pki/server.crt" \
    --tls-key "$work/pki/server.key" --objects "$work/objects" --data-dir "$work/data" \
    --trust-ca "$work/pki/ca.crt" --allow-trust-server "$trust_server" --log json --log-level info
  await_ready portreeve
}

await_ready() { # name: until the policies are in force
  for _ in $(seq 200); do
    [ "$(probe readyz)" = 200 ] && return 0
    running "$1" || break
    sleep 0.1
  done
  say "$1 does not get ready" >&2
  return 1
}

probe() { # path: the status of a GET; as_kubelet verifies no certificate, as kubelets do
  local trust=(--cacert "$work/pki/ca.crt")
  [ -z "${as_kubelet:-}" ] || trust=(--insecure)
  curl -s -o /dev/null -w '%{http_code}' --max-time 5 "${trust[@]}" \
    "https://localhost:$webhook_port/$1" </dev/null || true
}

# --- checks -----------------------------------------------------------------------------------------
review() { # namespace kind image...: "allowed IMAGE..." or "denied CODE MESSAGE"
  timeout 30 python3 "$here/review.py" "https://localhost:$webhook_port/admit" \
    "${review_ca:-$work/pki/ca.crt}" "$@" 2>>"$work/client.log" || echo "no answer"
}

expect() { # rule wanted namespace kind image...: the answer equals, or begins with, what is wanted
  local rule=$1 wanted=$2 got
  shift 2
  got=$(review "$@")
  case $got in
    "$wanted" | "$wanted "*) pass "$rule" ;;
    *) fail "$rule" "wanted: $wanted" "got:    $got" ;;
  esac
}

check_admission() {
  local other
  equal "the client lists the digest that the registry has" "$first" "$(listed "$gun" v1)"
  expect "a signed tag is pinned to its signed digest" \
    "allowed $gun:v1@$first" default Pod "$gun:v1"
  expect "a signed tag in a Deployment is pinned" \
    "allowed $gun:v1@$first" default Deployment "$gun:v1"
  expect "a reference that has the signed digest already is left as it is" \
    "allowed $gun:v1@$first" default Pod "$gun:v1@$first"
  expect "a reference with another digest is refused" \
    "denied digest-mismatch" default Pod "$gun:v1@$second"
  expect "a tag that is pushed but not signed is refused" \
    "denied tag-not-signed" default Pod "$gun:unsigned"
  expect "a repository without trust data is refused" \
    "denied not-signed" default Pod "$registry/team/nobody:v1"
  expect "one unsigned container refuses the whole workload" \
    "denied tag-not-signed" default Pod "$gun:v1" "$gun:unsigned"
  expect "where no trust is asked for, nothing is changed" \
    "allowed $registry/free/tool:v1" default Pod "$registry/free/tool:v1"
  expect "an image that no policy covers is refused" \
    "denied no-policy" default Pod "elsewhere.example/app:v1"
  expect "the signer that a policy names has signed" \
    "allowed $gun_signers:v1@$first" only-alice Pod "$gun_signers:v1"
  expect "a signer that has not signed refuses the image" \
    "denied signer-missing" only-bob Pod "$gun_signers:v1"
  other=$(review only-alice Pod "$gun:v1")
  case $other in
    "denied signer-"*) pass "a collection without the signer is refused" ;;
    *) fail "a collection without the signer is refused" "got: $other" ;;
  esac
}

check_changes() {
  sign add "$gun" v2 "$work/v2.manifest" -p
  expect "a tag is admitted as soon as it is signed" \
    "allowed $gun:v2@$second" default Pod "$gun:v2"
  sign remove "$gun" v1 -p
  sign add "$gun" v1 "$work/v2.manifest" -p
  expect "a tag that is signed anew is pinned to its new digest at once" \
    "allowed $gun:v1@$second" default Pod "$gun:v1"
  sign remove "$gun" v1 -p
  expect "a removed tag is refused at once" "denied tag-not-signed" default Pod "$gun:v1"
  sign key rotate "$gun" targets
  sign add "$gun" v3 "$work/v1.manifest" -p
  expect "a rotated targets key is followed through the new root" \
    "allowed $gun:v3@$first" default Pod "$gun:v3"
}

check_restart() {
  end portreeve
  equal "SIGTERM ends the server in order" 0 "$ended"
  serve
  expect "after a restart the trust gained before still holds" \
    "allowed $gun:v2@$second" default Pod "$gun:v2"
}

# What is asked for again seven seconds after the first look serves for nine more.
check_steady_use() {
  local before
  expect "a first look at a tag asks the trust server" "allowed $gun:v2@$second" default Pod "$gun:v2"
  sleep 0.5 # it logs a request once it has answered it
  before=$(notary_requests)
  expect "within freshness a tag is admitted" "allowed $gun:v2@$second" steady Pod "$gun:v2"
  equal "and nobody is asked for that" "$before" "$(notary_requests)"
  sleep 7
  expect "near the end of its freshness, too" "allowed $gun:v2@$second" steady Pod "$gun:v2"
  for _ in $(seq 20); do
    [ "$(notary_requests)" = "$before" ] || break
    sleep 0.1
  done
  end notary
  sleep 3
  expect "but then it is asked for ahead of time, so that a short outage is not seen" \
    "allowed $gun:v2@$second" steady Pod "$gun:v2"
}

check_outage() {
  local answer
  answer=$(review default Pod "$gun:v2")
  holds "a trust server that is down is not a missing signature" \
    "denied trust-server-unreachable" "$answer"
  holds "the refusal names the trust server" "localhost:$notary_port" "$answer"
  expect "what needs no trust is admitted all the same" \
    "allowed $registry/free/tool:v1" default Pod "$registry/free/tool:v1"
}

check_journal() {
  local journal=$work/data/journal output status=0
  end portreeve
  equal "SIGTERM ends the server in order, with a trust server down" 0 "$ended"
  output=$(timeout 60 "$bin" replay verify "$journal" 2>&1 </dev/null) || status=$?
  equal "the journal replays to the same decisions" 0 "$status"
  [ "$status" = 0 ] || say "$output"
  output=$(timeout 60 "$bin" explain "$(cat "$work/uid")" --journal "$journal" 2>&1 </dev/null) || true
  holds "a past decision is explained by its uid" "$first" "$output"
  cp -r "$journal" "$work/edited"
  python3 "$here/edit.py" "$work/edited" >"$work/edited.line"
  status=0
  output=$(timeout 60 "$bin" replay verify "$work/edited" 2>&1 </dev/null) || status=$?
  equal "a journal with one edited byte does not verify" 1 "$status"
  holds "the edit is reported at its line" "$(cat "$work/edited.line")" "$output"
  if grep -rqF -e "$PLANTED" -e "PRIVATE KEY" "$work/data" "$work/portreeve.log"; then
    fail "no secret of a workload and no key is in journal or log"
  else
    pass "no secret of a workload and no key is in journal or log"
  fi
}

serve_scenario() {
  local keys=publisher trust_server=https://localhost:$notary_port uid
  local gun=$registry/team/app gun_signers=$registry/team/signers
  notary_config notary "$notary_port" "$(remote_signer)"
  start_notary notary "$notary_port"
  publish
  policies
  serve
  say "portreeve on 127.0.0.1:$webhook_port, notary-server on 127.0.0.1:$notary_port"
  uid=$(cat /proc/sys/kernel/random/uuid)
  printf '%s' "$uid" >"$work/uid"
  REVIEW_UID=$uid expect "the review that is explained below is allowed" \
    "allowed $gun:v1@$first" default Pod "$gun:v1"
  equal "the server is alive" 200 "$(probe livez)"
  equal "metrics are served" 200 "$(probe metrics)"
  check_admission
  check_changes
  check_restart
  check_steady_use
  check_outage
  check_journal
}
