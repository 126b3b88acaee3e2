"""Authlib: the code flow of a confidential client by its own discovery and its own verification of the ID token."""

import pytest
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey
from joserfc.jwt import JWTClaimsRegistry

from accounts.tests.browser import CALLBACK


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_goes_from_discovery_to_log_out(provider, browser, registered, algorithm, method):
    application = registered(f"Authlib {algorithm} {method}", "--algorithm", algorithm)
    about = provider.get("/o/.well-known/openid-configuration").json()
    with OAuth2Session(
        application.client_id,
        application.secret,
        redirect_uri=CALLBACK,
        scope="openid profile email",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    ) as client:
        client.trust_env = False
        address, state = client.create_authorization_url(about["authorization_endpoint"], nonce="n-0S6")
        back = browser.submit(browser.sign_in(browser.open(address)), allow="Authorize").headers["Location"]
        token = client.fetch_token(about["token_endpoint"], authorization_response=back, state=state)
        published = KeySet.import_key_set(provider.get("/o/.well-known/jwks.json").json())
        key = OctKey.import_key(application.secret) if algorithm == "HS256" else published
        id_token = jwt.decode(token["id_token"], key, algorithms=[algorithm])
        JWTClaimsRegistry(
            iss={"essential": True, "value": about["issuer"]},
            aud={"essential": True, "value": application.client_id},
            nonce={"essential": True, "value": "n-0S6"},
        ).validate(id_token.claims)
        assert client.get(about["userinfo_endpoint"]).json()["sub"] == id_token.claims["sub"]
        renewed = client.refresh_token(about["token_endpoint"])
        assert client.get(f"{provider.url}/api/customers/").status_code == 200
        client.revoke_token(about["revocation_endpoint"], renewed["refresh_token"], token_type_hint="refresh_token")
        assert client.get(f"{provider.url}/api/customers/").status_code == 401
    logout = {"id_token_hint": renewed["id_token"], "post_logout_redirect_uri": "http://client.example/"}
    assert browser.open("/o/logout/", params=logout).headers["Location"] == "http://client.example/"
