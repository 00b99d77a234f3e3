/**
 * Passwords as they stand in a file: hashed by scrypt (RFC 7914), in the form that the PHC string
 * format gives it: `$scrypt$ln=15,r=8,p=3$salt$hash`, salt and hash in base64 without padding.
 *
 * The rule this file keeps: a hash takes a while and some memory, on purpose, so it is made off the
 * event loop, and what a file may ask for has bounds.
 *
 * Why scrypt: Node has it, on every version we run on, and makes it in its pool of threads. bcrypt
 * without a native build holds the event loop of a worker for some 60 ms a try, and argon2 is in
 * Node from 24 on only.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import type { PasswordHash } from './wireEdge.ts';

/** As OWASP has it for scrypt: 32 MiB and some 200 ms of one core. */
const cost = { ln: 15, r: 8, p: 3 };
const hashBytes = 32;
const form =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, hashBytes, cost);
  const { ln, r, p } = cost;
  return `$scrypt$ln=${ln},r=${r},p=${p}$${bare(salt)}$${bare(hash)}`;
}

/** @returns null where it is no hash of this form, or one that would take too little or too much. */
export function parsePasswordHash(text: string): PasswordHash | null {
  const found = form.exec(text);
  if (found === null) return null;
  const [, lnText, rText, pText, salt = '', hash = ''] = found;
  const [ln, r, p] = [Number(lnText), Number(rText), Number(pText)];
  const bounded = ln >= 12 && ln <= 17 && r >= 1 && r <= 8 && p >= 1 && p <= 4;
  return bounded ? { ln, r, p, salt, hash } : null;
}

/** Whether it is that password. Takes the same time whatever the answer is. */
export async function isPassword(password: string, of: PasswordHash): Promise<boolean> {
  const wanted = Buffer.from(of.hash, 'base64');
  const got = await derive(password, Buffer.from(of.salt, 'base64'), wanted.length, of);
  return timingSafeEqual(got, wanted);
}

function derive(
  password: string,
  salt: Buffer,
  bytes: number,
  { ln, r, p }: Pick<PasswordHash, 'ln' | 'r' | 'p'>,
): Promise<Buffer> {
  const N = 2 ** ln;
  // What it needs is 128 * N * r, and some; by default Node takes 32 MiB for too much.
  const options = { N, r, p, maxmem: 256 * N * r };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, bytes, options, (failed, key) => {
      if (failed === null) resolve(key);
      else reject(failed);
    });
  });
}

function bare(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
