"""A person's browser, as far as signing in and consenting need one; and applications that ask for tokens."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import unescape
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

from conftest import Service

PASSWORD = "correct horse battery"
CALLBACK = "http://client.example/callback"


@dataclass(frozen=True)
class Client:
    """A registered application and its credentials."""

    client_id: str
    secret: str

    def form(self, **fields: str) -> dict[str, str]:
        return {"client_id": self.client_id, **({"client_secret": self.secret} if self.secret else {}), **fields}


def register(service: Service, name: str, *options: str, redirect_uri: str = CALLBACK) -> Client:
    """Register an application by `manage.py setup_oauth`."""
    redirect = () if "--client-credentials" in options else ("--redirect-uri", redirect_uri)
    made = json.loads(service.manage("setup_oauth", "--name", name, "--json", *redirect, *options))
    public = made["client_type"] == "public"
    return Client(made["client_id"], "" if public else made["client_secret"])


class Browser(requests.Session):
    """Keeps cookies, fills in forms, and stops where an address leaves the service and the `others`."""

    def __init__(self, service: Service, *others: str, person: str = "amina") -> None:
        super().__init__()
        self.trust_env = False
        self.home = f"http://localhost:{service.port}"
        self.known = (self.home, *others)
        self.person = person

    def open(self, address: str, **options) -> requests.Response:
        """Follow redirects within the service."""
        answer = self.get(urljoin(self.home, address), allow_redirects=False, timeout=60, **options)
        return self._follow(answer)

    def _follow(self, answer: requests.Response) -> requests.Response:
        while answer.is_redirect and urljoin(answer.url, answer.headers["Location"]).startswith(self.known):
            answer = self.get(urljoin(answer.url, answer.headers["Location"]), allow_redirects=False, timeout=60)
        return answer

    def submit(self, page: requests.Response, **fields: str) -> requests.Response:
        """Send the page's form, with its hidden fields, and follow."""
        hidden = {
            unescape(name): unescape(value)
            for name, value in re.findall(r'<input type="hidden" name="([^"]*)"(?: value="([^"]*)")?', page.text)
        }
        action = re.search(r'<form[^>]*action="([^"]*)"', page.text)
        address = urljoin(page.url, unescape(action[1]) if action and action[1] else page.url)
        answer = self.post(
            address, data={**hidden, **fields}, headers={"Referer": page.url}, allow_redirects=False, timeout=60
        )
        return self._follow(answer)

    def sign_in(self, page: requests.Response, username: str = "") -> requests.Response:
        assert 'name="password"' in page.text, page.text
        return self.submit(page, username=username or self.person, password=PASSWORD)

    def authorize(self, **parameters: str) -> requests.Response:
        """Ask for a code; sign in and consent when asked to. Returns the redirect to the client, or an error page."""
        page = self.open("/o/authorize/", params={"response_type": "code", "redirect_uri": CALLBACK, **parameters})
        if 'name="password"' in page.text:
            page = self.sign_in(page)
        if 'name="allow"' in page.text:
            page = self.submit(page, allow="Authorize")
        return page


def landed(answer: requests.Response) -> dict[str, str]:
    """Return the parameters with which the client was called back."""
    assert answer.is_redirect, answer.text
    location = answer.headers["Location"]
    assert location.startswith(CALLBACK), location
    return dict(parse_qsl(urlsplit(location).query))


def at_once(count: int, call) -> list:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: call(), range(count)))
