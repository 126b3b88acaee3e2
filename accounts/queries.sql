-- Who may call.

-- name: find_bearer
-- The active user of an unexpired access token, by the token's SHA-256, with their rights; a machine's token acts for its
-- application's user. The rights come in an order, so that the row compares with itself (accounts/bearer.py, while_bearer).
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
-- The user that another issuer's token is of, with the rights of the roles that the token's groups map to.
SELECT u.id, u.username, u.is_superuser, u.is_active,
       ARRAY(SELECT rights_of(u.id, :roles::text[], CASE WHEN :roles::text[] IS NULL THEN :default_role END))
FROM identities i
JOIN auth_user u ON u.id = i.user_id
WHERE i.issuer = :issuer AND i.subject = :subject;

-- name: create_foreign_user
-- No row: somebody has the user name, or is the user already.
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
-- What the user's groups mean at this sign-in.
UPDATE identities SET roles = :roles::text[]
WHERE issuer = :issuer AND subject = :subject
RETURNING user_id, acting(:actor);

-- name: find_rights
-- What a user may do on pages.
SELECT ARRAY(SELECT rights_of(u.id, i.roles, CASE WHEN i.roles IS NULL THEN :default_role END))
FROM auth_user u
LEFT JOIN identities i ON i.user_id = u.id
WHERE u.id = :user_id;

-- name: remember_keys
-- The key set of another issuer, for a process that starts while the issuer is away.
INSERT INTO issuer_keys (issuer, document, fetched_at) VALUES (:issuer, :document::jsonb, now())
ON CONFLICT (issuer) DO UPDATE SET document = excluded.document, fetched_at = excluded.fetched_at
RETURNING issuer;

-- name: recall_keys
-- The key set that any process fetched last; no row: none ever did.
SELECT document::text FROM issuer_keys WHERE issuer = :issuer;

-- name: tell_who_acts
-- For the statements of this transaction that do not say it themselves.
SELECT acting(:actor);

-- name: note_sign_in
-- A sign-in, a sign-out or a failed attempt, in the history of the user whose name was given, if there is one.
INSERT INTO audit (actor_id, actor, action, subject, subject_id, after)
SELECT CASE WHEN :action <> 'sign_in_failed' THEN u.id END,
       CASE WHEN :action <> 'sign_in_failed' THEN u.username END,
       :action, 'auth_user', u.id,
       jsonb_strip_nulls(jsonb_build_object('username', u.username, 'address', :address::text))
FROM (SELECT) given LEFT JOIN auth_user u ON u.username = :username
RETURNING id;

-- name: list_audit
-- One page, newest first, as JSON objects joined by commas, with the key of its last row.
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
-- Entries that are old enough, a part of them at a time; how many those were.
SELECT audit_forget(make_interval(days => :days), :most);

-- name: keep_consent
-- What a user lets an application do, beside what they let it do before.
INSERT INTO consents AS c (user_id, application_id, scopes) VALUES (:user, :application, :scopes::text[])
ON CONFLICT (user_id, application_id) DO UPDATE
SET scopes = ARRAY(SELECT unnest(c.scopes) UNION SELECT unnest(excluded.scopes))
RETURNING c.id;

-- name: has_consented
-- Whether a user lets an application do all of this.
SELECT EXISTS (
    SELECT FROM consents c
    WHERE c.user_id = :user AND c.application_id = :application AND c.scopes @> :scopes::text[]
);

-- name: list_consents
-- Whom a user has let in; an application that has tokens without a consent is a device's.
SELECT a.id, a.name, coalesce(c.scopes, '{}')
FROM applications a
LEFT JOIN consents c ON c.application_id = a.id AND c.user_id = :user
WHERE c.id IS NOT NULL OR EXISTS (
    SELECT FROM oauth2_provider_refreshtoken r
    WHERE r.application_id = a.id AND r.user_id = :user AND r.revoked IS NULL
)
ORDER BY a.name, a.id;

-- name: withdraw_consent
-- Ask again the next time. The tokens that the application has are for end_tokens.
DELETE FROM consents WHERE user_id = :user AND application_id = :application RETURNING id;

-- name: lock_family
-- Let one transaction at a time rotate or end a family of refresh tokens.
SELECT pg_advisory_xact_lock(hashtextextended(:family, 0));

-- name: end_tokens
-- End every token that an application has of a user, and what it has yet to redeem: codes, devices let in.
SELECT end_tokens(:user, :application);

-- name: keep_tokens
-- From here on in this transaction, what is written as a user's password is the same one, hashed anew ('yes'), or not ('').
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
-- A device asks for somebody to let it in (RFC 8628).
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
-- Somebody's answer to a device; the first one counts.
UPDATE oauth2_provider_devicegrant
SET status = :status, user_id = :user
WHERE user_code = :user_code AND status = 'authorization-pending' AND expires > now()
RETURNING id;

-- name: poll_device
-- What a device is told that asks whether it was let in, and whom it acts for: once.
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
-- Requests of devices that are over; for an hour more, a device is told that it came too late.
DELETE FROM oauth2_provider_devicegrant WHERE expires < now() - interval '1 hour';
