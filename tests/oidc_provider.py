"""A provider of OpenID Connect for tests: a process on loopback, built on the server side of authlib, with RSA keys.

It is not a product: whoever names one of its people is logged in, without a password. `POST /control` says who its
people are and how it misbehaves; see `Provider.control`. `python -m tests.oidc_provider` prints its address.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

ROOT = Path(__file__).resolve().parents[1]
CLIENT_ID, CLIENT_SECRET = "the-lab", "a secret: with / signs % that +matter"


class Provider:
    """The provider, for whoever started it."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def control(self, **settings: Any) -> dict[str, Any]:
        """Say how it is from now on; what is not named is as it should be.

        Args:
            people: name → claims of somebody who can log in.
            claims: of the next ID tokens, instead of the right ones; None leaves a claim out.
            userinfo: claims that are told at the userinfo endpoint alone.
            alg: of the signature: RS256, HS256 (with the client's secret), none.
            forge: sign with a key that is not published, under the kid of one that is.
            rotate: sign with a new key from now on, and publish it and no other.
            discovery: of the discovery document, instead of the right ones.
            answer: of the answer to the browser, beside code and state.
            status: answer everything with this status.
        """
        answer = requests.post(f"{self.issuer}/control", json=settings, timeout=10)
        assert answer.status_code == 200, answer.text
        value: dict[str, Any] = answer.json()
        return value

    def log_in(self, address: str, person: str) -> str:
        """Log in where the lab sent the browser to; return where the provider sends it to then."""
        page = requests.get(address, timeout=10)
        assert page.status_code == 200 and "Who are you?" in page.text, page.text
        answer = requests.post(address, data={"person": person}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    @property
    def asked(self) -> list[str]:
        """Return the paths that were requested since the last `control`."""
        value: list[str] = requests.get(f"{self.issuer}/asked", timeout=10).json()
        return value


@contextlib.contextmanager
def running_provider() -> Iterator[Provider]:
    env = {**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"}  # on loopback
    command = [sys.executable, "-m", "tests.oidc_provider"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env, cwd=ROOT, text=True)
    try:
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer, "the provider did not start"
        yield Provider(issuer)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


# The process


@dataclass
class State:
    issuer: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)  # access token → person
    asked: list[str] = field(default_factory=list)


STATE = State()


def _make_key() -> Any:
    from joserfc.jwk import RSAKey

    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": secrets.token_hex(4)}, private=True)


def _server() -> Any:
    from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request
    from authlib.oauth2.rfc6749 import grants as plain
    from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
    from authlib.oauth2.rfc7636 import CodeChallenge
    from authlib.oidc.core import AuthorizationCodeMixin
    from authlib.oidc.core.grants import OpenIDCode
    from joserfc import jwt
    from joserfc.jwk import OctKey, RSAKey

    class Client:
        client_id = CLIENT_ID

        def get_client_id(self) -> str:
            return CLIENT_ID

        def get_default_redirect_uri(self) -> None:
            return None

        def get_allowed_scope(self, scope: str) -> str:
            return scope

        def check_redirect_uri(self, uri: str) -> bool:
            return urlsplit(uri).path.endswith("/api/v1/sso/callback")

        def check_client_secret(self, secret: str) -> bool:
            return secrets.compare_digest(secret, CLIENT_SECRET)

        def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
            return method == "client_secret_basic"

        def check_response_type(self, response_type: str) -> bool:
            return response_type == "code"

        def check_grant_type(self, grant_type: str) -> bool:
            return grant_type == "authorization_code"

    class Request(OAuth2Request):  # type: ignore[misc]
        def __init__(self, method: str, uri: str, headers: Any, query: dict[str, str], form: dict[str, str]) -> None:
            super().__init__(method, uri, headers=headers)
            self.payload = BasicOAuth2Payload({**query, **form})
            self._query, self._form = query, form

        @property
        def args(self) -> dict[str, str]:
            return self._query

        @property
        def form(self) -> dict[str, str]:
            return self._form

    @dataclass
    class Code(AuthorizationCodeMixin):  # type: ignore[misc]
        code: str
        person: str
        redirect_uri: str
        scope: str
        nonce: str | None
        code_challenge: str | None
        code_challenge_method: str | None

        def get_redirect_uri(self) -> str:
            return self.redirect_uri

        def get_scope(self) -> str:
            return self.scope

        def get_nonce(self) -> str | None:
            return self.nonce

        def get_auth_time(self) -> int:
            return int(time.time())

        def get_acr(self) -> None:
            return None

        def get_amr(self) -> None:
            return None

    class Grant(plain.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

        def save_authorization_code(self, code: str, request: Any) -> None:
            data = request.payload.data
            asked = (data.get(name) for name in ("nonce", "code_challenge", "code_challenge_method"))
            STATE.codes[code] = Code(code, request.user, request.payload.redirect_uri, request.scope, *asked)

        def query_authorization_code(self, code: str, client: Any) -> Any:
            return STATE.codes.get(code)

        def delete_authorization_code(self, code: Any) -> None:
            del STATE.codes[code.code]

        def authenticate_user(self, code: Any) -> str:
            return str(code.person)

    class IdTokens(OpenIDCode):  # type: ignore[misc]
        key = _make_key()

        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return False

        def process_token(self, grant: Any, response: Any) -> Any:
            _, token, _ = response
            code, person = grant.request.authorization_code, grant.request.user
            now = int(time.time())
            claims = {
                "iss": STATE.issuer,
                "aud": CLIENT_ID,
                "iat": now,
                "exp": now + 300,
                "nonce": code.nonce,
                **STATE.settings["people"][person],
                **STATE.settings.get("claims", {}),
            }
            claims = {name: value for name, value in claims.items() if value is not None}
            alg = STATE.settings.get("alg", "RS256")
            key: Any = RSAKey.generate_key(2048, private=True) if STATE.settings.get("forge") else self.key
            if alg == "HS256":
                key = OctKey.import_key(CLIENT_SECRET)
            header = {"alg": alg, "kid": self.key.kid}
            token["id_token"] = (
                ".".join([_coded(header), _coded(claims), ""])
                if alg == "none"
                else jwt.encode(header, claims, key, algorithms=[alg])
            )
            STATE.tokens[token["access_token"]] = person
            return token

    class Server(AuthorizationServer):  # type: ignore[misc]
        def query_client(self, client_id: str) -> Client | None:
            return Client() if client_id == CLIENT_ID else None

        def save_token(self, token: Any, request: Any) -> None:
            pass

        def send_signal(self, name: str, *args: Any, **kw: Any) -> None:
            pass

        def create_oauth2_request(self, request: Any) -> Any:
            return request

        def handle_response(self, status: int, body: Any, headers: Any) -> Any:
            return status, body, headers

    server = Server()
    tokens = IdTokens(require_nonce=True)
    server.register_grant(Grant, [tokens, CodeChallenge(required=True)])
    server.register_token_generator(
        "default",
        lambda scope=None, **_: {
            "token_type": "Bearer",
            "access_token": secrets.token_hex(8),
            "expires_in": 300,
            "scope": scope,
        },
    )
    server.tokens, server.Request = tokens, Request
    return server


def _coded(value: Any) -> str:
    import base64

    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class Handler(BaseHTTPRequestHandler):
    server_side: Any

    def _answer(self, status: int, body: Any, headers: Any = ()) -> None:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, str) else "application/json"
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", str(len(raw))), *headers]:
            if name != "Content-Type" or value == kind:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        self._serve("GET", {})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        if self.path == "/control":
            STATE.settings, STATE.asked = json.loads(raw), []
            if STATE.settings.get("rotate"):
                self.server_side.tokens.key = _make_key()
            self._answer(200, {})
            return
        self._serve("POST", dict(parse_qsl(raw)))

    def _serve(self, method: str, form: dict[str, str]) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/asked":
            self._answer(200, STATE.asked)
            return
        STATE.asked.append(parts.path)
        settings, side = STATE.settings, self.server_side
        query = dict(parse_qsl(parts.query))
        uri = STATE.issuer + self.path
        if settings.get("status"):
            self._answer(settings["status"], "out of order")
        elif parts.path == "/.well-known/openid-configuration":
            self._answer(200, {**self._discovery(), **settings.get("discovery", {})})
        elif parts.path == "/keys":
            self._answer(200, {"keys": [side.tokens.key.as_dict(private=False)]})
        elif parts.path == "/authorize":
            self._authorize(method, uri, query, form)
        elif parts.path == "/token":
            request = side.Request(method, uri, dict(self.headers.items()), {}, form)
            self._answer(*side.create_token_response(request))
        elif parts.path == "/userinfo":
            person = STATE.tokens.get(self.headers.get("authorization", "").removeprefix("Bearer "))
            claims = settings["people"].get(person)
            self._answer(200 if claims else 401, {**(claims or {}), **settings.get("userinfo", {})})
        elif parts.path == "/logout":
            self._answer(302, "", [("Location", query["post_logout_redirect_uri"])])
        elif parts.path == "/favicon.ico":
            self._answer(200, "")
        else:
            self._answer(404, "nothing is here")

    def _authorize(self, method: str, uri: str, query: dict[str, str], form: dict[str, str]) -> None:
        from authlib.oauth2 import OAuth2Error

        request = self.server_side.Request(method, uri, dict(self.headers.items()), query, {})
        person = form.get("person")
        try:
            grant = self.server_side.get_consent_grant(request, end_user=person)
        except OAuth2Error as e:
            self._answer(400, html.escape(f"{e.error}: {e.description}"))
            return
        if method == "GET":
            names = "".join(
                f"<button name=person value={html.escape(n)}>{html.escape(n)}</button>" for n in self._people()
            )
            self._answer(
                200, f"<!doctype html><title>Provider</title><h1>Who are you?</h1><form method=post>{names}</form>"
            )
            return
        user = person if person in STATE.settings["people"] else None
        status, body, headers = self.server_side.create_authorization_response(request, grant_user=user, grant=grant)
        more = "".join(f"&{name}={value}" for name, value in STATE.settings.get("answer", {}).items())
        self._answer(status, body or "", [(n, v + more if n == "Location" else v) for n, v in headers])

    def _people(self) -> list[str]:
        return [*STATE.settings.get("people", {}), "nobody"]

    def _discovery(self) -> dict[str, Any]:
        at = STATE.issuer
        return {
            "issuer": at,
            "authorization_endpoint": f"{at}/authorize",
            "token_endpoint": f"{at}/token",
            "userinfo_endpoint": f"{at}/userinfo",
            "jwks_uri": f"{at}/keys",
            "end_session_endpoint": f"{at}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
        }

    def log_message(self, *args: Any) -> None:
        pass


def main() -> None:
    Handler.server_side = _server()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    STATE.issuer = f"http://127.0.0.1:{server.server_port}"
    print(STATE.issuer, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    main()
