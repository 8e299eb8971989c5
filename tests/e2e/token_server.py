"""A token server as docker's registries use one (distribution, docs/spec/auth): token_server.py CONFIG

CONFIG is a JSON file: port, certificate, key (TLS), signer (key that signs tokens), issuer, log, issued
(where every token it gives is written), users {name: {password, actions}} and identities {identity
token: user}. Anybody may pull what has `public` in its path. The log has one line of JSON for each
request: who asked, for what, and what came of it; never a password.
"""

import base64
import hashlib
import http.server
import json
import pathlib
import socketserver
import ssl
import subprocess
import sys
import time
import urllib.parse

CONFIG = json.loads(pathlib.Path(sys.argv[1]).read_text())
LIFETIME = 300


def openssl(*words, given=b""):
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout


def encoded(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def key_name():
    """libtrust's name of the key: 30 bytes of the hash of the public key, in groups of four."""
    public = openssl("pkey", "-in", CONFIG["signer"], "-pubout", "-outform", "DER")
    letters = base64.b32encode(hashlib.sha256(public).digest()[:30]).decode()
    return ":".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def plain_signature(der):
    """Both numbers of an ECDSA signature at their full length, which is how JWTs carry them."""
    numbers, at = b"", 2
    for _ in range(2):
        length = der[at + 1]
        numbers += der[at + 2 : at + 2 + length].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + length
    return numbers


KEY_NAME = key_name()


def token(claims):
    header = {"typ": "JWT", "alg": "ES256", "kid": KEY_NAME}
    text = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    signature = openssl("dgst", "-sha256", "-sign", CONFIG["signer"], given=text.encode())
    return f"{text}.{encoded(plain_signature(signature))}"


def granted(scopes, user):
    """What of the scopes this user has; nobody has what is not asked for."""
    access = []
    for scope in scopes:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        mine = set(CONFIG["users"][user]["actions"] if user else ())
        if "/public/" in name:
            mine.add("pull")
        allowed = [action for action in actions.split(",") if action in mine]
        if allowed:
            access.append({"type": kind, "name": name, "actions": allowed})
    return access


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20

    def log_message(self, *_):
        pass

    def answer(self, status, user, scopes, body):
        told = {"method": self.command, "scopes": scopes, "status": status, "user": user}
        with open(CONFIG["log"], "a", encoding="utf-8") as log:
            log.write(json.dumps(told) + "\n")
        content = json.dumps(body).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="end to end"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def grant(self, user, scopes, service):
        now = int(time.time())
        access = granted(scopes, user)
        about = {"iss": CONFIG["issuer"], "sub": user or "", "aud": service, "jti": str(time.time_ns())}
        times = {"exp": now + LIFETIME, "nbf": now - 10, "iat": now}
        given = token({**about, **times, "access": access})
        with open(CONFIG["issued"], "a", encoding="utf-8") as issued:
            issued.write(given + "\n")
        issued_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        both = {"token": given, "access_token": given}
        self.answer(200, user, scopes, {**both, "expires_in": LIFETIME, "issued_at": issued_at})

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        scopes = [one for scope in query.get("scope", []) for one in scope.split(" ")]
        user, kind = None, (self.headers.get("Authorization") or "").partition(" ")
        if kind[0]:
            try:
                user, _, password = base64.b64decode(kind[2]).decode().partition(":")
            except ValueError:
                user, password = "", ""
            known = CONFIG["users"].get(user, {}).get("password")
            if kind[0] != "Basic" or known is None or known != password:
                return self.answer(401, user, scopes, {"errors": [{"code": "UNAUTHORIZED"}]})
        return self.grant(user, scopes, query.get("service", [""])[0])

    def do_POST(self):
        length = min(int(self.headers.get("Content-Length") or 0), 65536)
        form = urllib.parse.parse_qs(self.rfile.read(length).decode())
        scopes = [one for scope in form.get("scope", []) for one in scope.split(" ")]
        user = CONFIG["identities"].get(form.get("refresh_token", [""])[0])
        if form.get("grant_type") != ["refresh_token"] or user is None:
            return self.answer(401, None, scopes, {"error": "invalid_grant"})
        return self.grant(user, scopes, form.get("service", [""])[0])


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", CONFIG["port"]), Handler)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(CONFIG["certificate"], CONFIG["key"])
server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
