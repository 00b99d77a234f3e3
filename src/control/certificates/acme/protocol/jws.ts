/**
 * Signed requests of an ACME account (RFC 7515 as RFC 8555, 6.2 wants it), over `node:crypto`.
 *
 * The rule this file keeps: the account's key never leaves it but as the PEM that is stored. The
 * signature is ES256, which every authority must take; the account's key has nothing to do with
 * those of certificates.
 */
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
} from 'node:crypto';

export interface Jwk {
  readonly crv: string;
  readonly kty: string;
  readonly x: string;
  readonly y: string;
}

export interface Jws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

/** The key of an account. */
export interface AccountKey {
  readonly jwk: Jwk;
  /** RFC 7638: what challenges are answered with. */
  readonly thumbprint: string;
  /** @param payload null: an empty one, which asks and changes nothing (POST-as-GET). */
  sign(header: Readonly<Record<string, unknown>>, payload: object | null): Jws;
}

/** @returns PKCS #8 PEM. */
export function newAccountKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

export function accountKey(pem: string): AccountKey {
  const key = createPrivateKey(pem);
  const { crv = '', kty = '', x = '', y = '' } = createPublicKey(key).export({ format: 'jwk' });
  // In the order of the alphabet: the thumbprint is over these bytes (RFC 7638, 3).
  const jwk = { crv, kty, x, y };
  const thumbprint = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url');
  return {
    jwk,
    thumbprint,
    sign(header, payload) {
      const { text, ...parts } = encoded({ alg: 'ES256', ...header }, payload);
      const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
      return { ...parts, signature: signature.toString('base64url') };
    },
  };
}

/**
 * Binds a new account to one that the authority knows already (RFC 8555, 7.3.4).
 *
 * @param hmacKey base64url, as authorities hand it out; plain base64 is taken too.
 * @param url of newAccount.
 */
export function externalBinding(kid: string, hmacKey: string, url: string, jwk: Jwk): Jws {
  const { text, ...parts } = encoded({ alg: 'HS256', kid, url }, jwk);
  const secret = Buffer.from(hmacKey, 'base64url');
  return { ...parts, signature: createHmac('sha256', secret).update(text).digest('base64url') };
}

/** What a challenge is answered with (RFC 8555, 8.1). */
export function keyAuthorization(token: string, key: AccountKey): string {
  return `${token}.${key.thumbprint}`;
}

/** What stands in the certificate that answers tls-alpn-01 (RFC 8737, 3). */
export function challengeDigest(authorization: string): Buffer {
  return createHash('sha256').update(authorization).digest();
}

function encoded(header: object, payload: object | null) {
  const parts = {
    protected: Buffer.from(JSON.stringify(header)).toString('base64url'),
    payload: payload === null ? '' : Buffer.from(JSON.stringify(payload)).toString('base64url'),
  };
  return { ...parts, text: `${parts.protected}.${parts.payload}` };
}
