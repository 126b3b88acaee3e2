// openid-client 6 as an application uses it: prints where to sign in, reads where the browser came back to.
import { createInterface } from "node:readline/promises";
import * as oidc from "openid-client-6";

const { issuer, client_id, secret, algorithm, redirect_uri } = JSON.parse(process.argv[2]);
const config = await oidc.discovery(
  new URL(issuer),
  client_id,
  { id_token_signed_response_alg: algorithm },
  secret ? oidc.ClientSecretPost(secret) : oidc.None(),
  { execute: [oidc.allowInsecureRequests] },
);
if (algorithm === "RS256") oidc.enableNonRepudiationChecks(config); // verifies signatures, by the published keys
const checks = {
  pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
  expectedState: oidc.randomState(),
  expectedNonce: oidc.randomNonce(),
  maxAge: 600,
};
console.log(oidc.buildAuthorizationUrl(config, {
  redirect_uri,
  scope: "openid profile email",
  state: checks.expectedState,
  nonce: checks.expectedNonce,
  code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
  code_challenge_method: "S256",
  max_age: "600",
}).href);
const back = await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next();
const tokens = await oidc.authorizationCodeGrant(config, new URL(back.value), checks);
const claims = tokens.claims();
const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, claims.sub);
const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
const active = secret ? (await oidc.tokenIntrospection(config, renewed.access_token)).active : true;
await oidc.tokenRevocation(config, renewed.access_token);
const logout = oidc.buildEndSessionUrl(config, {
  id_token_hint: renewed.id_token,
  post_logout_redirect_uri: new URL("/", redirect_uri).href,
  state: "bye",
}).href;
console.log(JSON.stringify({ claims, userinfo, active, revoked: renewed.access_token, logout }));
process.exit();
