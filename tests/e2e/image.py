"""Writes a tiny OCI image layout: image.py DIRECTORY TEXT.

One layer, a tar with one file that holds TEXT; the same text gives the same digests.
"""

import hashlib
import io
import json
import pathlib
import sys
import tarfile


def blob(layout, content):
    digest = hashlib.sha256(content).hexdigest()
    path = layout / "blobs" / "sha256" / digest
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def layer(text):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        content = text.encode()
        entry = tarfile.TarInfo("text")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return held.getvalue()


def main(directory, text):
    layout = pathlib.Path(directory)
    kind = "application/vnd.oci.image."
    packed = layer(text)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(packed).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind + "manifest.v1+json",
        "config": {
            "mediaType": kind + "config.v1+json",
            **blob(layout, json.dumps(config).encode()),
        },
        "layers": [{"mediaType": kind + "layer.v1.tar", **blob(layout, packed)}],
    }
    described = {
        "mediaType": kind + "manifest.v1+json",
        **blob(layout, json.dumps(manifest).encode()),
    }
    index = {"schemaVersion": 2, "manifests": [described]}
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps(index))


main(*sys.argv[1:])
