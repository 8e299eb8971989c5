#!/usr/bin/env bash
# What enters the cluster and what does not: every kind, init and ephemeral containers, dry runs, what
# controllers make, and what other webhooks change afterwards. Sourced by `run`.
# shellcheck disable=SC2154 # the variables are set in `run`

# --- a signed Deployment, and what its controllers make of it ---------------------------------------
check_signed_deployment() {
  local before
  succeeds "a signed Deployment is admitted" create Deployment shop web "$gun:v1" replicas=2
  equal "its image is pinned to the signed digest" "$gun:v1@$first" "$(image deployment shop web)"
  holds "it carries a seal" "v1." "$(seal deployment shop web)"
  holds "its controllers go on with it" "successfully rolled out" "$(rolled_out deployment/web shop)"
  equal "its Pods run the signed digest" "$gun:v1@$first" "$(pod_images shop web)"
  equal "it has one ReplicaSet" 1 "$(replica_sets shop web)"
  equal "nothing but its creation made a generation" 1 \
    "$(field .metadata.generation deployment shop web)"
  before=$(notary_requests)
  equal "Notary was asked about the Deployment" yes "$([ "$before" -gt 0 ] && echo yes)"
  succeeds "it is scaled" k scale --namespace shop --replicas 5 deployment/web
  quietly rolled_out deployment/web shop
  equal "five Pods are there" 5 "$(pods shop web | wc -l)"
  equal "for three more Pods no trust server was asked: the seal is enough" "$before" \
    "$(notary_requests)"
  succeeds "it is rolled out anew" k rollout restart --namespace shop deployment/web
  holds "in another ReplicaSet" "successfully rolled out" "$(rolled_out deployment/web shop)"
  equal "for that, too, no trust server was asked" "$before" "$(notary_requests)"
}

# The replica loses all it has, Notary does not answer, and nothing counts as fresh.
check_seal_alone() {
  succeeds "a Deployment without replicas is verified all the same" \
    create Deployment shop idle "$gun:v1" replicas=0
  equal "and pinned" "$gun:v1@$first" "$(image deployment shop idle)"
  end one
  rm -rf "$(data_of one)"
  notary_down
  replica one
  await_front
  succeeds "with Notary down it is scaled from zero" k scale --namespace shop --replicas 2 deployment/idle
  holds "its Pods are admitted by the seal" "successfully rolled out" \
    "$(rolled_out deployment/idle shop)"
  equal "with the digest that was signed" "$gun:v1@$first" "$(pod_images shop idle)"
  delete_pods shop web
  holds "Pods that were deleted come back by the seal" "successfully rolled out" \
    "$(rolled_out deployment/web shop)"
  equal "all of them with the signed digest" "$gun:v1@$first" "$(pod_images shop web)"
  refused "a Pod without an owner is not admitted" trust-server-unreachable \
    create Pod shop lonely "$gun:v1"
  holds "the refusal names the trust server" "localhost:$cluster_notary_port" "$told"
  succeeds "an update that leaves the images as they are needs no trust server" \
    k label --namespace shop deployment/web touched=yes
  equal "and makes no rollout" "$gun:v1@$first 2" \
    "$(image deployment shop web) $(replica_sets shop web)"
  succeeds "a deletion needs none either" k delete --namespace shop deployment/idle
  notary_up
}

# --- what is refused --------------------------------------------------------------------------------
check_refusals() {
  local kind name
  refused "an unsigned Deployment is refused" tag-not-signed \
    create Deployment shop unsigned "$gun:unsigned"
  say "        what kubectl prints:"
  fold -s -w 92 <<<"$told" | sed 's/^/        | /'
  holds "the message names the container, the image and the policy" \
    "container \`app\`, image \`$gun:unsigned\`" "$told"
  holds "and says what to do" "Sign this tag" "$told"
  lacks "nothing is stored" unsigned "$(k get deployments --namespace shop --output name)"
  refused "an unsigned init container refuses the workload" "container \`init\`" \
    create Deployment shop init "$gun:v1" "init=$gun:unsigned"
  refused "another digest than the signed one is refused" digest-mismatch \
    create Pod shop other "$gun:v1@$second"
  refused "an image without a policy is refused" no-policy create Pod shop stranger elsewhere.example/x:1
  for kind in Pod ReplicationController ReplicaSet StatefulSet DaemonSet Job CronJob; do
    name=$(tr '[:upper:]' '[:lower:]' <<<"$kind")
    refused "an unsigned $kind is refused" tag-not-signed create "$kind" shop "$name" "$gun:unsigned"
    succeeds "a signed $kind is admitted" create "$kind" shop "$name" "$gun:v1"
    equal "a signed $kind is pinned" "$gun:v1@$first" "$(image "$name" shop "$name")"
  done
}

check_dry_run() {
  local before
  before=$(k get events --namespace shop --output name | wc -l)
  succeeds "a dry run is decided" try Deployment shop dry "$gun:v1"
  holds "it shows the pinned image" "$gun:v1@$first" "$told"
  refused "an unsigned dry run is refused" tag-not-signed try Deployment shop dry "$gun:unsigned"
  lacks "nothing is stored by dry runs" dry "$(k get deployments --namespace shop --output name)"
  lacks "no Event is told of a dry run" "Deployment/dry" "$(k get events --namespace shop \
    --output 'jsonpath={range .items[*]}{.involvedObject.kind}/{.involvedObject.name}{"\n"}{end}')"
}

# --- CronJob, Job, Pod ------------------------------------------------------------------------------
check_cron_job() {
  local job
  succeeds "a CronJob is admitted" create CronJob shop nightly "$gun:v1" schedule="* * * * *"
  equal "and pinned" "$gun:v1@$first" "$(image cronjob shop nightly)"
  # As if it had run the last time two minutes ago, so that the controller need not wait for the clock.
  k get cronjob --namespace shop nightly --output json |
    python3 -c 'import datetime, json, sys
cron = json.load(sys.stdin)
then = datetime.datetime.utcnow() - datetime.timedelta(minutes=2)
cron["status"] = {"lastScheduleTime": then.strftime("%Y-%m-%dT%H:%M:%SZ")}
json.dump(cron, sys.stdout)' |
    quietly k replace --raw /apis/batch/v1beta1/namespaces/shop/cronjobs/nightly/status -f -
  notary_down
  becomes "with Notary down its controller makes a Job, and that a Pod" 40 "$gun:v1@$first" \
    pod_images shop nightly
  notary_up
  job=$(k get jobs --namespace shop --selector app=nightly --output name | head -n 1)
  quietly k patch cronjob --namespace shop nightly --patch '{"spec": {"suspend": true}}'
  holds "the Job has a seal of its own" "v1." "$(seal job shop "${job#*/}")"
}

# --- ephemeral containers ---------------------------------------------------------------------------
debug() { k debug --namespace shop web-pod --image "$1" --container "$2" --quiet --attach=false; }

check_ephemeral() {
  quietly create Pod shop web-pod "$gun:v1"
  refused "an unsigned ephemeral container is refused" tag-not-signed debug "$gun:unsigned" bad
  succeeds "a signed ephemeral container is admitted" debug "$gun:v1" good
  equal "and pinned" "$gun:v1@$first" "$(field '.spec.ephemeralContainers[0].image' pod shop web-pod)"
}

# --- a webhook that changes images after Portreeve --------------------------------------------------
mutator() {
  start mutator "$mutator_port" python3 "$here/kubernetes/mutator.py" "$mutator_port" \
    "$work/pki/server.crt" "$work/pki/server.key"
  k apply -f - >>"$work/kubectl.log" <<YAML
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: zz-after-portreeve}
webhooks:
  - name: after.example.com
    admissionReviewVersions: [v1]
    sideEffects: None
    reinvocationPolicy: IfNeeded
    objectSelector: {matchExpressions: [{key: e2e-mutate, operator: Exists}]}
    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
    clientConfig: {url: "https://localhost:$mutator_port/", caBundle: $(base64 -w 0 "$work/pki/ca.crt")}
YAML
}

check_later_webhooks() {
  local mutating=/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations
  mutator
  succeeds "a later webhook may change what is no image" \
    create Pod shop relabelled "$gun:v1" label.e2e-mutate=label
  equal "and did" "yes $gun:v1@$first" \
    "$(field .metadata.labels.seen pod shop relabelled) $(image pod shop relabelled)"
  succeeds "a later webhook may put another signed image" \
    create Pod shop swapped "$gun:v1" label.e2e-mutate=image "note.e2e/first=$gun:v2"
  equal "which is pinned, because Portreeve is asked again" "$gun:v2@$second" "$(image pod shop swapped)"
  refused "a later webhook may not put an unsigned image" tag-not-signed \
    create Pod shop swapped-badly "$gun:v1" label.e2e-mutate=image "note.e2e/first=$gun:unsigned"
  holds "that is refused when Portreeve is asked again" '"admit.' "$told"
  refused "nor after Portreeve was asked for the last time" tag-not-signed \
    create Pod shop swapped-late "$gun:v1" label.e2e-mutate=twice "note.e2e/first=$gun:v2" \
    "note.e2e/then=$gun:unsigned"
  holds "that is refused by /validate" '"validate.' "$told"
  end mutator
  api "$mutating/zz-after-portreeve" -X DELETE >/dev/null
}

# Whoever can reach the webhook, but is not the API server.
check_stranger() {
  local review_ca=$work/webhook-ca.crt webhook_port=${replica_port[one]}
  k get secret --namespace portreeve portreeve-certs --output 'jsonpath={.data.ca\.crt}' |
    base64 -d >"$review_ca"
  expect "who has no certificate of the API server's CA is refused" \
    "denied client-unauthenticated" shop Pod "$gun:v1"
}

admission_checks() {
  quietly k create namespace shop
  check_signed_deployment
  check_seal_alone
  check_refusals
  check_stranger
  check_dry_run
  check_cron_job
  check_ephemeral
  check_later_webhooks
}
