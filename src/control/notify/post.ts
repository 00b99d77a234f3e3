/**
 * One notification on its way to one receiver, signed as https://www.standardwebhooks.com has it.
 *
 * The rule this file keeps: every try ends within a time, follows no redirect, and reads nothing of
 * an answer but its status. Of the receiver's URL, which may be a secret, only the host is shown.
 */
import { createHmac } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { Clock } from '../../clock.ts';
import type { NotifyFormat } from '../../config/config.ts';
import { reasonOf } from '../../errors.ts';
import type { Notification } from './notification.ts';
import { PrivateAddressError, publicLookup, refusePrivate } from './publicAddress.ts';

export interface Receiver {
  readonly url: string;
  readonly format: NotifyFormat;
  /** The key of the signature; null: none is sent. */
  readonly secret: Buffer | null;
  /** Whether it may have an address of a private network. */
  readonly private: boolean;
}

/** `again`: nobody took it, later perhaps; `refused`: it will never be taken. Why, for people. */
export type Outcome =
  | { readonly kind: 'taken' }
  | { readonly kind: 'again' | 'refused'; readonly why: string };

export interface Sender {
  readonly clock: Clock;
  readonly version: string;
  readonly signal: AbortSignal;
}

const tryMs = 10_000;

/** What a receiver is shown as. */
export function nameOf({ url }: Pick<Receiver, 'url'>): string {
  return new URL(url).host;
}

/** Never rejects. */
export async function post(
  receiver: Receiver,
  notification: Notification,
  sender: Sender,
): Promise<Outcome> {
  const url = new URL(receiver.url);
  try {
    if (!receiver.private) refusePrivate(url.hostname);
    return outcomeOf(await statusOf(url, receiver, notification, sender));
  } catch (thrown) {
    return {
      kind: thrown instanceof PrivateAddressError ? 'refused' : 'again',
      why: reasonOf(thrown),
    };
  }
}

function statusOf(
  url: URL,
  receiver: Receiver,
  notification: Notification,
  { clock, version, signal }: Sender,
): Promise<number> {
  const body = bodyOf(receiver.format, notification);
  const at = Math.floor(clock.date().getTime() / 1000);
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': `pointsman/${version}`,
    'webhook-id': notification.id,
    'webhook-timestamp': String(at),
    ...(receiver.secret === null
      ? {}
      : { 'webhook-signature': signatureOf(receiver.secret, notification.id, at, body) }),
  };
  const options = {
    method: 'POST',
    headers,
    signal,
    agent: false as const,
    ...(receiver.private ? {} : { lookup: publicLookup }),
  };
  return new Promise((resolve, reject) => {
    const req = (url.protocol === 'https:' ? https : http).request(url, options);
    const cancel = clock.after(tryMs, () => {
      req.destroy(new Error(`no answer within ${tryMs / 1000} s`));
    });
    req.once('close', cancel);
    req.once('error', reject);
    req.once('response', (answer) => {
      resolve(answer.statusCode ?? 0);
      answer.on('error', () => {});
      req.destroy();
    });
    req.end(body);
  });
}

/** RFC 9110, 15.5: a 4xx is the request's own fault, but of these three the receiver's moment. */
function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return { kind: 'taken' };
  const why = `it answered ${status}`;
  const moment = [408, 425, 429].includes(status);
  return status >= 300 && status < 500 && !moment
    ? { kind: 'refused', why }
    : { kind: 'again', why };
}

function bodyOf(format: NotifyFormat, notification: Notification): string {
  // Slack takes `text` alone; its three characters stand for markup.
  const plain = notification.text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
  return JSON.stringify(format === 'slack' ? { text: plain } : notification);
}

/** `v1,` and the base64 of HMAC-SHA256 over id, time and body. */
export function signatureOf(secret: Buffer, id: string, at: number, body: string): string {
  const mac = createHmac('sha256', secret).update(`${id}.${at}.${body}`).digest('base64');
  return `v1,${mac}`;
}
