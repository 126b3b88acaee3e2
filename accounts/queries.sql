-- Who may call.

-- name: find_bearer
-- The active user of an unexpired access token, by the token's SHA-256; a machine's token acts for its application's user.
SELECT u.id, u.username, t.scope
FROM oauth2_provider_accesstoken t
LEFT JOIN applications a ON a.id = t.application_id
JOIN auth_user u ON u.id = coalesce(t.user_id, a.user_id)
WHERE t.token_checksum = :checksum AND t.expires > now() AND u.is_active;
