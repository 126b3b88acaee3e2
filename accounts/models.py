"""Applications and codes (extending django-oauth-toolkit's models), consents, identities and the audit."""

from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from oauth2_provider.models import AbstractApplication, AbstractGrant

from accounts.keys import keys


class Application(AbstractApplication):
    """An OAuth 2.0 client (RFC 6749, section 2) that may ask only for `allowed_scopes`; empty: for any scope."""

    allowed_scopes = models.TextField(blank=True, default="", help_text="space separated; empty: any scope")

    class Meta:
        db_table = "applications"
        constraints = (
            # HS256 signs with the client's secret itself, so the client must have one, and it must not be hashed.
            models.CheckConstraint(
                condition=~models.Q(algorithm="HS256") | models.Q(hash_client_secret=False, client_type="confidential"),
                name="applications_hs256_secret",
            ),
        )

    def redirect_uri_allowed(self, uri: str) -> bool:
        """Whether a code may be sent there; an invalid address (such as one whose port is no number) is not allowed."""
        try:
            return bool(super().redirect_uri_allowed(uri))
        except ValueError:
            return False

    @cached_property
    def jwk_key(self) -> Any:
        """The key that signs this application's ID tokens; cached, so that it does not change during a request."""
        return keys()[0].jwk if self.algorithm == self.RS256_ALGORITHM else super().jwk_key


class Consent(models.Model):
    """What a user lets an application do without being asked again."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    application = models.ForeignKey(Application, on_delete=models.CASCADE)
    scopes = ArrayField(models.TextField())

    class Meta:
        db_table = "consents"
        constraints = (models.UniqueConstraint(fields=["user", "application"], name="consents_key"),)

    def __str__(self) -> str:
        return f"{self.user_id} to {self.application_id}"


class Identity(models.Model):
    """The user of another issuer's `sub`; `roles`: what the user's groups map to, null when DEFAULT_ROLE applies."""

    id = models.BigAutoField(primary_key=True)
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    issuer = models.TextField()
    subject = models.TextField()
    roles = ArrayField(models.TextField(), null=True)

    class Meta:
        db_table = "identities"
        verbose_name_plural = "identities"
        constraints = (models.UniqueConstraint(fields=["issuer", "subject"], name="identities_key"),)

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class IssuerKeys(models.Model):
    """The key set of another issuer, as it was fetched last."""

    issuer = models.TextField(primary_key=True)
    document = models.JSONField()
    fetched_at = models.DateTimeField()

    class Meta:
        db_table = "issuer_keys"

    def __str__(self) -> str:
        return self.issuer


class AuditEntry(models.Model):
    """An event: a changed row, a role granted or revoked (by triggers, see the migrations), a sign-in."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor_id = models.IntegerField(null=True)
    actor = models.TextField(null=True)  # noqa: DJ001 - null: no user
    client = models.TextField(null=True)  # noqa: DJ001 - null: no application
    action = models.TextField()
    subject = models.TextField()
    subject_id = models.TextField(null=True)  # noqa: DJ001 - null: a sign-in with an unknown name
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        db_table = "audit"
        # A migration makes it with SQL. Unmanaged, so that Django never empties it, not even when a test flushes.
        managed = False
        default_permissions = ("view",)
        ordering = ("-id",)
        verbose_name_plural = "audit"

    def __str__(self) -> str:
        return f"{self.action} {self.subject} {self.subject_id}"


class Grant(AbstractGrant):
    """An authorization code. A redeemed one is kept until it expires: a replay revokes the tokens it gave."""

    # When the user signed in, in seconds since 1970 (OpenID Connect Core, section 2, auth_time).
    auth_time = models.BigIntegerField(null=True)
    redeemed_at = models.DateTimeField(null=True)
    # The family of the refresh tokens that the code gave (oauth2_provider RefreshToken.token_family).
    token_family = models.UUIDField(null=True)

    class Meta:
        db_table = "authorization_codes"
