"""`python -m savannah.probe` fails unless the web process of this container answers; for images, which have no curl."""

import os
from http.client import HTTPResponse
from urllib.request import ProxyHandler, Request, build_opener


def ask(url: str, host: str) -> HTTPResponse:
    """Request `url` with this Host header, never through a proxy. Raises OSError and HTTPException."""
    request = Request(url, headers={"Host": host})  # noqa: S310 - ours
    answer: HTTPResponse = build_opener(ProxyHandler({})).open(request, timeout=2)
    return answer


if __name__ == "__main__":
    ask(f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz", "localhost").close()
