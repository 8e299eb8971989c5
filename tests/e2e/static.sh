#!/usr/bin/env bash
# The static binary, as deploy/Dockerfile makes it, in a root directory that holds nothing but it,
# resolv.conf, hosts and a file of CAs: it finds names by DNS and by the file, verifies TLS with the
# CAs, and serves, as a user without rights.
#
# Sourced by `run` for static_scenario; or by itself (as root):
#   tests/e2e/static.sh
# PORTREEVE_STATIC names the binary; without it one is built.
set -euo pipefail
static_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Builds what deploy/Dockerfile ships, and prints where it is. It is the only build for release: the
# other scenarios run this binary, too.
shipped_binary() {
  local root flags host
  root=$(cd "$static_here/../.." && pwd)
  flags=$(sed -n 's/^ENV RUSTFLAGS="\(.*\)"$/\1/p' "$root/deploy/Dockerfile")
  host=$(rustc -vV | sed -n 's/^host: //p')
  (cd "$root" && RUSTFLAGS=$flags nice cargo build --release --locked --quiet --package portreeve \
    --target "$host") >&2
  (cd "$root" && realpath "${CARGO_TARGET_DIR:-target}/$host/release/portreeve")
}

is_static() { ldd "$1" 2>&1 | grep -q 'statically linked\|not a dynamic executable'; }

static_build() {
  static_bin=${PORTREEVE_STATIC:-${bin:-}}
  if [ -z "$static_bin" ] || { [ -z "${PORTREEVE_STATIC:-}" ] && ! is_static "$static_bin"; }; then
    static_bin=$(shipped_binary)
  fi
}

# A DNS server that knows one name, and a trust server that has nothing to say under it.
static_servers() {
  # Whichever loopback address nobody else uses for DNS: resolv.conf cannot name a port.
  static_dns=127.$((RANDOM % 200 + 20)).$((RANDOM % 250)).$((RANDOM % 250 + 1))
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj '/CN=static test CA' -keyout "$static_work/ca.key" -out "$static_work/ca.crt" \
    -addext basicConstraints=critical,CA:TRUE 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=notary \
    -keyout "$static_work/tls.key" -out "$static_work/tls.csr" 2>/dev/null
  openssl x509 -req -in "$static_work/tls.csr" -CA "$static_work/ca.crt" -CAkey "$static_work/ca.key" \
    -CAcreateserial -days 2 -out "$static_work/tls.crt" 2>/dev/null -extfile <(printf \
      'subjectAltName=DNS:notary.static.example,DNS:hosts.static.example,IP:127.0.0.1\n')
  chmod 644 "$static_work"/*
  python3 "$static_here/static.py" "$static_dns" "$static_work" >"$static_work/servers.log" 2>&1 &
  static_pid=$!
  for _ in $(seq 100); do
    [ -s "$static_work/port" ] && return 0
    kill -0 "$static_pid" 2>/dev/null || break
    sleep 0.1
  done
  say "the servers did not start: $(tail -n 3 "$static_work/servers.log")"
  return 1
}

static_root() {
  static_jail=$static_work/root
  mkdir -p "$static_jail/etc/ssl/certs" "$static_jail/data" "$static_jail/objects"
  cp "$static_bin" "$static_jail/portreeve"
  printf 'nameserver %s\noptions timeout:2 attempts:1\n' "$static_dns" >"$static_jail/etc/resolv.conf"
  printf '127.0.0.1 localhost hosts.static.example\n' >"$static_jail/etc/hosts"
  cp "$static_work/ca.crt" "$static_jail/etc/ssl/certs/ca-certificates.crt"
  cp "$static_work/tls.crt" "$static_work/tls.key" "$static_jail/"
  cp "$static_here/../../deploy/policies/allow-kube-system.yaml" "$static_jail/objects/"
  chown -R 65532:65532 "$static_jail/data" "$static_jail/tls.key"
  chmod 755 "$static_work" "$static_jail"
}

static_judges() { # rule host words
  local output port
  port=$(cat "$static_work/port")
  output=$(env -i TMPDIR=/data "$(command -v timeout)" 30 "$(command -v chroot)" \
    --userspec=65532:65532 "$static_jail" /portreeve check registry.static.example/app:v1 \
    --trust-server "https://$2:$port" 2>&1 </dev/null) || true
  if [[ $output == *"$3"* ]]; then pass "static: $1"; else fail "static: $1" "$output"; fi
}

static_serves() {
  local port status=000 log=$static_work/serve.log serving
  port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
  env -i "$(command -v chroot)" --userspec=65532:65532 "$static_jail" /portreeve serve --listen "127.0.0.1:$port" \
    --tls-cert /tls.crt --tls-key /tls.key --objects /objects --data-dir /data --drain-delay 0s \
    >"$log" 2>&1 </dev/null &
  serving=$!
  for _ in $(seq 100); do
    status=$(curl -s -o /dev/null -w '%{http_code}' --cacert "$static_work/ca.crt" \
      "https://127.0.0.1:$port/readyz" || true)
    [ "$status" = 200 ] && break
    kill -0 "$serving" 2>/dev/null || break
    sleep 0.1
  done
  kill "$serving" 2>/dev/null || true
  if wait "$serving" && [ "$status" = 200 ]; then
    pass "static: it serves and ends in order, without /proc, /dev and /tmp"
  else
    fail "static: it serves and ends in order, without /proc, /dev and /tmp" "$(tail -n 3 "$log")"
  fi
}

static_scenario() {
  static_work=${work:-$(mktemp -d)}/static
  static_pid=
  mkdir -p "$static_work"
  static_build
  static_servers
  static_root
  if is_static "$static_bin"; then
    pass "static: it needs no library ($(($(stat -c %s "$static_bin") >> 20)) MiB)"
  else
    fail "static: it needs no library" "$(ldd "$static_bin" 2>&1)"
  fi
  static_judges "a name is found by DNS, and TLS holds by the file of CAs" \
    notary.static.example "DENIED not-signed"
  if grep -q '^asked for notary.static.example' "$static_work/servers.log"; then
    pass "static: the DNS server of resolv.conf was asked"
  else
    fail "static: the DNS server of resolv.conf was asked" "$(cat "$static_work/servers.log")"
  fi
  static_judges "a name is found in /etc/hosts" hosts.static.example "DENIED not-signed"
  static_judges "a name that nobody has is unavailable" nobody.static.example \
    "its name cannot be resolved"
  static_serves
  kill "$static_pid" 2>/dev/null || true
  wait "$static_pid" 2>/dev/null || true
  static_pid=
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  passed=0 failed=0
  say() { printf '%s\n' "$*"; }
  pass() { passed=$((passed + 1)); say "ok      $1"; }
  fail() { failed=$((failed + 1)); say "FAILED  $1"; [ $# -lt 2 ] || printf '        %s\n' "${@:2}"; }
  work=$(mktemp -d)
  chmod 755 "$work"
  static_end() {
    [ -z "${static_pid:-}" ] || kill "$static_pid" 2>/dev/null || true
    rm -rf "$work"
  }
  trap static_end EXIT
  static_scenario
  say "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
fi
