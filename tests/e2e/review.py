"""Sends an AdmissionReview as the API server does: review.py URL CA NAMESPACE KIND IMAGE...

The pod lists the Secret REVIEW_PULL_SECRET and runs as REVIEW_ACCOUNT, where these are set.

Prints "allowed IMAGE..." with the images as patched, or "denied CODE MESSAGE". The patch is applied
here by its own few lines, so that what is printed is what would run.
"""

import base64
import json
import os
import ssl
import sys
import urllib.request
import uuid

PLANTED = os.environ.get("PLANTED", "nothing planted")
PULL_SECRET = os.environ.get("REVIEW_PULL_SECRET")
ACCOUNT = os.environ.get("REVIEW_ACCOUNT")
GROUPS = {"Pod": ("", "v1", "pods"), "Deployment": ("apps", "v1", "deployments")}


def workload(kind, namespace, images):
    # What no message, record or log line may ever hold, where workloads do hold it.
    planted = {"env": [{"name": "TOKEN", "value": PLANTED}], "args": ["--token", PLANTED]}
    containers = [
        {"name": f"c{index}", "image": image, **planted} for index, image in enumerate(images)
    ]
    spec = {"containers": containers}
    if PULL_SECRET:
        spec["imagePullSecrets"] = [{"name": PULL_SECRET}]
    if ACCOUNT:
        spec["serviceAccountName"] = ACCOUNT
    meta = {"name": "e2e", "namespace": namespace, "annotations": {"note": PLANTED}}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": spec}, spec
    labels = {"app": "e2e"}
    template = {"metadata": {"labels": labels}, "spec": spec}
    outer = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": outer}, spec


def question(kind, namespace, thing):
    group, version, resource = GROUPS[kind]
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": os.environ.get("REVIEW_UID") or str(uuid.uuid4()),
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": resource},
            "name": "e2e",
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:default:e2e"},
            "object": thing,
            "oldObject": None,
            "dryRun": False,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
        },
    }


def apply(thing, operations):
    """Applies `replace` operations; anything else is no pin and is an error."""
    for operation in operations:
        if operation["op"] == "test":
            continue
        if operation["op"] != "replace":
            raise SystemExit(f"denied patch with {operation['op']}")
        *way, last = [part for part in operation["path"].split("/") if part]
        place = thing
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[last] = operation["value"]


def main(url, ca, namespace, kind, *images):
    thing, spec = workload(kind, namespace, images)
    sent = question(kind, namespace, thing)
    request = urllib.request.Request(
        url + "?timeout=10s",
        json.dumps(sent).encode(),
        {"Content-Type": "application/json", "Accept": "application/json"},
    )
    trusted = ssl.create_default_context(cafile=ca)
    with urllib.request.urlopen(request, timeout=15, context=trusted) as got:
        answer = json.load(got)["response"]
    if answer["uid"] != sent["request"]["uid"]:
        raise SystemExit("another review was answered")
    if answer["allowed"]:
        if "patch" in answer:
            apply(thing, json.loads(base64.b64decode(answer["patch"])))
        print("allowed", *(container["image"] for container in spec["containers"]))
        return
    audit = answer.get("auditAnnotations") or {}
    status = answer.get("status") or {}
    # The first denial's code, with its container if it has one: "c0=tag-not-signed, c1=...".
    code = (audit.get("codes") or audit.get("code") or "?").split(", ")[0].split("=")[-1]
    print("denied", code, " ".join(status.get("message", "").split()))


if __name__ == "__main__":
    main(*sys.argv[1:])
