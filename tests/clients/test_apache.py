"""Apache's mod_auth_openidc, where Debian's package is installed: a site that knows nothing of OpenID Connect."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import requests

from accounts.tests.browser import Browser
from conftest import eventually, free_port

MODULES = Path("/usr/lib/apache2/modules")
SITE = """
ServerName localhost
ServerRoot {folder}
PidFile {folder}/pid
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
User www-data
{modules}
DocumentRoot {folder}/htdocs
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {secret}
OIDCRedirectURI {url}/private/callback
OIDCCryptoPassphrase a-passphrase-of-this-test
OIDCScope "openid profile email"
OIDCIDTokenSignedResponseAlg {algorithm}
OIDCPKCEMethod S256
OIDCHTTPTimeoutShort 60
OIDCRemoteUserClaim preferred_username
<Location /private>
    AuthType openid-connect
    Require valid-user
    Header set X-Remote-User "expr=%{{REMOTE_USER}}"
    Header set X-Email "%{{OIDC_CLAIM_email}}e"
    Header set X-Access-Token "%{{OIDC_access_token}}e"
</Location>
"""
NAMES = ("mpm_event", "authn_core", "authz_core", "authz_user", "alias", "headers", "dir", "auth_openidc")


@pytest.fixture(params=["HS256", "RS256"])
def site(request, registered, provider):
    """An Apache of its own; its address."""
    apache = shutil.which("apache2") or "/usr/sbin/apache2"
    if not (Path(apache).exists() and (MODULES / "mod_auth_openidc.so").exists()):
        pytest.skip("apache2 and libapache2-mod-auth-openidc")
    # Apache's own user has to read it, which pytest's folders do not allow.
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        (folder / "htdocs/private").mkdir(parents=True)
        (folder / "htdocs/private/page").write_text("for members")
        (folder / "htdocs/index.html").write_text("good-bye")
        url = f"http://localhost:{port}"
        client = registered(
            f"Apache {request.param}", "--algorithm", request.param, redirect_uri=f"{url}/private/callback"
        )
        built_in = subprocess.run([apache, "-l"], capture_output=True, text=True, check=True).stdout
        modules = [name for name in NAMES if f"mod_{name}.c" not in built_in and (MODULES / f"mod_{name}.so").exists()]
        config = SITE.format(
            folder=folder,
            port=port,
            url=url,
            issuer=f"{provider.url}/o",
            client_id=client.client_id,
            secret=client.secret,
            algorithm=request.param,
            modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in modules),
        )
        (folder / "site.conf").write_text(config)
        server = subprocess.Popen(
            [apache, "-X", "-f", folder / "site.conf"], env={**os.environ, "LC_ALL": "C"}, stderr=subprocess.PIPE
        )
        try:
            eventually(lambda: server.poll() is not None or _answers(url))
            assert server.poll() is None, server.stderr.read()
            yield url
        finally:
            server.terminate()
            server.wait(60)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/", timeout=60).ok
    except requests.RequestException:
        return False


def test_apache_signs_in_refreshes_and_signs_out(site, people, provider):
    with Browser(people, site, person="zawadi") as browser:
        page = browser.submit(browser.sign_in(browser.open(f"{site}/private/page")), allow="Authorize")
        assert page.text == "for members"
        assert page.headers["X-Remote-User"] == "zawadi"
        assert page.headers["X-Email"] == "zawadi@example.com"
        token = page.headers["X-Access-Token"]
        assert provider.lets_in(token)
        refresh = {"refresh": f"{site}/private/page", "access_token": token}
        renewed = browser.open(f"{site}/private/callback", params=refresh).headers["X-Access-Token"]
        assert renewed != token
        assert provider.lets_in(renewed)
        answer = browser.open(f"{site}/private/callback", params={"logout": f"{site}/"})
        assert answer.text == "good-bye"
        assert not provider.lets_in(renewed)
        assert "sessionid" not in browser.cookies
        assert 'name="password"' in browser.open(f"{site}/private/page").text
