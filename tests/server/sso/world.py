"""What the tests of single sign-on share: a browser, people of the provider, a lab's options."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from pyhectiqlab.testing.lab import RealLab

from ...oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from ..api import Api, new_id

ROLES = ("--oidc-role", "lab-admins=admin", "--oidc-role", "team=member;guests=viewer;out=none")


def options(provider: Provider, *more: str) -> list[str]:
    return ["--oidc-issuer", provider.issuer, "--oidc-client-id", CLIENT_ID, *ROLES, *more]


ENV = {"HECTIQLAB_OIDC_CLIENT_SECRET": CLIENT_SECRET}


def person(name: str, *groups: str, **more: Any) -> dict[str, Any]:
    claims = {"sub": f"id of {name}", "preferred_username": name, "groups": list(groups), **more}
    return {claim: value for claim, value in claims.items() if value is not None}


def new_name() -> str:
    return f"ada-{new_id(3)}"


class Browser:
    """A browser of one person: what it was told, and where it was sent."""

    def __init__(self, lab: RealLab, provider: Provider) -> None:
        self.lab, self.provider = lab, provider
        self.http = requests.Session()

    def get(self, address: str) -> requests.Response:
        return self.http.get(address, allow_redirects=False, timeout=30)

    def begin(self, then: str = "/") -> str:
        """Begin a login; return where the lab sends the browser to."""
        answer = self.http.get(
            f"{self.lab.url}/api/v1/sso/login", params={"next": then}, allow_redirects=False, timeout=30
        )
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def log_in(self, name: str, then: str = "/") -> str:
        """Log in as that person of the provider; return the page that the lab sends the browser to."""
        return self.come_back(self.provider.log_in(self.begin(then), name))

    def come_back(self, address: str) -> str:
        answer = self.get(address)
        assert answer.status_code == 303, (answer.text, self.lab.log()[-3000:])
        return answer.headers["location"]

    def me(self, status: int = 200) -> Any:
        answer = self.http.get(f"{self.lab.url}/api/v1/me", timeout=30)
        assert answer.status_code == status, answer.text
        if status == 200:
            self.http.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return answer.json()

    def call(self, method: str, path: str, status: int = 200, **kw: Any) -> Any:
        answer = self.http.request(method, f"{self.lab.url}/api/v1{path}", timeout=30, **kw)
        assert answer.status_code == status, answer.text
        return answer.json()


def why(page: str) -> str:
    """Return the word with which a login was refused."""
    parts = urlsplit(page)
    assert parts.path.endswith("/login"), page
    return parse_qs(parts.query)["sso"][0]


def audit(lab: RealLab) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = Api.of(lab).get("/audit")["items"]
    return items
