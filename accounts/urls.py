"""Sign-in, and the OpenID provider under /o/."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
