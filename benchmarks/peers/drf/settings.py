"""Settings of the plain DRF peer. Environment: DB_HOST (a libpq folder), DB_NAME, POOL_SIZE, GATEWAY_URL."""

import os

SECRET_KEY = "a peer of the benchmark keeps no secret"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.peers.drf.urls"
WSGI_APPLICATION = "benchmarks.peers.drf.urls.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "oauth2_provider",
    "rest_framework",
    "benchmarks.peers.drf",
]
# No sessions, CSRF or messages: a plain DRF API does not need them.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["DB_HOST"],
        "NAME": os.environ["DB_NAME"],
        "USER": "postgres",
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": int(os.environ.get("POOL_SIZE", "16")), "timeout": 30},
            "server_side_binding": True,
            "prepare_threshold": 3,
        },
    }
}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
GATEWAY_URL = os.environ.get("GATEWAY_URL", "")
OAUTH2_PROVIDER_APPLICATION_MODEL = "drf.Application"
OAUTH2_PROVIDER = {"OIDC_ENABLED": False}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["oauth2_provider.contrib.rest_framework.OAuth2Authentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}
