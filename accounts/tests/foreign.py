"""Another issuer, over the wire: metadata, keys and signed tokens, as Keycloak, Auth0 and Entra give them."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "savannah-api"


class ForeignIssuer:
    """A small issuer on a port of its own; it can be made silent, and its keys can change."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.silent = threading.Event()
        self.metadata: dict = {}
        # What it answers to the code of a sign-in.
        self.token_answer: dict = {}
        self.userinfo: dict = {}
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate("key-1")
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def do_GET(self):
                issuer.asked.append(self.path)
                if issuer.silent.is_set():
                    while issuer.silent.is_set():
                        time.sleep(0.02)
                    return
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("Location", "/keys")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                documents = {
                    "/.well-known/openid-configuration": issuer.metadata,
                    "/keys": issuer.jwks(),
                    "/endless": {**issuer.jwks(), "more": "x" * 300_000},
                    "/token": issuer.token_answer,
                    "/userinfo": issuer.userinfo,
                }
                body = json.dumps(documents.get(self.path, {})).encode()
                self.send_response(200 if self.path in documents else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.metadata = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.silent.clear()
        self._server.shutdown()
        self._server.server_close()

    def rotate(self, key_id: str) -> None:
        self.keys = {key_id: rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def jwks(self) -> dict:
        algorithm = jwt.get_algorithm_by_name("RS256")
        keys = [
            {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}
            for key_id, key in self.keys.items()
        ]
        return {
            "keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}, {**keys[0], "use": "enc", "kid": "e"}, *keys]
        }

    def claims(self, **changes) -> dict:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "4711",
            "iat": now,
            "exp": now + 300,
            "azp": "till",
            "preferred_username": "wanjiru",
            "given_name": "Wanjiru",
            "email": "wanjiru@example.com",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, *, key=None, algorithm="RS256", headers=None, **changes) -> str:
        ((key_id, own_key),) = self.keys.items()
        headers = {"kid": key_id, **(headers or {})}
        return jwt.encode(self.claims(**changes), key or own_key, algorithm, headers)
