/**
 * The admin API as the CLI calls it.
 *
 * The rule this file keeps: whatever goes wrong becomes a `Failure` that says which URL was tried
 * and what to do; a call that changes something carries a key, so it can be sent again when its
 * answer was lost.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, pause } from '../clock.ts';
import type { PointsmanEvent } from '../control/model/api.ts';
import { exitOf, exits, Failure } from './exits.ts';
import { messagesOf } from './sse.ts';
import { clean } from './text.ts';

/** How often a call whose connection broke is sent again under its key, and after which pause. */
const sendsMax = 3;
const sendAgainMs = 300;
/** Without even a heartbeat for so long, whatever is at the other end has gone. */
const silenceMs = 45_000;

export interface ClientOptions {
  /** http or https, without a slash at the end. */
  readonly url: string;
  readonly token: string | null;
  readonly clock: Clock;
  /** Ends every call; its reason is thrown. */
  readonly stop: AbortSignal;
  /** Whether texts are kept as they came, for `--json`. */
  readonly raw: boolean;
}

export interface Sent {
  readonly body?: object;
  readonly generation?: number | null;
  /** Statuses besides 2xx that are answers here and no refusals. */
  readonly also?: readonly number[];
}

export interface Reply<T> {
  readonly status: number;
  readonly body: T;
}

export interface EventsQuery {
  readonly service?: string;
  readonly after: number | null;
  readonly follow: boolean;
}

export interface EventStream {
  readonly events: AsyncGenerator<PointsmanEvent>;
  end(): void;
}

export class Client {
  readonly url: string;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.url = options.url;
    this.#options = options;
  }

  /** @throws Failure */
  async call<T>(method: string, path: string, sent: Sent = {}): Promise<Reply<T>> {
    const headers: Record<string, string> = { accept: 'application/json', ...this.#credentials() };
    if (sent.body) headers['content-type'] = 'application/json';
    if (method !== 'GET') headers['idempotency-key'] = randomUUID();
    if (typeof sent.generation === 'number') headers['if-match'] = `"${sent.generation}"`;
    const init: RequestInit = { method, headers, redirect: 'manual' };
    if (sent.body) init.body = JSON.stringify(sent.body);
    for (let sends = 1; ; sends++) {
      try {
        const res = await this.#fetch(path, init);
        return { status: res.status, body: await this.#read<T>(res, sent.also ?? []) };
      } catch (thrown) {
        const failure = this.#failureOf(thrown);
        // A controller that has only just come back did not do anything yet; it will in a moment.
        if (isStarting(failure)) sends = 0;
        else if (failure !== lost || sends === sendsMax) throw this.#unreachable(thrown, failure);
        await pause(this.#options.clock, sendAgainMs, this.#options.stop);
      }
    }
  }

  /**
   * Opens a stream of events; resolves once it is open.
   *
   * @param query.after null: from now on.
   * @throws Failure; exit 4 where it cannot be opened, and from the stream when it breaks.
   */
  async open(query: EventsQuery): Promise<EventStream> {
    const params = new URLSearchParams({ follow: String(query.follow) });
    if (query.service !== undefined) params.set('service', query.service);
    if (query.after !== null) params.set('after', String(query.after));
    const ended = new AbortController();
    const silence = new Silence(this.#options.clock, () => ended.abort(new Error('silence')));
    const end = (): void => {
      this.#options.stop.removeEventListener('abort', end);
      silence.end();
      ended.abort();
    };
    // Whoever reads may have stopped in mid-stream: the timer must not outlive the command.
    this.#options.stop.addEventListener('abort', end, { once: true });
    try {
      const res = await this.#fetch(`/v1/events?${params}`, {
        headers: { accept: 'text/event-stream', ...this.#credentials() },
        redirect: 'manual',
        signal: AbortSignal.any([ended.signal, this.#options.stop]),
      });
      const isStream = res.headers.get('content-type')?.startsWith('text/event-stream');
      if (!res.ok) await this.#read(res, []);
      if (!isStream || !res.body) throw this.#notPointsman(res.status, 'no stream of events');
      // Held by its reader from here on: fetch cancels a body that nobody reads once the garbage
      // collector finds its Response.
      const chunks = res.body.values();
      return { events: this.#eventsOf(silence.over(chunks)), end };
    } catch (thrown) {
      end();
      throw this.#unreachable(thrown, this.#failureOf(thrown));
    }
  }

  async *#eventsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<PointsmanEvent> {
    try {
      for await (const { data } of messagesOf(chunks)) yield this.#parse(data) as PointsmanEvent;
    } catch (thrown) {
      throw this.#unreachable(thrown, this.#failureOf(thrown));
    }
  }

  #credentials(): Record<string, string> {
    const { token } = this.#options;
    return token === null ? {} : { authorization: `Bearer ${token}` };
  }

  #fetch(path: string, init: RequestInit): Promise<Response> {
    return fetch(`${this.url}${path}`, { signal: this.#options.stop, ...init });
  }

  async #read<T>(res: Response, also: readonly number[]): Promise<T> {
    const text = await res.text();
    const type = res.headers.get('content-type') ?? '';
    if (res.ok || also.includes(res.status)) {
      if (type.includes('application/json')) return this.#parse(text) as T;
    } else if (type.includes('application/problem+json')) {
      const problem = this.#parse(text) as { code?: unknown; detail?: unknown };
      const code = String(problem.code);
      throw new Failure(exitOf(code, res.status), String(problem.detail), problem);
    }
    throw this.#notPointsman(res.status, type);
  }

  #notPointsman(status: number, type: string): Failure {
    return new Failure(
      exits.unreachable,
      `What answers at ${this.url} is not Pointsman's admin API (HTTP ${status}, ${
        clean(type) || 'no content type'
      }). Set --admin or POINTSMAN_ADMIN to the address of admin.listen.`,
    );
  }

  #parse(text: string): unknown {
    if (this.#options.raw) return JSON.parse(text);
    return JSON.parse(text, (_key, value) => (typeof value === 'string' ? clean(value) : value));
  }

  /** A failure that is one already, or whether the call was refused or lost on its way. */
  #failureOf(thrown: unknown): Failure | typeof refused | typeof lost {
    if (this.#options.stop.aborted) {
      const reason: unknown = this.#options.stop.reason;
      if (reason instanceof Failure) return reason;
    }
    if (thrown instanceof Failure) return thrown;
    const code = codeOf(thrown);
    return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT'].includes(code) ? refused : lost;
  }

  #unreachable(thrown: unknown, failure: Failure | typeof refused | typeof lost): Failure {
    if (failure instanceof Failure) return failure;
    const code = codeOf(thrown);
    const what = wordsOf[code] ?? code;
    return new Failure(
      exits.unreachable,
      `Is Pointsman running? Tried ${this.url}: ${what}. --admin or POINTSMAN_ADMIN names another address.`,
      { code: 'UNREACHABLE', detail: `Tried ${this.url}: ${what}.` },
    );
  }
}

const wordsOf: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  ENOTFOUND: 'there is no such host',
  ETIMEDOUT: 'nobody answered',
  UND_ERR_CONNECT_TIMEOUT: 'nobody answered',
};

const refused = 'refused';
const lost = 'lost';

function isStarting(failure: Failure | typeof refused | typeof lost): boolean {
  return failure instanceof Failure && (failure.problem as { code?: unknown }).code === 'STARTING';
}

/** Ends a stream on which nothing comes any more. */
class Silence {
  readonly #clock: Clock;
  readonly #silent: () => void;
  #cancel: () => void;

  constructor(clock: Clock, silent: () => void) {
    this.#clock = clock;
    this.#silent = silent;
    this.#cancel = clock.after(silenceMs, silent);
  }

  async *over(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.#cancel();
      this.#cancel = this.#clock.after(silenceMs, this.#silent);
      yield chunk;
    }
  }

  end(): void {
    this.#cancel();
  }
}

/**
 * What fetch hides in causes of causes, and in lists of errors where a name had several addresses.
 */
function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { code } = thrown as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return codeOf(thrown.errors[0]);
  return thrown.cause === undefined ? clean(thrown.message) : codeOf(thrown.cause);
}
