#!/usr/bin/env bash
# `portreeve check` and an open trust server, through the life of a collection: signed, delegated, with
# keys rotated and tags and delegations removed, expired, down, and replaced by another. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

# --- asking -----------------------------------------------------------------------------------------
# Everything that `check` prints stays here, to be searched for secrets.
asked=0
check() { # arguments of `portreeve check`: leaves its verdict in $told and its exit status in $status
  asked=$((asked + 1)) status=0
  mkdir -p "$work/told" "$work/tmp"
  TMPDIR=$work/tmp timeout 30 "$bin" check --json "$@" </dev/null >"$work/told/$asked.json" \
    2>"$work/told/$asked.err" || status=$?
  told=$(python3 "$here/verdict.py" "$work/told/$asked.json" "$status" 2>&1) || true
}

verdict() { # rule wanted arguments...: what is told equals, or begins with, what is wanted
  local rule=$1 wanted=$2
  shift 2
  check "$@"
  case $told in
    "$wanted" | "$wanted"[[:space:]]*) pass "$rule" ;;
    *) fail "$rule" "wanted: $wanted" "got:    $told" "stderr: $(cat "$work/told/$asked.err")" ;;
  esac
}

lacks() { # rule unwanted text
  case $3 in *"$2"*) fail "$1" "found: $2" "in:    $(head -c 2000 <<<"$3")" ;; *) pass "$1" ;; esac
}

version() { awk -v role="$1" '$1 == "role" && $2 == role { print $3 }' <<<"$told"; }
keyids() { awk -v role="$1" '$1 == "role" && $2 == role { $1 = $2 = $3 = ""; print $0 }' <<<"$told"; }
later() { date -u -d "+$1" +%Y-%m-%dT%H:%M:%SZ; }

# --- one collection, signed with its targets key ----------------------------------------------------
check_signed() {
  local human
  sign init "$web" -p
  sign add "$web" v1 "$work/v1.manifest" -p
  verdict "check: a signed tag is allowed, with its signed digest" \
    "allowed $first" "${open[@]}" "$web:v1"
  holds "check: a root that is trusted at first use is warned about" "first one seen" "$told"
  check "${open[@]}" --state "$work/state" "$web:v1"
  root_key=$(keyids root | tr -d ' ')
  human=$(timeout 30 "$bin" check "${open[@]}" "$web:v1" 2>&1 </dev/null)
  holds "check: a person is told the digest" "$first" "$human"
  verdict "check: the signed digest may stand in the reference" \
    "allowed $first" "${open[@]}" "$web:v1@$first"
  verdict "check: another digest in the reference is refused" \
    "denied digest-mismatch trust" "${open[@]}" "$web:v1@$second"
  verdict "check: a tag that is not signed is refused" \
    "denied tag-not-signed trust" "${open[@]}" "$web:v2"
  verdict "check: a repository without trust data is refused" \
    "denied not-signed trust" "${open[@]}" "registry.example/shop/nobody:v1"
  verdict "check: a private CA that is not named is not believed" \
    "denied trust-server-unreachable unavailable" --trust-server "$trust_server" "$web:v1"
  verdict "check: http:// to another machine is wrong usage" \
    "unclear 2" --trust-server http://notary.example "$web:v1"
}

check_pins() {
  local other=${root_key//[0-7]/8}
  verdict "check: a root with a pinned key is believed at first contact" \
    "allowed $first" "${open[@]}" --require-pins --pin "registry.example/*=$root_key" "$web:v1"
  lacks "check: a pinned root is not warned about" "first one seen" "$told"
  verdict "check: a root without a pinned key is refused" \
    "denied root-pin-mismatch trust" "${open[@]}" --pin "$web=$other" "$web:v1"
  verdict "check: one of several pins is enough" \
    "allowed $first" "${open[@]}" --pin "$web=$other" --pin "$web=$root_key" "$web:v1"
  verdict "check: where pins are required, a root that none covers is refused" \
    "denied root-unpinned trust" "${open[@]}" --require-pins --pin "elsewhere/*=$root_key" "$web:v1"
}

check_cache() {
  equal "check: the client lists the digest that is allowed" "$first" "$(listed "$web" v1)"
  verdict "check: what a client of Notary keeps is taken over" \
    "allowed $first" "${open[@]}" --notary-cache "$work/reader" "$web:v1"
  cp -r "$work/reader" "$work/spoilt"
  sed -i 's/"version":1/"version":7/' "$work/spoilt/tuf/$web/metadata/root.json"
  verdict "check: a cache that was meddled with is spoilt" \
    "denied state-spoilt trust" "${open[@]}" --notary-cache "$work/spoilt" "$web:v1"
}

check_expiry() {
  verdict "check: after 13 days the timestamp still holds" \
    "allowed $first" "${open[@]}" --at "$(later '13 days')" "$web:v1"
  verdict "check: after 15 days the timestamp has expired" \
    "denied expired trust" "${open[@]}" --at "$(later '15 days')" "$web:v1"
  verdict "check: after 11 years not even the root's certificate holds" \
    "denied root-untrusted trust" "${open[@]}" --at "$(later '11 years')" --state "$work/state" "$web:v1"
  verdict "check: a look at another time does not spoil the state" \
    "allowed $first" "${open[@]}" --state "$work/state" "$web:v1"
}

# --- rotation, with a state that has seen the old keys ----------------------------------------------
check_rotation() {
  local old
  for old in targets snapshot timestamp; do
    case $old in targets) sign key rotate "$web" "$old" ;; *) sign key rotate "$web" "$old" -r ;; esac
  done
  sign add "$web" v2 "$work/v2.manifest" -p
  verdict "check: rotated keys of targets, snapshot and timestamp are followed" \
    "allowed $second" "${open[@]}" --state "$work/state" "$web:v2"
  equal "check: each rotation is a version of the root" 4 "$(version root)"
  sign key rotate "$web" root
  sign key rotate "$web" root
  verdict "check: a root key that was rotated twice is followed from the one that was seen" \
    "allowed $first" "${open[@]}" --state "$work/state" "$web:v1"
  equal "check: the newest root is the one held" 6 "$(version root)"
  verdict "check: a client's old cache is followed to the rotated root" \
    "allowed $first" "${open[@]}" --notary-cache "$work/reader" "$web:v1"
  verdict "check: a pin of the key that was rotated away refuses the new root" \
    "denied root-pin-mismatch trust" "${open[@]}" --pin "$web=$root_key" "$web:v1"
  sign remove "$web" v1 -p
  verdict "check: a removed tag is refused" \
    "denied tag-not-signed trust" "${open[@]}" --state "$work/state" "$web:v1"
}

# --- delegations as docker lays them out ------------------------------------------------------------
check_delegations() {
  local alice=(--signer "alice=$work/pki/alice.crt") to_bob=(--signer "bob=$work/pki/bob.crt")
  sign init "$hub" -p
  delegate "$hub"
  sign add "$hub" v1 "$work/v1.manifest" -r targets/releases -r targets/alice -p
  verdict "docker trust: a short name is the GUN that docker signs" \
    "allowed $first" "${open[@]}" web:v1
  verdict "docker trust: the signer that is asked for has signed" \
    "allowed $first" "${open[@]}" --state "$work/state" "${alice[@]}" web:v1
  verdict "docker trust: a signer that has not signed refuses the image" \
    "denied signer-missing trust" "${open[@]}" "${to_bob[@]}" web:v1
  verdict "docker trust: every signer that is asked for must have signed" \
    "denied signer-missing trust" "${open[@]}" "${alice[@]}" "${to_bob[@]}" web:v1
  verdict "docker trust: a signer counts by key, not by name" \
    "denied signer-key-mismatch trust" "${open[@]}" --signer "alice=$work/pki/bob.crt" web:v1
  sign add "$hub" draft "$work/v1.manifest" -r targets/alice -p
  verdict "docker trust: a tag that a signer signed and nobody released is refused" \
    "denied not-released trust" "${open[@]}" web:draft
  sign add "$hub" v1 "$work/v2.manifest" -r targets -p
  verdict "docker trust: targets/releases goes before targets" \
    "allowed $first" "${open[@]}" web:v1
  holds "docker trust: that targets says otherwise is told" \
    "warning targets names $second, but targets/releases names $first" "$told"
  sign add "$hub" base "$work/v2.manifest" -r targets -p
  verdict "docker trust: what targets/releases lacks may stand in targets" \
    "allowed $second" "${open[@]}" web:base
  sign add "$hub" torn "$work/v1.manifest" -r targets/releases -p
  sign add "$hub" torn "$work/v2.manifest" -r targets/alice -p
  verdict "docker trust: a signer of another digest than the released one refuses the image" \
    "denied signers-disagree trust" "${open[@]}" "${alice[@]}" web:torn
  check_removal
}

check_removal() {
  local bob alice=(--signer "alice=$work/pki/alice.crt")
  sign remove "$hub" torn -r targets/releases -p
  verdict "docker trust: a tag that is removed from the releases is refused" \
    "denied not-released trust" "${open[@]}" web:torn
  bob=$(client "$keys" delegation list "$hub" | grep targets/bob | grep -oE '[0-9a-f]{64}')
  sign delegation remove "$hub" targets/releases "$bob" -p
  verdict "docker trust: with one releaser's key removed the other's signature holds" \
    "allowed $first" "${open[@]}" --state "$work/state" "${alice[@]}" web:v1
  sign delegation remove "$hub" targets/alice -y -p
  verdict "docker trust: a signer whose delegation is removed has not signed" \
    "denied signer-missing trust" "${open[@]}" --state "$work/state" "${alice[@]}" web:v1
  sign delegation remove "$hub" targets/releases -y -p
  verdict "docker trust: releases that were there before and are removed are not overlooked" \
    "denied role-withdrawn trust" "${open[@]}" --state "$work/state" web:base
  verdict "docker trust: without releases the tag in targets counts, at first contact" \
    "allowed $second" "${open[@]}" web:v1
}

# --- an outage, and another collection in the place of the old one ----------------------------------
check_replaced() {
  local listed
  end open
  verdict "check: a trust server that is down is unavailable, whatever was seen before" \
    "denied trust-server-unreachable unavailable" "${open[@]}" --state "$work/state" "$web:v2"
  start_notary open "$open_port"
  check "${open[@]}" --state "$work/state" "$web:v2"
  equal "check: a trust server that lost its data cannot allow" 1 "$status"
  keys=intruder
  sign init "$web" -p
  sign add "$web" v2 "$work/v1.manifest" -p
  keys=publisher
  verdict "check: trust data under another root than the one seen is refused" \
    "denied root-changed trust" "${open[@]}" --state "$work/state" "$web:v2"
  verdict "check: trust data under another root than a client's cache holds is refused" \
    "denied root-changed trust" "${open[@]}" --notary-cache "$work/reader" "$web:v2"
  listed=$(timeout 30 "$bin" trust list --state "$work/state" 2>&1 </dev/null) || true
  holds "trust list: names what is trusted" "$web" "$listed"
  timeout 30 "$bin" trust reset "$web" --server "$trust_server" --reason "moved, as the shop says" \
    --state "$work/state" >/dev/null 2>&1 </dev/null || true
  verdict "trust reset: then the new root is a first one" \
    "allowed $first" "${open[@]}" --state "$work/state" "$web:v2"
}

check_scenario() {
  local keys=publisher trust_server=https://localhost:$open_port root_key told status
  local web=registry.example/shop/web hub=docker.io/library/web
  local open=(--trust-server "$trust_server" --ca "$work/pki/ca.crt")
  notary_config open "$open_port" "$(remote_signer)"
  start_notary open "$open_port"
  check_signed
  check_pins
  check_cache
  check_expiry
  check_rotation
  check_delegations
  check_replaced
  end open
  equal "check: nothing is left in the temporary directory" "" "$(ls -A "$work/tmp")"
}
