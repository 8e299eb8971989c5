#!/usr/bin/env bash
# `portreeve serve` on a disk that fills up: a tmpfs of a few megabytes. What is allowed becomes a denial,
# the replica is not ready, and both pass when there is room again, without a restart. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

disk_policies() {
  mkdir -p "$work/disk-objects"
  cat >"$work/disk-objects/free.yaml" <<YAML
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: free}
spec:
  repositories:
    - name: "$registry/free/*"
YAML
}

until_status() { # path wanted: within ten seconds
  for _ in $(seq 100); do
    [ "$(probe "$1")" = "$2" ] && break
    sleep 0.1
  done
  probe "$1"
}

disk_scenario() {
  local small=$work/small image=$registry/free/tool:v1 answer status=0
  mkdir -p "$small"
  mount -t tmpfs -o size=8m tmpfs "$small" || { fail "a tmpfs can be mounted (it takes root)"; return; }
  disk_policies
  start full "$webhook_port" "$bin" serve --listen "127.0.0.1:$webhook_port" \
    --tls-cert "$work/pki/server.crt" --tls-key "$work/pki/server.key" \
    --objects "$work/disk-objects" --data-dir "$small/data" --drain-delay 0s
  await_ready full
  expect "with room on the disk an image is allowed" "allowed $image" default Pod "$image"
  # Nothing is left but what is in the page that the segment ends in.
  dd if=/dev/zero of="$small/filler" bs=64k >/dev/null 2>&1 || true
  for _ in $(seq 60); do
    answer=$(review default Pod "$image")
    [[ $answer = denied* ]] && break
  done
  holds "on a full disk an allow becomes a denial" "denied journal-unavailable" "$answer"
  equal "on a full disk the replica is not ready" 503 "$(until_status readyz 503)"
  equal "on a full disk the replica lives" 200 "$(probe livez)"
  rm -f "$small/filler"
  equal "with room again the replica is ready without a restart" 200 "$(until_status readyz 200)"
  expect "with room again an image is allowed" "allowed $image" default Pod "$image"
  end full
  equal "SIGTERM ends the server in order, after a full disk" 0 "$ended"
  answer=$(timeout 60 "$bin" replay verify "$small/data" 2>&1 </dev/null) || status=$?
  equal "the journal of a full disk verifies" 0 "$status"
  if grep -qF '"entry":{"Gap"' "$small"/data/journal/segments/*.ndjson; then
    pass "the gap stands in the journal"
  else
    fail "the gap stands in the journal" "$answer"
  fi
  umount "$small"
}
