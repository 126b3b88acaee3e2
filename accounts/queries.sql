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
