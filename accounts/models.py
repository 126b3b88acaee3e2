"""Who may ask for tokens: applications, and the codes that they redeem (django-oauth-toolkit's models, extended)."""

from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from oauth2_provider.models import AbstractApplication, AbstractGrant

from accounts.keys import keys


class Application(AbstractApplication):
    """An OAuth 2.0 client (RFC 6749, section 2) that may ask for `allowed_scopes` alone; empty: for any scope."""

    allowed_scopes = models.TextField(blank=True, default="", help_text="space separated; empty: any scope")

    class Meta:
        db_table = "applications"
        constraints = (
            # With HS256 the secret is the key: a hash of it signs nothing that the client can check.
            models.CheckConstraint(
                condition=~models.Q(algorithm="HS256") | models.Q(hash_client_secret=False, client_type="confidential"),
                name="applications_hs256_secret",
            ),
        )

    def redirect_uri_allowed(self, uri: str) -> bool:
        """Whether a code may go there; what is no address (a port of words) is nobody's."""
        try:
            return bool(super().redirect_uri_allowed(uri))
        except ValueError:
            return False

    @cached_property
    def jwk_key(self) -> Any:
        """The key that signs this application's ID tokens; the same one for as long as a request lasts."""
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
    """Whom another issuer means by a `sub`; `roles`: what its groups map to, null when DEFAULT_ROLE holds instead."""

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
    """Something that happened: a row that changed, a role given or taken, a sign-in. Triggers write it (migrations)."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor_id = models.IntegerField(null=True)
    actor = models.TextField(null=True)  # noqa: DJ001 - nobody is not a user without a name
    client = models.TextField(null=True)  # noqa: DJ001 - no application
    action = models.TextField()
    subject = models.TextField()
    subject_id = models.TextField(null=True)  # noqa: DJ001 - a sign-in with a name that nobody has
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        db_table = "audit"
        # Made by SQL: nothing of Django's, a test's flush included, may empty it.
        managed = False
        default_permissions = ("view",)
        ordering = ("-id",)
        verbose_name_plural = "audit"

    def __str__(self) -> str:
        return f"{self.action} {self.subject} {self.subject_id}"


class Grant(AbstractGrant):
    """An authorization code. A redeemed one is kept until it expires: a replay revokes what it bought."""

    # When the user signed in, in seconds since 1970 (OpenID Connect Core, section 2, auth_time).
    auth_time = models.BigIntegerField(null=True)
    redeemed_at = models.DateTimeField(null=True)
    # The family of the refresh tokens that the code bought (oauth2_provider RefreshToken.token_family).
    token_family = models.UUIDField(null=True)

    class Meta:
        db_table = "authorization_codes"
