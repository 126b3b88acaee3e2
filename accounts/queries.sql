-- Tokens, users of other issuers, rights, the audit, consents and devices.

-- name: find_bearer
-- The active user of an unexpired access token, by the token's SHA-256, with the user's rights; a machine's token acts for
-- its application's user. The rights are sorted, so that equal rows are equal as text (accounts/bearer.py, while_bearer).
SELECT u.id, u.username, u.is_superuser, t.scope, a.client_id, a.allowed_scopes,
       ARRAY(
           SELECT granted FROM rights_of(u.id, i.roles, CASE WHEN i.roles IS NULL THEN :default_role END) AS granted
           ORDER BY granted
       )
FROM oauth2_provider_accesstoken t
LEFT JOIN applications a ON a.id = t.application_id
JOIN auth_user u ON u.id = coalesce(t.user_id, a.user_id)
LEFT JOIN identities i ON i.user_id = u.id
WHERE t.token_checksum = :checksum AND t.expires > now() AND u.is_active;

-- name: find_foreign_user
-- The user of another issuer's token, with the rights of the roles that the token's groups map to.
SELECT u.id, u.username, u.is_superuser, u.is_active,
       ARRAY(SELECT rights_of(u.id, :roles::text[], CASE WHEN :roles::text[] IS NULL THEN :default_role END))
FROM identities i
JOIN auth_user u ON u.id = i.user_id
WHERE i.issuer = :issuer AND i.subject = :subject;

-- name: create_foreign_user
-- No row: the user name is taken, or the user exists already.
WITH made AS (
    INSERT INTO auth_user (username, password, email, first_name, last_name, is_active, is_staff, is_superuser, date_joined)
    SELECT :username, '!', :email, :first_name, :last_name, true, false, false, now()
    WHERE NOT EXISTS (SELECT FROM identities i WHERE i.issuer = :issuer AND i.subject = :subject)
    ON CONFLICT (username) DO NOTHING
    RETURNING id
)
INSERT INTO identities (user_id, issuer, subject, roles)
SELECT made.id, :issuer, :subject, :roles::text[] FROM made
RETURNING user_id, acting(:actor);

-- name: keep_roles
-- Store the roles that the user's groups map to at this sign-in. No row: the user does not exist yet.
UPDATE identities SET roles = :roles::text[]
WHERE issuer = :issuer AND subject = :subject
RETURNING user_id, acting(:actor);

-- name: find_rights
-- The rights of a user on pages.
SELECT ARRAY(SELECT rights_of(u.id, i.roles, CASE WHEN i.roles IS NULL THEN :default_role END))
FROM auth_user u
LEFT JOIN identities i ON i.user_id = u.id
WHERE u.id = :user_id;

-- name: remember_keys
-- Store the key set of another issuer, for a process that starts while the issuer is down.
INSERT INTO issuer_keys (issuer, document, fetched_at) VALUES (:issuer, :document::jsonb, now())
ON CONFLICT (issuer) DO UPDATE SET document = excluded.document, fetched_at = excluded.fetched_at
RETURNING issuer;

-- name: recall_keys
-- The key set that any process fetched last. No row: none has been fetched yet.
SELECT document::text FROM issuer_keys WHERE issuer = :issuer;

-- name: tell_who_acts
-- Name the actor for those statements of this transaction that do not do it themselves.
SELECT acting(:actor);

-- name: note_sign_in
-- Record a sign-in, a sign-out or a failed attempt, with the user of the given name, if there is one.
INSERT INTO audit (actor_id, actor, action, subject, subject_id, after)
SELECT CASE WHEN :action <> 'sign_in_failed' THEN u.id END,
       CASE WHEN :action <> 'sign_in_failed' THEN u.username END,
       :action, 'auth_user', u.id,
       jsonb_strip_nulls(jsonb_build_object('username', u.username, 'address', :address::text))
FROM (SELECT) given LEFT JOIN auth_user u ON u.username = :username
RETURNING id;

-- name: list_audit
-- One page, newest first, as JSON objects joined by commas, and the id of its last row.
SELECT string_agg(page.document, ',' ORDER BY page.id DESC), min(page.id)
FROM (
    SELECT audit_document(a) AS document, a.id
    FROM audit a
    WHERE a.id < :after_id::bigint
      AND (:subject::text IS NULL OR a.subject = :subject)
      AND (:subject_id::text IS NULL OR a.subject_id = :subject_id)
      AND (:by::text IS NULL OR a.actor = :by)
    ORDER BY a.id DESC
    LIMIT :limit
) page;

-- name: forget_audit
-- Delete old entries, at most :most at a time; returns how many.
SELECT audit_forget(make_interval(days => :days), :most);

-- name: keep_consent
-- Add scopes to those that a user has granted to an application.
INSERT INTO consents AS c (user_id, application_id, scopes) VALUES (:user, :application, :scopes::text[])
ON CONFLICT (user_id, application_id) DO UPDATE
SET scopes = ARRAY(SELECT unnest(c.scopes) UNION SELECT unnest(excluded.scopes))
RETURNING c.id;

-- name: has_consented
-- Whether a user has granted all of these scopes to an application.
SELECT EXISTS (
    SELECT FROM consents c
    WHERE c.user_id = :user AND c.application_id = :application AND c.scopes @> :scopes::text[]
);

-- name: list_consents
-- The applications that may act for a user: with a consent, or only with tokens, as devices have them.
SELECT a.id, a.name, coalesce(c.scopes, '{}')
FROM applications a
LEFT JOIN consents c ON c.application_id = a.id AND c.user_id = :user
WHERE c.id IS NOT NULL OR EXISTS (
    SELECT FROM oauth2_provider_refreshtoken r
    WHERE r.application_id = a.id AND r.user_id = :user AND r.revoked IS NULL
)
ORDER BY a.name, a.id;

-- name: withdraw_consent
-- Delete a consent. The application's tokens are ended by end_tokens.
DELETE FROM consents WHERE user_id = :user AND application_id = :application RETURNING id;

-- name: lock_family
-- Let one transaction at a time rotate or end a family of refresh tokens.
SELECT pg_advisory_xact_lock(hashtextextended(:family, 0));

-- name: end_tokens
-- End every token that an application has for a user, and the codes and device requests not redeemed yet.
SELECT end_tokens(:user, :application);

-- name: keep_tokens
-- Say whether a password written later in this transaction is only rehashed ('yes': keeps the tokens) or new ('').
SELECT set_config('savannah.same_password', :rehashed, true);

-- name: find_family
-- The family of a refresh token, or of the access token that was issued beside it. A token never changes its family.
SELECT r.token_family::text
FROM oauth2_provider_refreshtoken r
WHERE r.token_checksum = :checksum AND r.application_id = :application
UNION ALL
SELECT r.token_family::text
FROM oauth2_provider_accesstoken a
JOIN oauth2_provider_refreshtoken r ON r.access_token_id = a.id
WHERE a.token_checksum = :checksum AND r.application_id = :application
LIMIT 1;

-- name: open_device
-- Store a device's request for access (RFC 8628).
INSERT INTO oauth2_provider_devicegrant (device_code, user_code, client_id, scope, interval, expires, status, last_checked)
VALUES (:checksum, :user_code, :client_id, :scope, :interval, now() + make_interval(secs => :seconds),
        'authorization-pending', 'epoch');

-- name: find_device
-- The application and the scopes of a device that waits for an answer.
SELECT a.name, d.scope, a.allowed_scopes
FROM oauth2_provider_devicegrant d
JOIN applications a ON a.client_id = d.client_id
WHERE d.user_code = :user_code AND d.status = 'authorization-pending' AND d.expires > now();

-- name: answer_device
-- Store a user's answer to a device; only the first answer counts.
UPDATE oauth2_provider_devicegrant
SET status = :status, user_id = :user
WHERE user_code = :user_code AND status = 'authorization-pending' AND expires > now()
RETURNING id;

-- name: poll_device
-- The answer to a device that polls, with its user and scopes; 'authorized' is answered only once.
WITH was AS (
    SELECT id, status, expires, last_checked, interval, user_id, scope
    FROM oauth2_provider_devicegrant
    WHERE device_code = :checksum AND client_id = :client_id
    FOR UPDATE
), seen AS (
    UPDATE oauth2_provider_devicegrant d
    SET last_checked = now(),
        status = CASE WHEN was.status = 'authorized' AND was.expires > now() THEN 'redeemed' ELSE was.status END
    FROM was
    WHERE d.id = was.id
)
SELECT CASE
    WHEN status = 'redeemed' THEN NULL
    WHEN expires <= now() THEN 'expired_token'
    WHEN status = 'denied' THEN 'access_denied'
    WHEN status = 'authorized' THEN 'authorized'
    -- A second's grace: clients count the interval from when they got the last answer, and networks differ.
    WHEN last_checked > now() - make_interval(secs => interval - 1) THEN 'slow_down'
    ELSE 'authorization_pending'
END, user_id, scope
FROM was;

-- name: clear_devices
-- Delete expired device requests, an hour late: until then a device is told that its code has expired.
DELETE FROM oauth2_provider_devicegrant WHERE expires < now() - interval '1 hour';
