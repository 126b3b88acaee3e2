// openid-client 5 as an application uses it: prints where to sign in, reads where the browser came back to.
import { createInterface } from "node:readline/promises";
import { custom, Issuer, generators } from "openid-client-5";

custom.setHttpOptionsDefaults({ timeout: 60_000 }); // 3.5 s by default: too little for a busy machine

const { issuer: address, client_id, secret, algorithm, redirect_uri } = JSON.parse(process.argv[2]);
const issuer = await Issuer.discover(address);
const client = new issuer.Client({
  client_id,
  ...(secret ? { client_secret: secret } : { token_endpoint_auth_method: "none" }),
  id_token_signed_response_alg: algorithm,
  redirect_uris: [redirect_uri],
  response_types: ["code"],
});
const checks = { state: generators.state(), nonce: generators.nonce(), code_verifier: generators.codeVerifier() };
console.log(client.authorizationUrl({
  scope: "openid profile email",
  state: checks.state,
  nonce: checks.nonce,
  code_challenge: generators.codeChallenge(checks.code_verifier),
  code_challenge_method: "S256",
  max_age: 600,
}));
const back = await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next();
const tokens = await client.callback(redirect_uri, client.callbackParams(back.value), { ...checks, max_age: 600 });
const userinfo = await client.userinfo(tokens);
const renewed = await client.refresh(tokens);
const active = secret ? (await client.introspect(renewed.access_token)).active : true;
await client.revoke(renewed.access_token, "access_token");
const logout = client.endSessionUrl({
  id_token_hint: renewed.id_token,
  post_logout_redirect_uri: new URL("/", redirect_uri).href,
  state: "bye",
});
console.log(JSON.stringify({ claims: tokens.claims(), userinfo, active, revoked: renewed.access_token, logout }));
process.exit();
