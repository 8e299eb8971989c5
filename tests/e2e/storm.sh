#!/usr/bin/env bash
# Three replicas under load while they are killed and stopped, one of them on a small disk that fills up,
# and while connections to the trust server are cut, stall, or are refused, and the server itself stops;
# meanwhile tags are signed and removed. Afterwards every answer is held against what was signed and what
# stands in the journals. When what happens is drawn from a seed: PORTREEVE_STORM_SEED. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

storm_names=(storm_a storm_b storm_c)
storm_seconds=${PORTREEVE_STORM_SECONDS:-26}

now() { printf '%s' "${EPOCHREALTIME/,/.}"; }

# --- the parts --------------------------------------------------------------------------------------
storm_objects() {
  mkdir -p "$storm/objects"
  cat >"$storm/objects/policy.yaml" <<YAML
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: storm}
spec:
  repositories:
    - name: "$registry/storm/*"
      policy:
        trust: {enabled: true, trustServer: "https://localhost:$front_port"}
    - name: "$registry/free/*"
YAML
  for name in "${storm_names[@]}"; do
    printf 'freshness: %ss\nnode: %s\n' "$freshness" "${name/_/-}" >"$storm/$name.yaml"
  done
}

storm_told() {
  cat >"$storm/storm.json" <<JSON
{"seed": "$seed", "ca": "$work/pki/ca.crt", "gun": "$gun", "digest": "$first", "freshness": $freshness,
 "replicas": {"storm_a": ${storm_port[storm_a]}, "storm_b": ${storm_port[storm_b]},
              "storm_c": ${storm_port[storm_c]}},
 "images": {"signed": "$gun:v1", "pinned": "$gun:v1@$first", "other-digest": "$gun:v1@$second",
            "unsigned": "$gun:unsigned", "nobody": "$registry/storm/nobody:v1",
            "uncovered": "elsewhere.example/app:v1", "free": "$registry/free/tool:v1"}}
JSON
}

storm_front() {
  start front "$front_port" python3 "$here/kubernetes/forward.py" "$front_port" always "$gale_port"
}

storm_replica() { # name: until it listens
  local name=$1 port=${storm_port[$1]}
  start "$name" "$port" "$bin" serve --config "$storm/$name.yaml" --listen "127.0.0.1:$port" \
    --tls-cert "$work/pki/server.crt" --tls-key "$work/pki/server.key" --objects "$storm/objects" \
    --data-dir "$storm/$name" --drain-delay 0s --trust-ca "$work/pki/ca.crt" \
    --allow-trust-server "https://localhost:$front_port" --log json --log-level info
}

# --- disturbances: each is told whom it is for ------------------------------------------------------
storm_away() { # name stopped|killed: from now on, and not any more what it was before
  local name=$1
  [ -z "${away[$name]:-}" ] || printf '%s %s %s\n' "$name" "${away[$name]}" "$(now)" >>"$storm/away"
  away[$name]=${2:+$2 $(now)}
}

storm_kill() { storm_away "$1" killed; end_at_once "$1"; }
storm_restart() { storm_replica "$1"; storm_away "$1"; }
storm_stop() { storm_away "$1" stopped; kill -STOP "${pids[$1]}"; }
storm_go_on() { kill -CONT "${pids[$1]}"; storm_away "$1"; }
# What was written before may have to make room; it is kept for the judgement.
storm_fill() {
  cp -r "$storm/$1/journal" "$storm/kept.$((kept += 1))"
  dd if=/dev/zero of="$storm/$1/filler" bs=64k >>"$storm/dd.log" 2>&1 || true
}
storm_empty() { rm -f "$storm/$1/filler"; }
storm_cut() { kill -USR1 "${pids[front]}"; }
storm_stall() { kill -STOP "${pids[front]}"; }
storm_flow() { kill -CONT "${pids[front]}"; }
storm_refuse() { end_at_once front; }
storm_accept() { storm_front; }
storm_freeze() { kill -STOP "${pids[gale]}"; }
storm_thaw() { kill -CONT "${pids[gale]}"; }

storm_tag() { # sign|remove tag notary's words...
  printf 'begun %s %s %s\n' "$1" "$2" "$(now)" >>"$storm/tags"
  sign "${@:3}" -p
  printf 'done %s %s %s\n' "$1" "$2" "$(now)" >>"$storm/tags"
}
storm_sign() { tags=$((tags + 1)); storm_tag sign "s$tags" add "$gun" "s$tags" "$work/v1.manifest"; }
storm_remove() { # the oldest; without one, there is one to remove later
  if [ "$removed" -ge "$tags" ]; then storm_sign; return; fi
  removed=$((removed + 1))
  storm_tag remove "s$removed" remove "$gun" "s$removed"
}

storm_rages() {
  local at what whom from=${EPOCHREALTIME/[.,]/} pause tags=0 removed=0 kept=0
  local -A away=()
  while read -r at what whom; do
    pause=$((from + 10#${at/./} * 1000 - ${EPOCHREALTIME/[.,]/}))
    [ "$pause" -le 0 ] || sleep "$((pause / 1000000)).$(printf %06d $((pause % 1000000)))"
    running load || { fail "storm: the load goes on"; return; }
    "storm_$what" "$whom"
  done <"$storm/plan"
}

# --- afterwards -------------------------------------------------------------------------------------
storm_passes() { # all is there again
  local name webhook_port answer
  for name in "${storm_names[@]}"; do
    webhook_port=${storm_port[$name]}
    equal "storm: afterwards $name is ready" 200 "$(until_status readyz 200)"
    for _ in $(seq 40); do
      answer=$(review default Pod "$gun:v1")
      [[ $answer = allowed* ]] && break
      sleep 0.25
    done
    equal "storm: and allows the signed image" "allowed $gun:v1@$first" "$answer"
    expect "storm: and not the unsigned one" "denied tag-not-signed" default Pod "$gun:unsigned"
  done
}

storm_verified() {
  local name output status
  for name in "${storm_names[@]}"; do
    end "$name"
    equal "storm: $name ends in order" 0 "$ended"
    status=0
    output=$(timeout 120 "$bin" replay verify "$storm/$name/journal" 2>&1 </dev/null) || status=$?
    equal "storm: its journal replays to the same decisions" 0 "$status"
    say "        $(head -n 1 <<<"$output")"
  done
}

storm_judged() {
  local word rule found name journals=()
  for name in "${storm_names[@]}"; do
    mkdir -p "$storm/judged/$name"
    cp -r "$storm/$name/journal" "$storm/judged/$name/last"
  done
  for name in "$storm"/kept.*; do mv "$name" "$storm/judged/storm_c/"; done
  for name in "${storm_names[@]}"; do journals+=("$name=$storm/judged/$name"); done
  while IFS=$'\t' read -r word rule found; do
    case $word in
      pass) pass "storm: $rule" ;;
      fail) fail "storm: $rule" "$found" "seed: $seed" ;;
      *) say "        $rule" ;;
    esac
  done < <(python3 "$here/storm.py" judge "$storm" "${journals[@]}" ||
    printf 'fail\tthe answers are judged\t\n')
}

storm_scenario() {
  local keys=publisher storm=$work/storm gun=$registry/storm/app freshness=1
  local seed=${PORTREEVE_STORM_SEED:-$RANDOM$RANDOM} front_port gale_port trust_server name
  local -A storm_port=()
  read -r front_port gale_port storm_port[storm_a] storm_port[storm_b] storm_port[storm_c] \
    < <(free_ports 5)
  trust_server=https://localhost:$gale_port
  mkdir -p "$storm/storm_c"
  : >"$storm/away" >"$storm/tags"
  mount -t tmpfs -o size=48m tmpfs "$storm/storm_c" ||
    { fail "a tmpfs can be mounted (it takes root)"; return; }
  say "storm: PORTREEVE_STORM_SEED=$seed PORTREEVE_STORM_SECONDS=$storm_seconds"
  storm_objects
  storm_told
  notary_config gale "$gale_port" "$(remote_signer)"
  start_notary gale "$gale_port"
  storm_front
  sign init "$gun" -p
  sign add "$gun" v1 "$work/v1.manifest" -p
  python3 "$here/storm.py" plan "$seed" "$storm_seconds" >"$storm/plan"
  for name in "${storm_names[@]}"; do
    storm_replica "$name"
    webhook_port=${storm_port[$name]} await_ready "$name"
  done
  python3 "$here/storm.py" load "$storm" >"$work/load.log" 2>&1 </dev/null &
  pids[load]=$!
  storm_rages
  touch "$storm/over"
  wait "${pids[load]}" || fail "storm: the load goes on to its end" "$(tail -n 3 "$work/load.log")"
  unset "pids[load]"
  storm_passes
  storm_verified
  storm_judged
  end front
  end gale
  umount "$storm/storm_c"
}
