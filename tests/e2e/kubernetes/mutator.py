"""A mutating webhook of somebody else's, called after Portreeve: mutator.py PORT CERTIFICATE KEY

Pods with the label `e2e-mutate` are changed as it says: `label` puts a label on them; `image` puts the
image of the annotation `e2e/first` in the first container's place, once; `twice` does so too, and
puts that of `e2e/then` there when it is called again, because Portreeve changed the Pod again.
"""

import base64
import http.server
import json
import ssl
import sys


def patch(pod):
    meta = pod["metadata"]
    notes = meta.get("annotations") or {}
    how = meta["labels"]["e2e-mutate"]
    again = "seen" in meta["labels"]
    change = [{"op": "add", "path": "/metadata/labels/seen", "value": "yes"}]
    if how == "twice" or (how == "image" and not again):
        image = notes["e2e/then" if again else "e2e/first"]
        change.append({"op": "replace", "path": "/spec/containers/0/image", "value": image})
    return change


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        change = json.dumps(patch(review["request"]["object"])).encode()
        review["response"] = {
            "uid": review.pop("request")["uid"],
            "allowed": True,
            "patchType": "JSONPatch",
            "patch": base64.b64encode(change).decode(),
        }
        content = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main(port, certificate, key):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


main(*sys.argv[1:])
