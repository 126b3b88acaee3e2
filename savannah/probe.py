"""`python -m savannah.probe` fails unless the web process of this container answers; for images, which have no curl."""

import os
import urllib.request

if __name__ == "__main__":
    urllib.request.urlopen(f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz", timeout=2).close()
