#!/usr/bin/env bash
# Two hundred Deployments while replicas are killed and rolled, certificates change, the API server is
# restarted and the watch is cut; then every answer is held against the journals. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

journals=() # of every replica that there was

done_by_now() { cut -d ' ' -f 1 "$work/progress" 2>/dev/null || echo 0; }
tried_again() { cut -d ' ' -f 2 "$work/progress" 2>/dev/null || echo 0; }

# The next Deployments are begun with the disturbance, and settled before the next one.
through() { # how many are to be settled by then, disturbance
  local before
  before=$(done_by_now)
  give_leave "$1"
  "$2"
  for _ in $(seq 1200); do
    if [ "$(done_by_now)" -ge "$1" ] || ! running load; then break; fi
    sleep 0.1
  done
  equal "chaos: $2: Deployments were settled meanwhile" $(($1 - before)) $(($(done_by_now) - before))
}

give_leave() { # how many may be begun so far
  echo "$1" >"$work/leave.new"
  mv "$work/leave.new" "$work/leave"
}

nobody_tried_again() { # before, because of what
  local after
  after=$(tried_again)
  if [ "$after" = "$1" ]; then
    pass "chaos: nobody had to try again because of $2"
  else
    fail "chaos: nobody had to try again because of $2" \
      "but $((after - $1)) times, for example:" "$(tail -n 3 "$work/load.err")"
  fi
}

# --- disturbances -----------------------------------------------------------------------------------
undisturbed() { :; }

killed() { # one after the other, so that one is always there; then both
  end_at_once one
  replica one
  end_at_once two
  replica two
  end_at_once one
  end_at_once two
  replica one
  replica two
}

rolled() { # as a Deployment with maxUnavailable 0 is
  local before
  before=$(tried_again)
  replica three
  end one
  equal "chaos: a rolled replica ends in order" 0 "$ended"
  replica four
  end two
  equal "chaos: so does the other" 0 "$ended"
  nobody_tried_again "$before" "a rollout"
}

recertified() { # a new authority and a new certificate, while reviews come in
  local before old
  old=$(openssl x509 -noout -fingerprint -in "$plane/pods/three/root/etc/portreeve/tls/tls.crt")
  before=$(tried_again)
  renewal --renew
  lay three Deployment portreeve
  lay four Deployment portreeve
  becomes "chaos: both replicas serve the new certificate" 40 "2" fresh_certificates "${old#*=}"
  renewal --forget-old
  nobody_tried_again "$before" "new certificates"
}

fresh_certificates() { # fingerprint of the old one: how many replicas serve another
  local name shown count=0
  for name in three four; do
    shown=$(openssl s_client -connect "127.0.0.1:${replica_port[$name]}" </dev/null 2>/dev/null |
      openssl x509 -noout -fingerprint) || continue
    [ "${shown#*=}" = "$1" ] || count=$((count + 1))
  done
  echo "$count"
}

cut_off() { # the replicas' connections to the API server, first for a moment, then for longer
  kill -USR1 "${pids[api_front]}"
  equal "chaos: what was in force stays in force without a watch" "allowed $gun:v1@$first" \
    "$(verdict_on default "$gun:v1")"
  end api_front
  quietly policy ImagePolicy cut own < <(asking_nothing)
  equal "chaos: a change is not seen meanwhile" tag-not-signed "$(verdict_on cut "$gun:unsigned")"
  front api_front "$api_front_port" always "$apiserver_port"
  becomes "chaos: it is as soon as there is a watch again" 40 "allowed $gun:unsigned" \
    verdict_on cut "$gun:unsigned"
}

restarted() {
  end apiserver
  start_apiserver
}

# --- afterwards -------------------------------------------------------------------------------------
check_deployments() {
  local right
  right=$(tail -n 1 "$work/load.log")
  holds "chaos: two hundred Deployments were answered right" "right 200," "$right"
  equal "chaos: and none of them wrong" "" "$(grep '^wrong' "$work/load.log" || true)"
  say "        $right"
  equal "chaos: what is stored is what was signed" "150 $gun:v1@$first" \
    "$(k get deployments --namespace chaos --output \
      'jsonpath={range .items[*]}{.spec.template.spec.containers[0].image}{"\n"}{end}' |
      sort | uniq -c | awk '{ print $1, $2 }')"
  becomes "chaos: each has its Pod, with that image" 60 "150 $gun:v1@$first" stored_pods
  equal "chaos: each has one ReplicaSet" 150 \
    "$(k get replicasets --namespace chaos --output name | wc -l)"
}

stored_pods() {
  k get pods --namespace chaos --output 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}' |
    sort | uniq -c | awk '{ print $1, $2 }'
}

check_journals() {
  local name status output compared uid journal
  for name in one two three four; do
    end "$name"
    journals+=("$(data_of "$name")/journal")
    status=0
    output=$(timeout 120 "$bin" replay verify "$(data_of "$name")/journal" 2>&1 </dev/null) || status=$?
    equal "chaos: the journal of replica $name replays to the same decisions" 0 "$status"
    say "        $(head -n 1 <<<"$output")"
  done
  compared=$(python3 "$here/kubernetes/compare.py" "$plane/audit.log" chaos "${journals[@]}")
  equal "chaos: every answer is in a journal, and decided as it was answered" "" \
    "$(grep -v '^answers \|^allowed \|^refused ' <<<"$compared" | head -n 5)"
  say "        $(grep '^answers' <<<"$compared")"
  for verdict in allowed refused; do
    read -r _ uid journal < <(grep "^$verdict" <<<"$compared")
    output=$(timeout 60 "$bin" explain "$uid" --journal "$journal" 2>&1 </dev/null) || true
    holds "chaos: an answer of then that was $verdict is explained" "$registry/team/web" "$output"
  done
  if grep -rqF -e "$PLANTED" -e "PRIVATE KEY" "$plane"/pods/*/data "$work"/{one,two,three,four}.log; then
    fail "chaos: no secret of a workload and no key is in journals or logs"
  else
    pass "chaos: no secret of a workload and no key is in journals or logs"
  fi
}

chaos_checks() {
  quietly k create namespace chaos
  quietly k create namespace cut
  end one
  replica one
  replica two
  await_front
  give_leave 0
  python3 "$here/kubernetes/chaos.py" "$plane/admin.json" chaos "$work/leave" "$work/progress" \
    "$gun:v1" "$gun:unsigned" "$gun:v1@$first" >"$work/load.log" 2>"$work/load.err" </dev/null &
  pids[load]=$!
  through 20 undisturbed
  through 60 killed
  through 120 rolled
  through 140 recertified
  through 160 cut_off
  through 200 restarted
  wait "${pids[load]}" || true
  unset "pids[load]"
  check_deployments
  check_journals
}
