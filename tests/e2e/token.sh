#!/usr/bin/env bash
# A trust server that asks for tokens: `portreeve check` with docker's credentials file, and `portreeve
# serve` with the pull secrets of pods and service accounts. The token server goes by 127.0.0.1, the
# trust server by localhost, so that each is another host to the other. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

# --- the servers ------------------------------------------------------------------------------------
random_text() { python3 -c 'import secrets; print(secrets.token_hex(16))'; }

start_private() {
  local pki=$work/pki realm=https://127.0.0.1:$tokens_port/token
  {
    openssl ecparam -name prime256v1 -genkey -noout -out "$pki/tokens.key"
    openssl req -x509 -new -key "$pki/tokens.key" -subj "/CN=tokens" -days 2 -out "$pki/tokens.crt"
  } >>"$work/openssl.log" 2>&1
  cat >"$work/tokens.json" <<JSON
{"port": $tokens_port, "certificate": "$pki/server.crt", "key": "$pki/server.key",
 "signer": "$pki/tokens.key", "issuer": "end-to-end", "log": "$work/tokens.asked",
 "issued": "$work/tokens.issued", "identities": {"$identity": "reader"},
 "users": {"publisher": {"password": "$publishing", "actions": ["pull", "push", "*"]},
           "reader": {"password": "$reading", "actions": ["pull"]}}}
JSON
  : >"$work/tokens.asked"
  start tokens "$tokens_port" python3 "$here/token_server.py" "$work/tokens.json"
  # Ed25519 keys, which the server holds itself, for the sake of another kind of key.
  notary_config private "$private_port" '{"type": "local"}' "{\"type\": \"token\", \"options\":
    {\"realm\": \"$realm\", \"service\": \"trust\", \"issuer\": \"end-to-end\",
     \"rootcertbundle\": \"$pki/tokens.crt\"}}"
  start_notary private "$private_port"
}

publish_private() {
  local NOTARY_AUTH
  NOTARY_AUTH=$(printf 'publisher:%s' "$publishing" | base64 -w 0)
  export NOTARY_AUTH
  sign init "$private" -p
  sign add "$private" v1 "$work/v1.manifest" -p
  sign init "$public" -p
  sign add "$public" v1 "$work/v2.manifest" -p
}

# --- credentials ------------------------------------------------------------------------------------
auths() { # registry user password ...: docker's file, with `auth` as docker login writes it
  local entries="" pair
  while [ $# -ge 3 ]; do
    pair=$(printf '%s:%s' "$2" "$3" | base64 -w 0)
    entries+="${entries:+, }\"$1\": {\"auth\": \"$pair\"}"
    shift 3
  done
  printf '{"auths": {%s}}\n' "$entries"
}

credentials_files() {
  local at=$work/credentials
  mkdir -p "$at" "$at/helpers"
  auths registry.example reader "$reading" >"$at/right.json"
  auths registry.example reader "$wrong" >"$at/wrong.json"
  auths other.example reader "$reading" >"$at/elsewhere.json"
  auths registry.example/private reader "$wrong" registry.example reader "$reading" >"$at/both.json"
  printf '{"auths": {"registry.example": {"username": "reader", "password": "%s"}}}\n' \
    "$reading" >"$at/plain.json"
  printf '{"auths": {"registry.example": {"identitytoken": "%s"}}}\n' "$identity" >"$at/identity.json"
  printf '{"credHelpers": {"registry.example": "planted"}}\n' >"$at/helper.json"
  printf '#!/bin/sh\ntouch "%s"\n' "$at/helper-ran" >"$at/helpers/docker-credential-planted"
  chmod +x "$at/helpers/docker-credential-planted"
}

with() { printf -- '--credentials\n%s\n' "$work/credentials/$1.json"; }
asked_for_tokens() { wc -l <"$work/tokens.asked"; }
last_user() { tail -n 1 "$work/tokens.asked" | python3 -c 'import json; print(json.loads(input())["user"])'; }

# --- check ------------------------------------------------------------------------------------------
check_realm() {
  local before
  before=$(asked_for_tokens)
  # shellcheck disable=SC2046 # two words each
  verdict "tokens: a token server on another host is not asked unless it is allowed" \
    "denied trust-server-unauthorized unavailable" "${closed[@]}" $(with right) "$private:v1"
  holds "tokens: the refusal names the host to allow" "127.0.0.1:$tokens_port" "$told"
  verdict "tokens: one that is allowed for another trust server is not asked either" \
    "denied trust-server-unauthorized unavailable" "${closed[@]}" $(with right) \
    --allow-realm "notary.example=127.0.0.1:$tokens_port" "$private:v1"
  equal "tokens: nothing was sent to it" "$before" "$(asked_for_tokens)"
  verdict "tokens: a token server on another host is asked where it is allowed" \
    "allowed $first" "${realm[@]}" $(with right) "$private:v1"
  equal "tokens: it was shown the credentials" reader "$(last_user)"
  verdict "tokens: a token server on the trust server's own host needs no leave" \
    "allowed $first" --trust-server "https://127.0.0.1:$private_port" --ca "$work/pki/ca.crt" \
    $(with right) "$private:v1"
  verdict "tokens: without the private CA nothing is asked" \
    "denied trust-server-unreachable unavailable" --trust-server "$trust_server" \
    --allow-realm "localhost:$private_port=127.0.0.1:$tokens_port" $(with right) "$private:v1"
}

# shellcheck disable=SC2046 # `with` gives two words
check_credentials() {
  verdict "tokens: a public collection needs no credentials" \
    "allowed $second" "${realm[@]}" "$public:v1"
  verdict "tokens: a private collection without credentials is refused" \
    "denied trust-server-unauthorized unavailable" "${realm[@]}" "$private:v1"
  verdict "tokens: a wrong password is refused" \
    "denied trust-server-unauthorized unavailable" "${realm[@]}" $(with wrong) "$private:v1"
  verdict "tokens: nor is it left out for a public collection: the kubelet would not pull either" \
    "denied trust-server-unauthorized unavailable" "${realm[@]}" $(with wrong) "$public:v1"
  verdict "tokens: after a credential that is refused the next one is tried" \
    "allowed $first" "${realm[@]}" $(with both) "$private:v1"
  verdict "tokens: user name and password may stand by themselves" \
    "allowed $first" "${realm[@]}" $(with plain) "$private:v1"
  verdict "tokens: an identity token is exchanged" \
    "allowed $first" "${realm[@]}" $(with identity) "$private:v1"
  equal "tokens: by a POST" '"POST"' "$(tail -n 1 "$work/tokens.asked" | grep -o '"POST"')"
  verdict "tokens: credentials of another registry do not help" \
    "denied trust-server-unauthorized unavailable" "${realm[@]}" $(with elsewhere) "$private:v1"
  equal "tokens: and are not shown" None "$(last_user)"
  verdict "tokens: a private repository without trust data is not signed" \
    "denied not-signed trust" "${realm[@]}" $(with right) registry.example/private/nobody:v1
  PATH=$work/credentials/helpers:$PATH verdict "tokens: what a helper program keeps is not had" \
    "denied trust-server-unauthorized unavailable" "${realm[@]}" $(with helper) "$private:v1"
  equal "tokens: the helper program is not run" "" "$(ls "$work/credentials/helper-ran" 2>/dev/null)"
  verdict "tokens: pull secrets may stand beside the policies" "allowed $first" \
    --ca "$work/pki/ca.crt" --allow-realm "localhost:$private_port=127.0.0.1:$tokens_port" \
    --policy "$work/guarded/policies.yaml" --policy "$work/guarded/team.yaml" --namespace team \
    --state "$work/state" "$private:v1"
}

# --- serve ------------------------------------------------------------------------------------------
pull_secret() { # namespace name credentials
  cat <<YAML
---
apiVersion: v1
kind: Secret
metadata: {name: $2, namespace: $1}
type: kubernetes.io/dockerconfigjson
data: {.dockerconfigjson: $(base64 -w 0 "$work/credentials/$3.json")}
YAML
}

guarded_objects() {
  mkdir -p "$work/guarded"
  cat >"$work/guarded/policies.yaml" <<YAML
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: example}
spec:
  repositories:
    - name: "registry.example/private/*"
      policy:
        trust: {enabled: true, trustServer: "$trust_server"}
    - name: "registry.example/public/*"
      policy:
        trust: {enabled: true, trustServer: "$trust_server", maxStaleness: 1h}
YAML
  {
    pull_secret team listed right
    pull_secret team accounted identity
    cat <<YAML
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner, namespace: team}
imagePullSecrets: [{name: accounted}]
YAML
  } >"$work/guarded/team.yaml"
  pull_secret mistaken listed wrong >"$work/guarded/mistaken.yaml"
  pull_secret other listed elsewhere >"$work/guarded/other.yaml"
  printf 'freshness: 0s\nnode: guarded\n' >"$work/guarded.yaml"
}

serve_guarded() {
  start guarded "$guarded_port" "$bin" serve --config "$work/guarded.yaml" \
    --listen "127.0.0.1:$guarded_port" --tls-cert "$work/pki/server.crt" \
    --tls-key "$work/pki/server.key" --objects "$work/guarded" --data-dir "$work/guarded-data" \
    --trust-ca "$work/pki/ca.crt" --allow-trust-server "$trust_server" \
    --allow-realm "localhost:$private_port=127.0.0.1:$tokens_port" --log json --log-level debug
  await_ready guarded
}

check_pull_secrets() {
  local webhook_port=$guarded_port journal=$work/guarded-data/journal replayed=0 output
  serve_guarded
  REVIEW_PULL_SECRET=listed expect "pull secrets: the one that the pod lists opens the collection" \
    "allowed $private:v1@$first" team Pod "$private:v1"
  REVIEW_ACCOUNT=runner expect "pull secrets: the one of the pod's service account opens it" \
    "allowed $private:v1@$first" team Pod "$private:v1"
  REVIEW_PULL_SECRET=listed expect "pull secrets: a Deployment's count as a pod's" \
    "allowed $private:v1@$first" team Deployment "$private:v1"
  expect "pull secrets: one that nobody lists is not used, though others were let in just now" \
    "denied trust-server-unauthorized" team Pod "$private:v1"
  REVIEW_PULL_SECRET=listed expect "pull secrets: that of another namespace is not used" \
    "denied trust-server-unauthorized" nobody Pod "$private:v1"
  REVIEW_PULL_SECRET=listed expect "pull secrets: a wrong password is refused" \
    "denied trust-server-unauthorized" mistaken Pod "$private:v1"
  REVIEW_PULL_SECRET=listed expect "pull secrets: that of another registry does not help" \
    "denied trust-server-unauthorized" other Pod "$private:v1"
  expect "pull secrets: a public collection needs none" \
    "allowed $public:v1@$second" nobody Pod "$public:v1"
  output=$(timeout 30 "$bin" trust show "$private" --data-dir "$work/guarded-data" 2>&1 </dev/null) ||
    true
  holds "trust show: a running server tells what it trusts" "$private" "$output"
  end private
  REVIEW_PULL_SECRET=listed expect "pull secrets: with the trust server down nothing is allowed" \
    "denied trust-server-unreachable" team Pod "$private:v1"
  expect "staleness: where a rule allows it, what was verified before stands in for the server" \
    "allowed $public:v1@$second" nobody Pod "$public:v1"
  expect "staleness: another digest than the one verified before is refused" \
    "denied trust-server-unreachable" nobody Pod "$public:v1@$first"
  expect "staleness: a tag that was not verified before is refused" \
    "denied trust-server-unreachable" nobody Pod "$public:v9"
  end guarded
  equal "pull secrets: SIGTERM ends the server in order" 0 "$ended"
  output=$(timeout 60 "$bin" replay verify "$journal" 2>&1 </dev/null) || replayed=$?
  equal "pull secrets: the journal replays to the same decisions" 0 "$replayed"
  [ "$replayed" = 0 ] || say "$output"
}

# --- secrets ----------------------------------------------------------------------------------------
check_secrets() {
  local secrets=$work/secrets found
  {
    printf '%s\n' "$publishing" "$reading" "$wrong" "$identity" "PRIVATE KEY"
    printf 'reader:%s' "$reading" | base64 -w 0 && echo
    printf 'reader:%s' "$wrong" | base64 -w 0 && echo
    # A token's signature, and its claims: either would do for whoever found it.
    cut -d . -f 2 "$work/tokens.issued"
    cut -d . -f 3 "$work/tokens.issued"
  } >"$secrets"
  equal "secrets: there were tokens to be leaked" yes \
    "$([ "$(wc -l <"$work/tokens.issued")" -gt 10 ] && echo yes)"
  equal "secrets: they would be found" 1 \
    "$(grep -lF -f "$secrets" "$work/credentials/plain.json" | wc -l)"
  found=$(grep -rlF -f "$secrets" "$work/told" "$work/state" "$work/guarded-data" \
    "$work/guarded.log" "$work/tmp" "$work/tokens.asked" || true)
  equal "secrets: no password, no token and no key is in output, state, journal or log" "" "$found"
}

token_scenario() {
  local keys=publisher trust_server=https://localhost:$private_port told status
  local private=registry.example/private/app public=registry.example/public/app
  local publishing reading wrong identity
  local closed=(--trust-server "$trust_server" --ca "$work/pki/ca.crt")
  local realm=("${closed[@]}" --allow-realm "localhost:$private_port=127.0.0.1:$tokens_port")
  publishing=$(random_text) reading=$(random_text) wrong=$(random_text) identity=$(random_text)
  start_private
  publish_private
  credentials_files
  guarded_objects
  check_realm
  check_credentials
  check_pull_secrets
  check_secrets
}
