"""Prints a workload as JSON: workload.py KIND NAMESPACE NAME IMAGE [WORD=VALUE]...

replicas=N, init=IMAGE, partition=N, schedule=CRON, ends=PHASE (see kubelet.py), account=NAME, secret=NAME
(to pull with), owner=API/VERSION,KIND,NAME,UID, note.KEY=TEXT and label.KEY=TEXT (of the workload itself).
Its environment, arguments and template hold the planted text, which nobody may write down.
"""

import json
import os
import sys

APPS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")
GROUPS = {"Pod": "v1", "ReplicationController": "v1", "Job": "batch/v1", "CronJob": "batch/v1beta1"}
PLANTED = os.environ.get("PLANTED", "nothing planted")


def pod_spec(kind, image, words):
    planted = {"env": [{"name": "TOKEN", "value": PLANTED}], "args": ["--token", PLANTED]}
    spec = {"containers": [{"name": "app", "image": image, **planted}]}
    if "init" in words:
        spec["initContainers"] = [{"name": "init", "image": words["init"], **planted}]
    if "account" in words:
        spec["serviceAccountName"] = words["account"]
    if "secret" in words:
        spec["imagePullSecrets"] = [{"name": words["secret"]}]
    if kind in ("Job", "CronJob"):
        spec["restartPolicy"] = "Never"
    return spec


def outer(kind, name, spec, words):
    """The spec of the workload around the spec of its Pods."""
    labels = {"app": name}
    notes = {"note": PLANTED}
    if "ends" in words:
        notes["e2e/ends"] = words["ends"]
    template = {"metadata": {"labels": labels, "annotations": notes}, "spec": spec}
    if kind == "Pod":
        return spec
    if kind == "Job":
        return {"template": template, "backoffLimit": 6}
    if kind == "CronJob":
        schedule = words.get("schedule", "0 0 1 1 *")
        return {"schedule": schedule, "jobTemplate": {"spec": outer("Job", name, spec, words)}}
    selector = labels if kind == "ReplicationController" else {"matchLabels": labels}
    told = {"selector": selector, "template": template}
    if kind == "StatefulSet":
        told["serviceName"] = name
    if kind != "DaemonSet":
        told["replicas"] = int(words.get("replicas", 1))
    if "partition" in words:
        told["updateStrategy"] = {"rollingUpdate": {"partition": int(words["partition"])}}
    return told


def main(kind, namespace, name, image, *rest):
    words = dict(word.split("=", 1) for word in rest)
    meta = {"name": name, "namespace": namespace, "labels": {"app": name}}
    for word, text in words.items():
        what, _, key = word.partition(".")
        if what == "note":
            meta.setdefault("annotations", {})[key] = text
        elif what == "label":
            meta["labels"][key] = text
    if "owner" in words:
        version, owner, owner_name, uid = words["owner"].split(",")
        meta["ownerReferences"] = [{"apiVersion": version, "kind": owner, "name": owner_name,
                                    "uid": uid, "controller": True}]  # fmt: skip
    version = "apps/v1" if kind in APPS else GROUPS[kind]
    spec = outer(kind, name, pod_spec(kind, image, words), words)
    json.dump({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}, sys.stdout)


main(*sys.argv[1:])
