"""Sign-in, and the OpenID provider under /o/."""

from django.conf import settings
from django.urls import include, path
from oauth2_provider.views.base import RevokeTokenView

from accounts import views
from accounts.relying import Begin, Callback

# The names are django-oauth-toolkit's: its views and the admin link to each other by them.
provider = [
    path("authorize/", views.Authorize.as_view(), name="authorize"),
    path("token/", views.for_clients(views.Token.as_view()), name="token"),
    path("revoke_token/", views.for_clients(RevokeTokenView.as_view()), name="revoke-token"),
    path("introspect/", views.introspect, name="introspect"),
    path("userinfo/", views.UserInfo.as_view(), name="user-info"),
    path("logout/", views.Logout.as_view(), name="rp-initiated-logout"),
    path("device_authorization/", views.open_device, name="device-authorization"),
    path("device/", views.Device.as_view(), name="device"),
    path("consents/", views.Consents.as_view(), name="consents"),
    path(".well-known/openid-configuration", views.discovery, name="oidc-connect-discovery-info"),
    path(".well-known/jwks.json", views.jwks, name="jwks-info"),
]

# Signing in to the pages at an OpenID provider, where one is configured.
relying = [
    path("oidc/authenticate/", Begin.as_view(), name="oidc_authentication_init"),
    path("oidc/callback/", Callback.as_view(), name="oidc_authentication_callback"),
    path("oidc/logout/", views.SignOut.as_view(), name="oidc_logout"),
]

urlpatterns = [
    *(relying if settings.OIDC_RP_CLIENT_ID else []),
    path("accounts/login/", views.SignIn.as_view(), name="login"),
    path("accounts/logout/", views.SignOut.as_view(), name="logout"),
    path("o/", include((provider, "oauth2_provider"))),
    path(".well-known/oauth-authorization-server/o", views.discovery),
    path(".well-known/oauth-protected-resource/api", views.protected_resource),
    path(".well-known/oauth-protected-resource", views.protected_resource),
]
