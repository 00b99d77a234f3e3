/**
 * Calls to the admin API, from the page.
 *
 * The rule this file keeps: whatever changes something names the generation the person was looking
 * at (If-Match) and carries a key of its own (Idempotency-Key), so that a second click, a second
 * tab or a retry after a lost answer can never do it twice. Nothing secret ever stands in a URL.
 */

/** An answer that is a refusal, or none at all; its message is meant for people. */
export class Refusal extends Error {
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** Of errors.ts; UNREACHABLE where there was no answer. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface Order {
  readonly method: 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  /** What the person saw; null for what belongs to no service. */
  readonly generation: number | null;
  /** From `newKey()`: one for each intention, kept over retries. */
  readonly key: string;
}

let csrf: string | null = null;
let refused: (status: number) => void = () => {};

/** @param token of the session, sent with everything that changes something; null: signed out. */
export function useCsrf(token: string | null): void {
  csrf = token;
}

/** Calls `listener` when an answer says that nobody is signed in. */
export function onUnauthorized(listener: (status: number) => void): void {
  refused = listener;
}

/** @throws Refusal */
export function read<T>(path: string): Promise<T> {
  return send<T>(path, { headers: { accept: 'application/json' } });
}

/** @throws Refusal */
export function act<T>(order: Order): Promise<T> {
  const headers: Record<string, string> = {
    accept: 'application/json',
    'content-type': 'application/json',
    'idempotency-key': order.key,
  };
  if (order.generation !== null) headers['if-match'] = `"${order.generation}"`;
  if (csrf !== null) headers['x-csrf-token'] = csrf;
  const body = JSON.stringify(order.body ?? {});
  return send<T>(order.path, { method: order.method, headers, body });
}

/**
 * 128 random bits. `crypto.randomUUID` is missing where the page is not served by TLS or loopback.
 */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The path of a service's resource, its name escaped. */
export function servicePath(service: string, rest = ''): string {
  return `v1/services/${encodeURIComponent(service)}${rest}`;
}

async function send<T>(path: string, init: RequestInit): Promise<T> {
  let res: Response;
  try {
    res = await fetch(path, { ...init, cache: 'no-store', credentials: 'same-origin' });
  } catch {
    throw new Refusal(0, 'UNREACHABLE', 'Pointsman did not answer. Trying again is safe.');
  }
  const text = await res.text().catch(() => '');
  const body = parse(text);
  if (res.ok) return body as T;
  if (res.status === 401) refused(res.status);
  const problem = (body ?? {}) as { code?: string; detail?: string; title?: string };
  const message = problem.detail ?? problem.title ?? `The answer was ${res.status}.`;
  throw new Refusal(res.status, problem.code ?? `HTTP_${res.status}`, message);
}

function parse(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
