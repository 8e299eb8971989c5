"""Lays out a Pod's files as the kubelet would: pod.py API_FILE NAMESPACE KIND NAME DIRECTORY POD CA HOST PORT

KIND is a Deployment or a Job of the chart; DIRECTORY/root becomes the root of its first container, which
holds nothing but its volumes and the service account's token, DIRECTORY/data what it may write.
Secrets and ConfigMaps are read from the API server, and swapped by a link when this is run again. In
DIRECTORY are written: `args` and `env` (one a line), `user` and `data-path`.
"""

import base64
import json
import os
import pathlib
import shutil
import sys
import time

from api import Api

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
PATHS = {"Deployment": "/apis/apps/v1/namespaces/{}/deployments/{}",
         "Job": "/apis/batch/v1/namespaces/{}/jobs/{}",
         "CronJob": "/apis/batch/v1beta1/namespaces/{}/cronjobs/{}"}  # fmt: skip


class Pod:
    def __init__(self, api, namespace, kind, name, directory):
        self.api, self.namespace = api, namespace
        self.directory = pathlib.Path(directory)
        self.root = self.directory / "root"
        thing = self.get(PATHS[kind].format(namespace, name))["spec"]
        if kind == "CronJob":
            thing = thing["jobTemplate"]["spec"]
        self.spec = thing["template"]["spec"]
        self.container = self.spec["containers"][0]
        security = self.spec["securityContext"]
        self.user, self.group = security["runAsUser"], security["runAsGroup"]

    def get(self, path):
        status, told = self.api.ask("GET", path)
        if status != 200:
            raise SystemExit(f"{path}: {status} {told.get('message')}")
        return told

    def place(self, path):
        return self.root / path.lstrip("/")

    def swap(self, place, files, mode):
        """The files in a directory that is reached by a link, as the kubelet's atomic writer does."""
        place.mkdir(parents=True, exist_ok=True)
        fresh = place / f"..{time.time_ns()}"
        fresh.mkdir()
        for name, content in files.items():
            path = fresh / name
            path.write_bytes(content)
            os.chown(path, 0, self.group)
            path.chmod(mode)
            if not (place / name).is_symlink():
                (place / name).symlink_to(f"..data/{name}")
        link = place / "..data"
        old = link.resolve() if link.is_symlink() else None
        (place / "..new").symlink_to(fresh.name)
        (place / "..new").rename(link)
        if old:
            shutil.rmtree(old)

    def projected(self, volume):
        """The files of a Secret or ConfigMap, as its items ask for them."""
        if "secret" in volume:
            told = volume["secret"]
            path = f"/api/v1/namespaces/{self.namespace}/secrets/{told['secretName']}"
            held = self.get(path).get("data", {})
            held = {key: base64.b64decode(text) for key, text in held.items()}
        else:
            told = volume["configMap"]
            path = f"/api/v1/namespaces/{self.namespace}/configmaps/{told['name']}"
            held = {key: text.encode() for key, text in self.get(path).get("data", {}).items()}
        items = told.get("items") or [{"key": key, "path": key} for key in held]
        return {item["path"]: held[item["key"]] for item in items}, told.get("defaultMode", 0o644)

    def volumes(self):
        volumes = {volume["name"]: volume for volume in self.spec.get("volumes", [])}
        for mount in self.container.get("volumeMounts", []):
            volume, place = volumes[mount["name"]], self.place(mount["mountPath"])
            if "emptyDir" in volume:
                place.mkdir(parents=True, exist_ok=True)
                data = self.directory / "data"
                data.mkdir(exist_ok=True)
                os.chown(data, self.user, self.group)
                (self.directory / "data-path").write_text(mount["mountPath"])
            else:
                self.swap(place, *self.projected(volume))

    def account(self, ca):
        name = self.spec["serviceAccountName"]
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{name}/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        status, told = self.api.ask("POST", path, asked)
        if status != 201:
            raise SystemExit(f"{path}: {status} {told.get('message')}")
        files = {
            "token": told["status"]["token"].encode(),
            "ca.crt": pathlib.Path(ca).read_bytes(),
            "namespace": self.namespace.encode(),
        }
        self.swap(self.place(ACCOUNT), files, 0o640)

    def words(self, pod, host, port):
        env = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        fields = {"metadata.name": pod, "metadata.namespace": self.namespace}
        for one in self.container.get("env", []):
            field = one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            env[one["name"]] = fields[field] if field else one["value"]
        lines = {"args": self.container.get("command", []) + self.container.get("args", [])}
        lines["env"] = [f"{name}={value}" for name, value in env.items()]
        lines["user"] = [f"{self.user}:{self.group}"]
        for name, told in lines.items():
            (self.directory / name).write_text("".join(f"{line}\n" for line in told))


def main(api, namespace, kind, name, directory, pod, ca, host, port):
    laid = Pod(Api(api), namespace, kind, name, directory)
    laid.place("/etc").mkdir(parents=True, exist_ok=True)
    laid.place("/etc/hosts").write_text("127.0.0.1 localhost\n")
    laid.volumes()
    laid.account(ca)
    laid.words(pod, host, port)


main(*sys.argv[1:])
