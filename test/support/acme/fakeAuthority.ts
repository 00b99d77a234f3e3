/**
 * A small authority on loopback that plays what a test wants it to play: storms of refused nonces,
 * limits, answers that are none, bodies without an end, windows for renewal.
 *
 * The rule this file keeps: it checks what a client sends as a real one would (nonces are used
 * once, signatures hold, the url that was signed is the one that was asked), and counts it.
 */

import { execFile } from 'node:child_process';
import { createHash, createHmac, createPublicKey, randomBytes, verify } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

export interface Asked {
  readonly path: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>> | null;
}

export interface FakeAuthority {
  readonly directory: string;
  readonly asked: readonly Asked[];
  /** Payloads of newOrder that were taken. */
  readonly orders: readonly Readonly<Record<string, unknown>>[];
  /** Of the challenges, in the order in which they were said to be answered. */
  readonly challenged: readonly string[];
  readonly play: Play;
  /** PEM: the root of what it signs. */
  readonly root: string;
  /** Ends it; nothing listens at its address any more. */
  down(): Promise<void>;
  up(): Promise<void>;
}

/** What is played; a test sets it at any time. */
export interface Play {
  meta: Record<string, unknown>;
  renewalInfo: boolean;
  /** ISO times; null: 404. */
  window: { start: string; end: string } | null;
  /** So many of the next signed requests get badNonce. */
  badNonces: number;
  /** Takes the answer into its own hands: true where it did. */
  instead: ((path: string, res: http.ServerResponse) => boolean) | null;
  /** What a validation comes to, by the type of the challenge. */
  validation: (type: string) => 'valid' | Record<string, unknown>;
  /** An order stays `processing` for so many looks. */
  processing: number;
  /** How long what it signs lasts. */
  days: number;
  binding: { kid: string; hmacKey: string } | null;
}

interface Order {
  readonly id: string;
  readonly names: readonly string[];
  status: string;
  challenge: { status: string; error?: unknown; type: string }[];
  cert: string | null;
  looks: number;
}

const run = promisify(execFile);

export async function fakeAuthority(): Promise<FakeAuthority> {
  const dir = mkdtempSync(join(tmpdir(), 'authority-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-keyout', join(dir, 'ca.key'), '-out', join(dir, 'ca.pem'), '-days', '30'],
    ...['-subj', '/CN=A small authority'],
  ]);
  const nonces = new Set<string>();
  const accounts = new Map<string, object>();
  const orders: Order[] = [];
  const asked: Asked[] = [];
  const taken: Record<string, unknown>[] = [];
  const challenged: string[] = [];
  const play: Play = {
    meta: {},
    renewalInfo: true,
    window: null,
    badNonces: 0,
    instead: null,
    validation: () => 'valid',
    processing: 0,
    days: 90,
    binding: null,
  };
  let base = '';

  const nonce = (): string => {
    const fresh = randomBytes(12).toString('base64url');
    nonces.add(fresh);
    return fresh;
  };
  const say = (
    res: http.ServerResponse,
    status: number,
    body: unknown,
    headers: http.OutgoingHttpHeaders = {},
  ) => {
    res.writeHead(status, {
      'content-type': 'application/json',
      'replay-nonce': nonce(),
      ...headers,
    });
    res.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  const refuse = (res: http.ServerResponse, status: number, type: string, detail = type) =>
    say(res, status, { type: `urn:ietf:params:acme:error:${type}`, detail });

  const shownOrder = (order: Order) => ({
    status: order.status,
    authorizations: order.names.map((_, at) => `${base}/authz/${order.id}/${at}`),
    finalize: `${base}/finalize/${order.id}`,
    ...(order.cert === null ? {} : { certificate: `${base}/cert/${order.id}` }),
  });

  const signed = async (order: Order, csr: Buffer): Promise<string> => {
    const file = join(dir, `${order.id}.csr`);
    writeFileSync(file, csr);
    await run('openssl', ['req', '-inform', 'der', '-in', file, '-verify', '-noout']);
    const extensions = join(dir, `${order.id}.ext`);
    const names = order.names.map((name) => `DNS:${name}`).join(',');
    writeFileSync(extensions, `subjectAltName=${names}\nauthorityKeyIdentifier=keyid\n`);
    const { stdout } = await run('openssl', [
      ...['x509', '-req', '-inform', 'der', '-in', file, '-days', String(play.days)],
      ...['-CA', join(dir, 'ca.pem'), '-CAkey', join(dir, 'ca.key')],
      ...['-set_serial', `0x4${randomBytes(8).toString('hex')}`, '-extfile', extensions],
    ]);
    return stdout + readFileSync(join(dir, 'ca.pem'), 'utf8');
  };

  const signedCall = async (req: http.IncomingMessage, res: http.ServerResponse, text: string) => {
    const path = req.url ?? '';
    const jws = JSON.parse(text) as { protected: string; payload: string; signature: string };
    const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
    const header = decode(jws.protected);
    const payload = jws.payload === '' ? null : decode(jws.payload);
    if (header.url !== base + path) return refuse(res, 400, 'unauthorized', 'url');
    if (!nonces.delete(header.nonce)) return refuse(res, 400, 'badNonce');
    if (play.badNonces > 0) {
      play.badNonces--;
      return refuse(res, 400, 'badNonce', 'played');
    }
    const jwk = header.jwk ?? accounts.get(header.kid);
    if (jwk === undefined) return refuse(res, 400, 'accountDoesNotExist');
    const holds = verify(
      'sha256',
      Buffer.from(`${jws.protected}.${jws.payload}`),
      { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' },
      Buffer.from(jws.signature, 'base64url'),
    );
    if (!holds) return refuse(res, 400, 'malformed', 'signature');
    asked.push({ path, header, payload });
    const [, what, id = '', at = '0'] = path.split('/');
    if (what === 'new-account') {
      if (play.binding !== null && !boundBy(payload?.externalAccountBinding, play.binding)) {
        return refuse(res, 401, 'externalAccountRequired');
      }
      const thumb = createHash('sha256').update(JSON.stringify(jwk)).digest('hex').slice(0, 8);
      const known = accounts.has(`${base}/account/${thumb}`);
      accounts.set(`${base}/account/${thumb}`, jwk);
      const location = `${base}/account/${thumb}`;
      return say(res, known ? 200 : 201, { status: 'valid' }, { location });
    }
    if (what === 'new-order') {
      taken.push(payload);
      const names = payload.identifiers.map(({ value }: { value: string }) => value);
      const challenge = names.map(() => ({ status: 'pending', type: '' }));
      const order = {
        id: `${orders.length}`,
        names,
        status: 'pending',
        challenge,
        cert: null,
        looks: 0,
      };
      orders.push(order);
      return say(res, 201, shownOrder(order), { location: `${base}/order/${order.id}` });
    }
    const order = orders[Number(id)];
    if (order === undefined) return refuse(res, 404, 'malformed', 'no such order');
    const one = order.challenge[Number(at)] ?? { status: 'pending', type: '' };
    if (what === 'order') {
      const signing = order.status === 'processing' && order.cert !== null;
      if (signing && order.looks++ >= play.processing) order.status = 'valid';
      return say(res, 200, shownOrder(order));
    }
    if (what === 'authz') {
      if (payload?.status === 'deactivated') one.status = 'deactivated';
      const challenges = ['http-01', 'tls-alpn-01', 'dns-01'].map((type) => ({
        type,
        url: `${base}/challenge/${id}/${at}/${type}`,
        token: `token-${id}-${at}`,
        ...(one.type === type && one.error ? { error: one.error } : {}),
      }));
      const identifier = { type: 'dns', value: order.names[Number(at)] };
      return say(res, 200, { status: one.status, identifier, challenges });
    }
    if (what === 'challenge') {
      one.type = path.split('/')[4] ?? '';
      challenged.push(one.type);
      const outcome = play.validation(one.type);
      one.status = outcome === 'valid' ? 'valid' : 'invalid';
      if (outcome !== 'valid') one.error = outcome;
      if (order.challenge.every(({ status }) => status === 'valid')) order.status = 'ready';
      if (one.status === 'invalid') order.status = 'invalid';
      return say(res, 200, {});
    }
    if (what === 'finalize') {
      if (order.status !== 'ready') return refuse(res, 403, 'orderNotReady');
      order.status = 'processing';
      order.cert = await signed(order, Buffer.from(payload.csr, 'base64url'));
      return say(res, 200, { ...shownOrder(order), certificate: undefined });
    }
    if (what === 'cert') return say(res, 200, order.cert ?? '');
    return refuse(res, 404, 'malformed');
  };

  const server = http.createServer((req, res) => {
    const path = req.url ?? '';
    let text = '';
    req.on('data', (chunk) => {
      text += chunk;
    });
    req.on('end', () => {
      if (play.instead?.(path, res)) return;
      if (req.method === 'POST') return void signedCall(req, res, text);
      if (path === '/nonce') return say(res, 200, '');
      if (path === '/directory') {
        return say(res, 200, {
          newNonce: `${base}/nonce`,
          newAccount: `${base}/new-account`,
          newOrder: `${base}/new-order`,
          ...(play.renewalInfo ? { renewalInfo: `${base}/renewal` } : {}),
          meta: play.meta,
        });
      }
      if (path.startsWith('/renewal/') && play.window !== null) {
        asked.push({ path, header: {}, payload: null });
        return say(res, 200, { suggestedWindow: play.window }, { 'retry-after': '21600' });
      }
      return refuse(res, 404, 'malformed', 'nothing here');
    });
  });
  const listen = (port: number) =>
    new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  base = `http://127.0.0.1:${port}`;
  const down = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(() => (server.listening ? down() : undefined));
  return {
    directory: `${base}/directory`,
    asked,
    orders: taken,
    challenged,
    play,
    root: readFileSync(join(dir, 'ca.pem'), 'utf8'),
    down,
    up: () => listen(port),
  };
}

function boundBy(binding: unknown, { kid, hmacKey }: { kid: string; hmacKey: string }): boolean {
  const {
    protected: head = '',
    payload = '',
    signature,
  } = (binding ?? {}) as Record<string, string>;
  const mac = createHmac('sha256', Buffer.from(hmacKey, 'base64url'));
  const known = head !== '' && JSON.parse(Buffer.from(head, 'base64url').toString()).kid === kid;
  return known && mac.update(`${head}.${payload}`).digest('base64url') === signature;
}
