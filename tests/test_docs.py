"""The documentation page, without a browser: what it is made of is there, and its sign-in is registered."""

import re

import requests

from conftest import Service


def test_the_docs_page_is_served_from_our_own_origin_alone(service: Service):
    page = requests.get(f"{service.url}/api/docs/", timeout=60)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "<style" not in page.text
    assert not re.search(r"<script(?! src=)", page.text)
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(parts) == 5
    for part in parts:
        assert part.startswith("/")
        assert requests.get(service.url + part, timeout=60).ok


def test_its_authorize_button_asks_for_a_code_as_a_registered_client(service: Service):
    script = requests.get(f"{service.url}/api/docs/?script=", timeout=60).text
    redirect = re.search(r'"oauth2RedirectUrl": "([^"]+)"', script)
    client = re.search(r'"clientId": "([^"]+)"', script)
    assert redirect
    assert client
    document = requests.get(f"{service.url}/api/schema/?format=json", timeout=60).json()
    assert document["openapi"].startswith("3.1")
    flow = document["components"]["securitySchemes"]["signIn"]["flows"]["authorizationCode"]
    answer = requests.get(
        flow["authorizationUrl"],
        params={
            "response_type": "code",
            "client_id": client[1],
            "redirect_uri": redirect[1],
            "scope": " ".join(flow["scopes"]),
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        },
        timeout=60,
    )
    assert 'name="password"' in answer.text
    assert requests.get(redirect[1], timeout=60).ok


def test_the_document_has_every_refusal_of_a_body(service: Service):
    document = requests.get(f"{service.url}/api/schema/?format=json", timeout=60).json()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    with_body = [operation for operation in operations if "requestBody" in operation]
    assert len(with_body) == 8
    for operation in with_body:
        assert operation["responses"].keys() >= {"411", "413", "415", "503"}, operation["operationId"]
        assert "Retry-After" in operation["responses"]["503"]["headers"]
