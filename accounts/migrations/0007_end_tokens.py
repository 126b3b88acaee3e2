"""Who changes a user's password ends the user's tokens, whatever way it is changed: PostgreSQL sees to it."""

from django.conf import settings
from django.db import migrations

# What is yet to be redeemed goes first: whoever redeems it now has its row locked, and what they got is found below.
# Families of refresh tokens are locked as where they are rotated, in one order everywhere: two that end the same
# tokens do not wait for each other in a circle.
FUNCTIONS = """
CREATE FUNCTION end_tokens(of_user integer, of_application bigint DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM authorization_codes c
    WHERE c.user_id = of_user AND c.redeemed_at IS NULL
      AND (of_application IS NULL OR c.application_id = of_application);

    DELETE FROM oauth2_provider_devicegrant d
    WHERE d.user_id = of_user
      AND (of_application IS NULL
           OR d.client_id = (SELECT a.client_id FROM applications a WHERE a.id = of_application));

    PERFORM pg_advisory_xact_lock(hashtextextended(held.family, 0))
    FROM (
        SELECT DISTINCT r.token_family::text AS family
        FROM oauth2_provider_refreshtoken r
        WHERE r.user_id = of_user AND r.revoked IS NULL AND r.token_family IS NOT NULL
          AND (of_application IS NULL OR r.application_id = of_application)
        ORDER BY family
    ) held;

    UPDATE oauth2_provider_refreshtoken r
    SET revoked = coalesce(r.revoked, now()), updated = now(), access_token_id = NULL
    WHERE r.user_id = of_user AND (r.revoked IS NULL OR r.access_token_id IS NOT NULL)
      AND (of_application IS NULL OR r.application_id = of_application);

    DELETE FROM oauth2_provider_accesstoken t
    WHERE t.user_id = of_user AND (of_application IS NULL OR t.application_id = of_application);
END
$$;

-- A sign-in that keeps the same password under a newer kind of hash says so (accounts/roles.py).
CREATE FUNCTION end_tokens_of_old_password() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('savannah.same_password', true) IS DISTINCT FROM 'yes' THEN
        PERFORM end_tokens(NEW.id);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER auth_user_end_tokens AFTER UPDATE OF password ON auth_user
    FOR EACH ROW WHEN (OLD.password IS DISTINCT FROM NEW.password) EXECUTE FUNCTION end_tokens_of_old_password();
"""


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("accounts", "0006_consents"),
        ("oauth2_provider", "0022_refreshtoken_token_family_index"),
    ]

    operations = [
        migrations.RunSQL(
            FUNCTIONS,
            "DROP TRIGGER auth_user_end_tokens ON auth_user; DROP FUNCTION end_tokens_of_old_password(); "
            "DROP FUNCTION end_tokens(integer, bigint)",
        ),
    ]
