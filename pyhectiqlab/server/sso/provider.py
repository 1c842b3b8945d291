"""The provider of OpenID Connect over HTTP: what it says of itself, its keys, and who somebody is, proved by its token.

Authlib speaks OAuth and checks the claims; joserfc, which it brings, checks the signatures.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import errors as jose
from joserfc import jwt
from joserfc.jwk import JWKRegistry, Key, KeySet, OctKey, RSAKey

from ... import settings
from .options import SsoOptions, claim_of, is_safe
from .pending import Login
from .refusals import RefusedError, Why

log = logging.getLogger("hectiqlab.server")

# Of public keys alone: a token that is signed by nobody, or with what others know too, is none.
SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
CONNECT_S, READ_S, WHOLE_S = 5.0, 10.0, 20.0  # for an answer of the provider
ANSWER_BYTES_MAX = 1 << 20
KEPT_S = 3600.0  # what the provider says of itself, and its keys
FAILED_S = 2.0  # … where it says nothing: those who wait for it need not all ask
KEYS_AGAIN_S = 10.0  # at least, between two looks for a key that is not known
KEYS_MAX = 100
RSA_BITS_MIN = 2048
SUBJECT_CHARS_MAX = 255  # as the standard has it
HINT_CHARS_MAX = 4000  # of a token in the address of a logout: servers bound what they read there


@dataclass(frozen=True)
class Person:
    """Who logged in at the provider, and what it told of them."""

    subject: str
    claims: Mapping[str, Any]
    id_token: str


class Provider:
    """Methods block on the network, for some WHOLE_S at most. From any thread. They raise RefusedError."""

    def __init__(self, options: SsoOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._known: tuple[float, dict[str, Any]] | None = None
        self._failed: tuple[float, RefusedError] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._asked_again = -KEYS_AGAIN_S

    def address_of_login(self, state: str, login: Login) -> str:
        """Return where the browser goes to log in."""
        metadata = self._metadata()
        with self._session(login.back) as session:
            url, _ = session.create_authorization_url(
                metadata["authorization_endpoint"], state=state, nonce=login.nonce, code_verifier=login.verifier
            )
        return str(url)

    def person(self, login: Login, code: str, issuer: str | None) -> Person:
        """Return who came back with this code. `issuer`: of the answer, as RFC 9207 has it."""
        metadata = self._metadata()
        wanted = metadata.get("authorization_response_iss_parameter_supported") is True
        if (issuer is not None or wanted) and issuer != self._options.issuer:
            raise RefusedError("untrusted", f"the answer is of {issuer!r}, not of {self._options.issuer!r}")
        with self._session(login.back) as session:
            try:
                tokens = session.fetch_token(metadata["token_endpoint"], code=code, code_verifier=login.verifier)
            except (AuthlibBaseError, ValueError, requests.HTTPError) as e:
                text = f"the provider gives no token for the code ({_line(e)})"
                why: Why = "untrusted" if getattr(e, "error", "") == "invalid_grant" else "misconfigured"
                raise RefusedError("unreachable" if isinstance(e, requests.HTTPError) else why, text) from None
            except requests.RequestException as e:
                raise _unreachable(metadata["token_endpoint"], e) from None
            id_token = tokens.get("id_token")
            if not isinstance(id_token, str):
                raise RefusedError("misconfigured", "the provider sent no ID token: is it one of OpenID Connect?")
            claims = self._proved(id_token, login.nonce, str(tokens.get("access_token") or ""))
            more = self._more(session, metadata, claims)
        return Person(claims["sub"], {**more, **claims}, id_token)

    def address_of_logout(self, id_token: str, back: str) -> str | None:
        """Return where the browser goes to log out of the provider too, if it offers that. Asks nobody."""
        metadata = self._known[1] if self._known else {}
        end = metadata.get("end_session_endpoint")
        if not isinstance(end, str) or not is_safe(end):
            return None
        query = {"client_id": self._options.client_id, "post_logout_redirect_uri": back}
        if len(id_token) <= HINT_CHARS_MAX:
            query["id_token_hint"] = id_token
        return f"{end}{'&' if '?' in end else '?'}{urlencode(query)}"

    # What the provider says

    def _session(self, back: str) -> _Session:
        metadata = self._known[1] if self._known else {}
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        options = self._options
        return _Session(
            options.client_id,
            options.client_secret or None,
            token_endpoint_auth_method=method if options.client_secret else "none",
            scope=options.scopes,
            redirect_uri=back,
            code_challenge_method="S256",
        )

    def _metadata(self) -> dict[str, Any]:
        with self._lock:
            if self._failed is not None and time.monotonic() < self._failed[0]:
                raise RefusedError(self._failed[1].why, str(self._failed[1]))
            self._failed = None
            try:
                return self._known_metadata()
            except RefusedError as e:
                self._failed = (time.monotonic() + FAILED_S, e)
                raise

    def _known_metadata(self) -> dict[str, Any]:
        if self._known is None or self._known[0] < time.monotonic():
            url = self._options.issuer.rstrip("/") + "/.well-known/openid-configuration"
            metadata = _object(_get(url), url)
            if metadata.get("issuer") != self._options.issuer:
                raise RefusedError(
                    "misconfigured",
                    f"the provider calls itself {str(metadata.get('issuer'))[:200]!r}, not {self._options.issuer!r}: "
                    "give --oidc-issuer as it writes it",
                )
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not is_safe(str(metadata.get(name))):
                    raise RefusedError("misconfigured", f"the provider's {name} is not an address of https")
            self._known = (time.monotonic() + KEPT_S, metadata)
        return self._known[1]

    def _key_set(self, again: bool = False) -> KeySet:
        """Return the provider's keys. `again`: ask for them now, unless that was done a moment ago."""
        url = self._metadata()["jwks_uri"]
        with self._lock:
            now = time.monotonic()
            again = again and now >= self._asked_again + KEYS_AGAIN_S
            if self._keys is not None and now < self._keys[0] + KEPT_S and not again:
                return self._keys[1]
            if again:
                self._asked_again = now
            items = _object(_get(url), url).get("keys")
            keys: list[Key] = []
            for item in items[:KEYS_MAX] if isinstance(items, list) else []:
                try:
                    key = JWKRegistry.import_key(item)
                except (jose.JoseError, ValueError, TypeError, KeyError):
                    continue  # of a kind that is not known here
                if isinstance(key, OctKey):
                    continue  # a secret that everybody may read
                if isinstance(key, RSAKey) and key.public_key.key_size < RSA_BITS_MIN:
                    continue
                keys.append(key)
            if not keys:
                raise RefusedError("misconfigured", f"{url} has no key that signs tokens")
            self._keys = (now, KeySet(keys))
            return self._keys[1]

    def _more(self, session: _Session, metadata: Mapping[str, Any], claims: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the provider tells beside its token, where the token lacks what the lab looks at."""
        options, url = self._options, str(metadata.get("userinfo_endpoint"))
        looked_at = [options.name_claim, *options.required]
        if options.roles or options.projects:
            looked_at.append(options.groups_claim)
        if all(claim_of(claims, name) is not None for name in looked_at) or not is_safe(url):
            return {}
        try:
            answer = session.get(url)
            answer.raise_for_status()
            more = _object(answer.content, url)
        except AuthlibBaseError as e:
            raise RefusedError("misconfigured", f"the provider's access token is not understood ({_line(e)})") from None
        except requests.RequestException as e:
            raise _unreachable(url, e) from None
        if more.get("sub") != claims["sub"]:
            raise RefusedError("untrusted", f"{url} tells of somebody else than the token does")
        return more

    # Whether its token is to be believed

    def _proved(self, id_token: str, nonce: str, access_token: str) -> dict[str, Any]:
        """Return the claims of a token, all checked."""
        said = self._metadata().get("id_token_signing_alg_values_supported")
        algorithms = [a for a in SIGNATURES if not isinstance(said, list) or a in said] or ["RS256"]
        try:
            try:
                token = jwt.decode(id_token, self._key_set(), algorithms=algorithms)
            except (jose.InvalidKeyIdError, jose.BadSignatureError):  # the provider has a new key, perhaps
                token = jwt.decode(id_token, self._key_set(again=True), algorithms=algorithms)
        except (jose.JoseError, ValueError) as e:
            raise RefusedError("untrusted", f"the ID token is not signed as it should be ({_line(e)})") from None
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": self._options.issuer},
                "aud": {"essential": True, "value": self._options.client_id},
            },
            params={"nonce": nonce, "client_id": self._options.client_id, "access_token": access_token},
        )
        now = time.time()
        try:
            claims.validate(now=int(now), leeway=int(settings.LAB_SSO_SKEW_S))
        except (jose.JoseError, ValueError, TypeError) as e:
            raise _claim_refused(e, claims, now) from None
        if not 0 < len(claims["sub"]) <= SUBJECT_CHARS_MAX:
            raise RefusedError("untrusted", "the ID token names nobody (sub)")
        if now - claims["iat"] > settings.LAB_SSO_LOGIN_S + settings.LAB_SSO_SKEW_S:
            raise RefusedError("clock", f"the new ID token is {now - claims['iat']:.0f} s old by the lab's clock")
        return dict(claims)


class _Session(OAuth2Session):
    """OAuth2Session, each of whose answers is bounded in size and time, and leads nowhere else."""

    def request(self, *args: Any, **more: Any) -> Any:
        more |= {"timeout": (CONNECT_S, READ_S), "allow_redirects": False, "stream": True}
        answer = super().request(*args, **more)
        answer._content = _read(answer)
        return answer


def _read(answer: requests.Response) -> bytes:
    """Return the body. Raises requests.RequestException if it is too large or too slow."""
    body, until = bytearray(), time.monotonic() + WHOLE_S
    for block in answer.iter_content(16 << 10):
        body += block
        if len(body) > ANSWER_BYTES_MAX:
            raise requests.RequestException("the answer is too large")
        if time.monotonic() > until:
            raise requests.Timeout("the answer takes too long")
    return bytes(body)


def _get(url: str) -> bytes:
    try:
        with requests.get(url, timeout=(CONNECT_S, READ_S), allow_redirects=False, stream=True) as answer:
            if answer.status_code != 200:
                why: Why = "unreachable" if answer.status_code >= 500 else "misconfigured"
                raise RefusedError(why, f"{url} answered {answer.status_code}")
            return _read(answer)
    except requests.RequestException as e:
        raise _unreachable(url, e) from None


def _object(body: bytes, url: str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RefusedError("misconfigured", f"{url} did not answer with a JSON object")
    return value


def _unreachable(url: str, error: requests.RequestException) -> RefusedError:
    return RefusedError("unreachable", f"{url} does not answer ({_line(error)})")


def _claim_refused(error: Exception, claims: Mapping[str, Any], now: float) -> RefusedError:
    claim = getattr(error, "claim", "") or ""
    if isinstance(error, jose.ExpiredTokenError):
        return RefusedError("clock", f"the new ID token is over since {now - claims['exp']:.0f} s by the lab's clock")
    ahead = claims.get(claim) if claim in {"iat", "nbf"} else None
    if isinstance(ahead, int | float) and ahead > now:
        return RefusedError("clock", f"the ID token is from {ahead - now:.0f} s in the future by the lab's clock")
    if claim in {"aud", "azp"}:
        return RefusedError(
            "audience", f"the ID token is for {str(claims.get(claim))[:200]!r}: is --oidc-client-id right?"
        )
    if claim == "iss":
        return RefusedError("untrusted", f"the ID token is of {str(claims.get('iss'))[:200]!r}")
    return RefusedError("untrusted", f"the ID token is not for this login ({_line(error)})")


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
