"""What a device without a browser asks the provider (RFC 8628)."""

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def start(provider, scale) -> dict:
    answer = provider.post("/o/device_authorization/", scale.form(scope="profile orders:read"))
    assert answer.status_code == 200, answer.text
    return answer.json()


def poll(provider, scale, started):
    return provider.post("/o/token/", scale.form(grant_type=GRANT, device_code=started["device_code"]))
