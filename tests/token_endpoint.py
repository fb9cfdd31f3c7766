"""An OAuth 2 authorisation server for the tests: client credentials in, a signed JWT out.

with TokenEndpoint(tmp_path, certificate) as tokens:
    tokens.clients["guard"] = OAuthClient("secret", subject="guard")
"""

from __future__ import annotations

import json
import ssl
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.certificates import Certificate

ISSUER = "https://issuer.test"
AUDIENCE = "kafka"
_KEY_ID = "k1"


@dataclass
class OAuthClient:
    """Who may ask, and what the tokens say. `seconds` is how long a token lives."""

    secret: str
    subject: str
    audience: str = AUDIENCE
    seconds: int = 3600
    issued: int = 0
    """Tokens given so far."""


class TokenEndpoint:
    """Serves `url`, over TLS where there is a certificate; `jwks` is the file that a broker checks its tokens with."""

    def __init__(self, folder: Path, certificate: Certificate | None = None) -> None:
        """Makes the signing key. Serves once entered."""
        self._key = rsa.generate_private_key(65537, 2048)
        self.clients: dict[str, OAuthClient] = {}
        self.up = True
        """Whether it answers; else it says 503."""
        self.jwks = folder / "jwks.json"
        numbers = self._key.public_key().public_numbers()
        own = {
            "kty": "RSA",
            "kid": _KEY_ID,
            "use": "sig",
            "alg": "RS256",
            "n": _number(numbers.n),
            "e": _number(numbers.e),
        }
        self.jwks.write_text(json.dumps({"keys": [own]}), encoding="utf-8")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _answers_of(self))
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.pem, certificate.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}/token"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        """Serves."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, credentials: str | None) -> tuple[int, Mapping[str, Any]]:
        """Status and body for an `Authorization` header."""
        kind, _, encoded = (credentials or "").partition(" ")
        name, _, secret = b64decode(encoded).decode().partition(":") if kind == "Basic" else ("", "", "")
        client = self.clients.get(name)
        if not self.up:
            return 503, {"error": "temporarily_unavailable"}
        if client is None or client.secret != secret:
            return 401, {"error": "invalid_client", "error_description": "wrong client id or secret"}
        client.issued += 1
        return 200, {"access_token": self._token(client), "token_type": "Bearer", "expires_in": client.seconds}

    def _token(self, client: OAuthClient) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": client.subject, "aud": client.audience, "iat": now, "exp": now + client.seconds,
                  "scope": "kafka"}  # fmt: skip
        signed = ".".join(
            _base64(json.dumps(p).encode()) for p in ({"alg": "RS256", "kid": _KEY_ID, "typ": "JWT"}, claims)
        )
        return f"{signed}.{_base64(self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


def _answers_of(endpoint: TokenEndpoint) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = endpoint.answer(self.headers.get("Authorization"))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: stderr is the test's."""

    return Answers


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8))


def _base64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
