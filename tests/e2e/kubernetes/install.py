"""Splits what the chart renders, for a machine without a cluster network: install.py LIST DIRECTORY URL CA

LIST is the rendered chart as a JSON List. In DIRECTORY are written: `first.json` (namespaces, CRDs),
`objects.json` (the rest but the webhooks), `webhooks.json` (the webhook configurations, with URL in place of
the service and the CA's certificate), and `config.yaml` (the replicas' configuration).
"""

import base64
import json
import pathlib
import sys

FIRST = ("Namespace", "CustomResourceDefinition")


def on_loopback(configuration, url, bundle):
    for webhook in configuration["webhooks"]:
        client = webhook["clientConfig"]
        path = client.pop("service")["path"]
        client["url"], client["caBundle"] = url + path, bundle
    return configuration


def main(rendered, directory, url, ca):
    objects = json.loads(pathlib.Path(rendered).read_text())["items"]
    bundle = base64.b64encode(pathlib.Path(ca).read_bytes()).decode()
    parts = {"first": [], "objects": [], "webhooks": []}
    for one in objects:
        kind = one["kind"]
        if kind.endswith("WebhookConfiguration"):
            parts["webhooks"].append(on_loopback(one, url, bundle))
        else:
            parts["first" if kind in FIRST else "objects"].append(one)
    for name, items in parts.items():
        place = pathlib.Path(directory, f"{name}.json")
        place.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


main(*sys.argv[1:])
