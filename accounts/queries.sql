-- Who may call.

-- name: find_bearer
-- The active user of an unexpired access token, by the token's SHA-256, with their rights; a machine's token acts for its
-- application's user.
SELECT u.id, u.username, u.is_superuser, t.scope, a.client_id, a.allowed_scopes,
       ARRAY(SELECT rights_of(u.id, :default_role))
FROM oauth2_provider_accesstoken t
LEFT JOIN applications a ON a.id = t.application_id
JOIN auth_user u ON u.id = coalesce(t.user_id, a.user_id)
WHERE t.token_checksum = :checksum AND t.expires > now() AND u.is_active;

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
    LIMIT 2000
) page;
