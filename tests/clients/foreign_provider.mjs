// Another issuer: oidc-provider (certified), which gives JWT access tokens for our API (RFC 8707, RFC 9068), and whose
// users, whoever they say they are, sign in to our desk.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, audience, desk] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

const provider = new Provider(issuer, {
  clients: [{
    client_id: "till", client_secret: "secret", grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
  }, {
    client_id: "desk", client_secret: "secret", token_endpoint_auth_method: "client_secret_post",
    redirect_uris: [`${desk}/oidc/callback/`], post_logout_redirect_uris: [`${desk}/`],
  }],
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "rsa", use: "sig", alg: "RS256" }] },
  scopes: ["orders:read"],
  extraTokenClaims: () => ({ groups: ["tills"] }),
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        audience, scope: "orders:read", accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
