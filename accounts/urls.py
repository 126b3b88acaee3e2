"""Sign-in, and the OpenID provider under /o/."""

from django.conf import settings
from django.urls import include, path
from oauth2_provider.views.base import RevokeTokenView

from accounts.authorization import Authorize
from accounts.consents import Consents
from accounts.devices import Device, open_device
from accounts.discovery import discovery, jwks, protected_resource
from accounts.endpoints import Token, UserInfo, introspect
from accounts.guards import for_clients
from accounts.relying import Begin, Callback
from accounts.sign_in import Logout, SignIn, SignOut

# The names are django-oauth-toolkit's: its views and the admin link to each other by them.
provider = [
    path("authorize/", Authorize.as_view(), name="authorize"),
    path("token/", for_clients(Token.as_view()), name="token"),
    path("revoke_token/", for_clients(RevokeTokenView.as_view()), name="revoke-token"),
    path("introspect/", introspect, name="introspect"),
    path("userinfo/", UserInfo.as_view(), name="user-info"),
    path("logout/", Logout.as_view(), name="rp-initiated-logout"),
    path("device_authorization/", open_device, name="device-authorization"),
    path("device/", Device.as_view(), name="device"),
    path("consents/", Consents.as_view(), name="consents"),
    path(".well-known/openid-configuration", discovery, name="oidc-connect-discovery-info"),
    path(".well-known/jwks.json", jwks, name="jwks-info"),
]

# Signing in to the pages at an OpenID provider, where one is configured.
relying = [
    path("oidc/authenticate/", Begin.as_view(), name="oidc_authentication_init"),
    path("oidc/callback/", Callback.as_view(), name="oidc_authentication_callback"),
    path("oidc/logout/", SignOut.as_view(), name="oidc_logout"),
]

urlpatterns = [
    *(relying if settings.OIDC_RP_CLIENT_ID else []),
    path("accounts/login/", SignIn.as_view(), name="login"),
    path("accounts/logout/", SignOut.as_view(), name="logout"),
    path("o/", include((provider, "oauth2_provider"))),
    path(".well-known/oauth-authorization-server/o", discovery),
    path(".well-known/oauth-protected-resource/api", protected_resource),
    path(".well-known/oauth-protected-resource", protected_resource),
]
