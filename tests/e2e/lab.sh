#!/usr/bin/env bash
# What every scenario stands on: processes that are ended by their own id, a CA, Debian's servers and
# client, and the four ways to state a rule. Sourced by `run`; the scenarios share one CA, one signer
# and one registry.
# shellcheck disable=SC2154 # the variables are set in `run`

say() { printf '%s\n' "$*"; }
pass() { passed=$((passed + 1)); say "ok      $1"; }
fail() { # rule [line...]
  failed=$((failed + 1))
  { say "FAILED  $1"; [ $# -lt 2 ] || printf '        %s\n' "${@:2}"; } | tee -a "$work/failed"
}

# --- processes: each is ended by its own id ---------------------------------------------------------
running() { [ -n "${pids[$1]:-}" ] && kill -0 "${pids[$1]}" 2>/dev/null; }

end() { # name: SIGTERM, thirty seconds, as the chart's Pods have, then SIGKILL; leaves its status in $ended
  local pid=${pids[$1]:-}
  ended=0
  [ -n "$pid" ] || return 0
  kill "$pid" 2>/dev/null || true
  kill -CONT "$pid" 2>/dev/null || true # a stopped one hears nothing
  for _ in $(seq 300); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || ended=$?
  unset "pids[$1]"
}

end_at_once() { # name: as the kernel or a node's end would
  local pid=${pids[$1]}
  kill -9 "$pid"
  wait "$pid" 2>/dev/null || true
  unset "pids[$1]"
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start() { # name port command...: the command runs until it listens on the port
  local name=$1 port=$2
  shift 2
  "$@" >>"$work/$name.log" 2>&1 </dev/null &
  pids[$name]=$!
  for _ in $(seq 200); do
    if port_open "$port"; then return 0; fi
    running "$name" || break
    sleep 0.1
  done
  say "$name does not listen on 127.0.0.1:$port" >&2
  return 1
}

# --- what is needed ---------------------------------------------------------------------------------
needs() { # package...: those that are missing are installed
  local missing=() package
  for package in "$@"; do
    dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q ' installed$' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update </dev/null >"$work/apt.log" 2>&1
  apt-get -qq install -y --no-install-recommends "${missing[@]}" </dev/null >>"$work/apt.log" 2>&1
}

find_binary() {
  bin=${PORTREEVE_BIN:-}
  [ -n "$bin" ] || bin=$(shipped_binary)
  [ -x "$bin" ] || { say "no binary at $bin" >&2; return 1; }
  bin=$(realpath "$bin")
}

free_ports() { # how many: ports that are free now, all different
  python3 - "$1" <<'PY'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
PY
}

# --- certificates: a CA, and one leaf for everything on this machine --------------------------------
certificates() {
  local pki=$work/pki
  mkdir -p "$pki"
  cat >"$pki/leaf.ext" <<EXT
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName=DNS:localhost,IP:127.0.0.1
EXT
  {
    openssl ecparam -name prime256v1 -genkey -noout -out "$pki/ca.key"
    openssl req -x509 -new -key "$pki/ca.key" -subj "/CN=end-to-end CA" -days 3 -out "$pki/ca.crt" \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    openssl ecparam -name prime256v1 -genkey -noout |
      openssl pkcs8 -topk8 -nocrypt -out "$pki/server.key"
    openssl req -new -key "$pki/server.key" -subj "/CN=localhost" -out "$pki/server.csr"
    openssl x509 -req -in "$pki/server.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial \
      -days 2 -extfile "$pki/leaf.ext" -out "$pki/server.crt"
    for signer in alice bob; do
      openssl ecparam -name prime256v1 -genkey -noout -out "$pki/$signer.key"
      openssl req -x509 -new -key "$pki/$signer.key" -subj "/CN=$signer" -days 30 \
        -out "$pki/$signer.crt"
    done
  } >"$work/openssl.log" 2>&1
}

# --- the servers ------------------------------------------------------------------------------------
notary_config() { # name port trust-service [auth]: a trust server that keeps everything in memory
  local auth=${4:+"\"auth\": $4,"}
  cat >"$work/$1.json" <<JSON
{"server": {"http_addr": "127.0.0.1:$2", "tls_cert_file": "$work/pki/server.crt",
            "tls_key_file": "$work/pki/server.key"},
 "trust_service": $3, $auth
 "logging": {"level": "info"}, "storage": {"backend": "memory"}}
JSON
}

remote_signer() { # the trust service that lets notary-signer hold the server's keys
  local pki=$work/pki
  cat <<JSON
{"type": "remote", "hostname": "localhost", "port": "$signer_port",
 "tls_ca_file": "$pki/ca.crt", "key_algorithm": "ecdsa",
 "tls_client_cert": "$pki/server.crt", "tls_client_key": "$pki/server.key"}
JSON
}

start_servers() {
  local pki=$work/pki
  cat >"$work/signer.json" <<JSON
{"server": {"grpc_addr": "127.0.0.1:$signer_port", "tls_cert_file": "$pki/server.crt",
            "tls_key_file": "$pki/server.key", "client_ca_file": "$pki/ca.crt"},
 "logging": {"level": "info"}, "storage": {"backend": "memory"}}
JSON
  cat >"$work/registry.yml" <<YAML
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$registry_port", tls: {certificate: $pki/server.crt, key: $pki/server.key}}
YAML
  start signer "$signer_port" notary-signer -config="$work/signer.json"
  start registry "$registry_port" docker-registry serve "$work/registry.yml"
}

start_notary() { start "$1" "$2" notary-server -config="$work/$1.json"; } # name port

# --- signing ----------------------------------------------------------------------------------------
# `trust_server` is the one in question, `keys` the publisher's directory below the work directory.
client() { # directory command...: the real client
  local directory=$1
  shift
  NOTARY_ROOT_PASSPHRASE=end-to-end NOTARY_TARGETS_PASSPHRASE=end-to-end \
    NOTARY_SNAPSHOT_PASSPHRASE=end-to-end NOTARY_DELEGATION_PASSPHRASE=end-to-end \
    timeout 30 notary -s "$trust_server" -d "$work/$directory" --tlscacert "$work/pki/ca.crt" "$@" \
    <<<yes 2>>"$work/client.log" # a root key is rotated only after a yes
}

# The servers forget everything when they end, and a client that begins a collection anew still has what
# it kept of the one of that name before: it would read the old timestamp under the new root, and fail.
sign() {
  [ "$1" != init ] || rm -rf "${work:?}/$keys/tuf/${2:?}"
  client "$keys" "$@" >>"$work/client.log"
}

listed() { # gun tag: the digest that the real client lists
  client reader list "$1" | awk -v tag="$2" '$1 == tag { print "sha256:" $2; exit }'
}

delegate() { # gun: alice and bob may release, and each has a role, as `docker trust signer add` does
  sign key import --role alice --gun "$1" "$work/pki/alice.key"
  sign key import --role bob --gun "$1" "$work/pki/bob.key"
  sign delegation add "$1" targets/releases "$work/pki/alice.crt" "$work/pki/bob.crt" --all-paths -p
  sign delegation add "$1" targets/alice "$work/pki/alice.crt" --all-paths -p
  sign delegation add "$1" targets/bob "$work/pki/bob.crt" --all-paths -p
}

oci() { timeout 30 skopeo --insecure-policy "$@"; }

push() { # repository tag text: an image with that text in it; prints its digest as the registry says it
  python3 "$here/image.py" "$work/image" "$3"
  oci copy --quiet --dest-cert-dir "$work/certs" "oci:$work/image" \
    "docker://$1:$2" >>"$work/client.log" 2>&1
  oci inspect --cert-dir "$work/certs" --raw "docker://$1:$2" >"$work/$2.manifest"
  oci inspect --cert-dir "$work/certs" --format '{{.Digest}}' "docker://$1:$2"
}

push_images() { # two images, each with its manifest and digest, for all scenarios
  local repository=$registry/team/app
  mkdir -p "$work/certs"
  cp "$work/pki/ca.crt" "$work/certs/ca.crt"
  first=$(push "$repository" v1 "first")
  second=$(push "$repository" v2 "second")
  push "$repository" unsigned "not signed" >/dev/null
}

# --- rules ------------------------------------------------------------------------------------------
equal() { # rule wanted got
  if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "wanted: $2" "got:    $3"; fi
}

holds() { # rule wanted text: the text holds what is wanted
  case $3 in *"$2"*) pass "$1" ;; *) fail "$1" "wanted: $2" "got:    $(head -c 2000 <<<"$3")" ;; esac
}
