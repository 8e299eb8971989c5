"""Says of each Pod what a kubelet would: kubelet.py API_FILE. Nothing is run.

A Pod is running and ready as soon as it is there, so that controllers go on with their rollouts; one
with the annotation `e2e/ends` has ended as it says (Failed or Succeeded).
"""

import http.client
import sys
import time

from api import Api

NOW = "%Y-%m-%dT%H:%M:%SZ"


def status(pod):
    ends = (pod["metadata"].get("annotations") or {}).get("e2e/ends")
    phase = ends or "Running"
    if (pod.get("status") or {}).get("phase") == phase or pod["metadata"].get("deletionTimestamp"):
        return None
    ready = {"type": "Ready", "status": "False" if ends else "True"}
    when = time.strftime(NOW, time.gmtime(time.time() - 1))
    return {"status": {"phase": phase, "startTime": when,
                       "conditions": [{**ready, "lastTransitionTime": when}]}}  # fmt: skip


def attend(api, pod):
    told = status(pod)
    if told is None:
        return
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status"
    api.ask("PATCH", path, told, "application/merge-patch+json")


def main(path):
    api = Api(path)
    while True:
        try:
            for event in api.watch("/api/v1/pods"):
                if event["type"] in ("ADDED", "MODIFIED"):
                    attend(api, event["object"])
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            # The API server is restarted by some scenarios.
            print("again:", type(error).__name__, error, flush=True)
            time.sleep(0.2)


main(*sys.argv[1:])
