#!/usr/bin/env bash
# A signed trust bundle before real trust servers: made by `portreeve bundle` and read by python-tuf, made by
# python-tuf and read here, from a directory and over https; and a trust server that is replaced by an
# intruder's with a valid certificate and a fresh, well-signed root. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

# --- python-tuf, in an environment of its own -------------------------------------------------------
install_tuf() {
  local cache=${PORTREEVE_E2E_CACHE:-/var/cache/portreeve/e2e}
  tuf=$cache/tuf/bin/python3
  if "$tuf" -c 'import tuf.ngclient, cryptography' 2>/dev/null; then return 0; fi
  say "installing python-tuf"
  mkdir -p "$cache"
  python3 -m venv "$cache/tuf" >"$work/tuf.log" 2>&1
  "$cache/tuf/bin/pip" -q install 'tuf>=6,<8' 'securesystemslib[crypto]' >>"$work/tuf.log" 2>&1
}

bundle() { timeout 30 "$bin" bundle "$@" </dev/null 2>&1; } # arguments of `portreeve bundle`

bundle_made() { # by `portreeve bundle`, from nothing; $root_key pins the shop
  local key
  for key in root targets online; do bundle keygen "$work/$key.pem" >/dev/null; done
  openssl genpkey -algorithm ed25519 -out "$work/second.pem" 2>>"$work/openssl.log"
  openssl pkey -in "$work/second.pem" -pubout -out "$work/second.pub" 2>>"$work/openssl.log"
  bundle init "$made" --root-key "$work/root.pem" --root-key "$work/second.pub" --root-threshold 2 \
    --targets-key "$work/targets.pem" --online-key "$work/online.pem" >/dev/null || true
  holds "bundle: a root of two that one has signed is not in force" "root.json" \
    "$(bundle publish "$made" --key "$work/targets.pem" --key "$work/online.pem" || true)"
  holds "bundle: the second signature, with a key of openssl's, puts it in force" "is signed" \
    "$(bundle sign "$made" --key "$work/second.pem")"
  bundle add "$made" 'registry.example/shop/*' --root-key-id "$root_key" \
    --trust-server "$trust_server" --trust-server-ca "$work/pki/ca.crt" >/dev/null
  holds "bundle: it is published" "trust bundle version 1 is published" \
    "$(bundle publish "$made" --key "$work/targets.pem" --key "$work/online.pem")"
  equal "bundle: python-tuf reads what it says" "$(cat "$made/trust.json")" \
    "$("$tuf" "$here/bundle.py" read "$made" "$made/root.json" 2>&1)"
  bundle keygen "$work/online2.pem" >/dev/null
  bundle rotate "$made" --online-key "$work/online2.pem" --key "$work/root.pem" \
    --key "$work/second.pem" >/dev/null
  bundle publish "$made" --key "$work/online2.pem" >/dev/null
  equal "bundle: python-tuf follows a new root, with another online key" "$(cat "$made/trust.json")" \
    "$("$tuf" "$here/bundle.py" read "$made" "$made/metadata/1.root.json" 2>&1)"
}

bundle_used() {
  local by=(--bundle "$made" --bundle-root "$made/metadata/1.root.json")
  verdict "bundle: the pinned root is believed at first contact, at the bundle's server by its CA" \
    "allowed $first" "${by[@]}" "$web:v1"
  lacks "bundle: it is not first use" "first one seen" "$told"
  holds "bundle: the verdict names the version" '"version":1' "$(cat "$work/told/$asked.json")"
  verdict "bundle: a repository that it does not speak of is not trusted at first use" \
    "denied root-unpinned trust" "${by[@]}" "${open[@]}" "elsewhere.example/web:v1"
  start bundles "$bundles_port" python3 "$here/bundle.py" serve "$made" "$bundles_port" \
    "$work/pki/server.crt" "$work/pki/server.key"
  by=(--bundle "https://localhost:$bundles_port" --bundle-root "$made/metadata/1.root.json")
  verdict "bundle: it is fetched over https, by a CA that is named for it" \
    "allowed $first" "${by[@]}" --bundle-ca "$work/pki/ca.crt" "$web:v1"
  verdict "bundle: without that CA it is not had, and nothing that requires trust is allowed" \
    "denied bundle-unavailable unavailable" "${by[@]}" "$web:v1"
  end bundles
  verdict "bundle: nor from a server that is down" \
    "denied bundle-unavailable unavailable" "${by[@]}" --bundle-ca "$work/pki/ca.crt" "$web:v1"
}

bundle_of_python() { # made by python-tuf, and loaded here
  local theirs=$work/theirs
  "$tuf" "$here/bundle.py" make "$theirs" "$made/trust.json" 2>"$work/tuf.log"
  holds "bundle: one made by python-tuf is good" "trust bundle version 5 is good" \
    "$(bundle verify "$theirs" --root "$theirs/root.json")"
  verdict "bundle: and is gone by" "allowed $first" \
    --bundle "$theirs" --bundle-root "$theirs/root.json" "$web:v1"
  sed -i 's/"version": 7/"version": 8/' "$theirs/metadata/timestamp.json"
  holds "bundle: meddled with, it is not taken" "signature" \
    "$(bundle verify "$theirs" --root "$theirs/root.json" || true)"
}

bundle_replaced() { # an intruder's trust server, in the place and with the certificate of the real one
  local by=(--bundle "$made" --bundle-root "$made/metadata/1.root.json") said
  end open
  start_notary open "$open_port"
  keys=intruder
  sign init "$web" -p
  sign add "$web" v1 "$work/v2.manifest" -p
  keys=publisher
  check "${open[@]}" "$web:v1"
  equal "bundle: without it, a fresh replica would believe the intruder" "allowed $second" \
    "$(head -n 1 <<<"$told")"
  verdict "bundle: with it, the replaced trust server is refused" \
    "denied root-pin-mismatch trust" "${by[@]}" "$web:v1"
  said=$(cat "$work/told/$asked.json")
  holds "bundle: and the message says so" "or its root, was replaced: it serves a root of $web without the signatures that trust bundle version 1 pins" "$said"
}

bundle_scenario() {
  local keys=publisher trust_server=https://localhost:$open_port root_key told status tuf
  local web=registry.example/shop/web made=$work/made bundles_port
  local open=(--trust-server "$trust_server" --ca "$work/pki/ca.crt")
  bundles_port=$(free_ports 1)
  install_tuf
  notary_config open "$open_port" "$(remote_signer)"
  start_notary open "$open_port"
  sign init "$web" -p
  sign add "$web" v1 "$work/v1.manifest" -p
  check "${open[@]}" "$web:v1"
  root_key=$(keyids root | tr -d ' ')
  sign init elsewhere.example/web -p
  sign add elsewhere.example/web v1 "$work/v1.manifest" -p
  bundle_made
  bundle_used
  bundle_of_python
  bundle_replaced
  end open
}
