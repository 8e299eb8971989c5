"""An independent implementation of TUF 1.0 (python-tuf) for `bundle.sh`.

  bundle.py read DIR ROOT.json      loads the bundle in DIR as a client; prints its trust.json
  bundle.py make DIR TRUST.json     makes a bundle in DIR that says what TRUST.json does
  bundle.py serve DIR PORT CRT KEY  serves DIR over https
"""

import functools
import hashlib
import http.server
import pathlib
import ssl
import sys
import tempfile
from datetime import datetime, timedelta, timezone


def read(place, root):
    from tuf.api.exceptions import DownloadHTTPError
    from tuf.ngclient import FetcherInterface, Updater

    class Files(FetcherInterface):
        """Files in the place of a server."""

        def _fetch(self, url):
            path = pathlib.Path(place, url.removeprefix("https://bundle.invalid/"))
            if not path.is_file():
                raise DownloadHTTPError("not there", 404)
            yield path.read_bytes()

    with tempfile.TemporaryDirectory() as cache:
        updater = Updater(
            metadata_dir=cache,
            metadata_base_url="https://bundle.invalid/metadata/",
            target_base_url="https://bundle.invalid/targets/",
            target_dir=cache,
            fetcher=Files(),
            bootstrap=pathlib.Path(root).read_bytes(),
        )
        updater.refresh()
        info = updater.get_targetinfo("trust.json")
        sys.stdout.write(pathlib.Path(updater.download_target(info)).read_text())


def make(place, says):
    from securesystemslib.signer import CryptoSigner
    from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
    from tuf.api.serialization.json import JSONSerializer

    expires = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
    signers = {role: CryptoSigner.generate_ed25519() for role in ("root", "targets")}
    signers["snapshot"] = signers["timestamp"] = CryptoSigner.generate_ecdsa()
    root = Root(expires=expires, consistent_snapshot=True)
    for role, signer in signers.items():
        root.add_key(signer.public_key, role)
    metadata, targets = pathlib.Path(place, "metadata"), pathlib.Path(place, "targets")
    metadata.mkdir(parents=True)
    targets.mkdir()
    text = pathlib.Path(says).read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    (targets / f"{digest}.trust.json").write_bytes(text)
    said = Targets(expires=expires, version=5)
    said.targets["trust.json"] = TargetFile.from_data("trust.json", text, ["sha256"])
    snapshot = Snapshot(expires=expires, version=6, meta={"targets.json": MetaFile(5)})
    timestamp = Timestamp(expires=expires, version=7, snapshot_meta=MetaFile(6))
    for name, signed in (
        ("1.root.json", root),
        ("5.targets.json", said),
        ("6.snapshot.json", snapshot),
        ("timestamp.json", timestamp),
    ):
        whole = Metadata(signed)
        whole.sign(signers[signed.type])
        (metadata / name).write_bytes(whole.to_bytes(JSONSerializer(compact=False)))
    pathlib.Path(place, "root.json").write_bytes((metadata / "1.root.json").read_bytes())


def serve(place, port, certificate, key):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=place)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    {"read": read, "make": make, "serve": serve}[sys.argv[1]](*sys.argv[2:])
