/**
 * The load of `verify`: clients that keep their connections and never retry, at a bounded rate.
 *
 * The rule this file keeps: whatever a client of the service would have noticed is counted: an
 * answer of 500 and more, none at all, and a connection that was closed between two requests.
 */
import http from 'node:http';
import https from 'node:https';
import { type Clock, pause } from '../clock.ts';
import { reasonOf } from '../errors.ts';

export interface LoadWish {
  readonly url: URL;
  /** The Host that is asked for; null: the URL's. */
  readonly host: string | null;
  readonly clients: number;
  /** Requests a second, of all clients together. */
  readonly rate: number;
}

export interface LoadResult {
  readonly requests: number;
  /** What was wrong, each in a few words. */
  readonly failures: readonly string[];
  /** Connections beyond the first of each client. */
  readonly reconnects: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const answerMsMax = 30_000;

export class VerifyLoad {
  readonly #wish: LoadWish;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #tookMs: number[] = [];
  readonly #failures: string[] = [];
  readonly #visitors: Promise<void>[] = [];
  #connections = 0;

  constructor(wish: LoadWish, clock: Clock) {
    this.#wish = wish;
    this.#clock = clock;
  }

  start(): void {
    const { clients, rate } = this.#wish;
    const eachMs = (clients / rate) * 1_000;
    for (let nth = 0; nth < clients; nth++) {
      this.#visitors.push(this.#visit((eachMs * nth) / clients, eachMs));
    }
  }

  /** Resolves once every request has been answered or has failed. */
  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#visitors);
  }

  /** Of all that is over by now. */
  result(): LoadResult {
    const sorted = this.#tookMs.toSorted((a, b) => a - b);
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return {
      requests: this.#tookMs.length + this.#failures.length,
      failures: [...this.#failures],
      reconnects: Math.max(0, this.#connections - this.#wish.clients),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: sorted.at(-1) ?? 0,
    };
  }

  async #visit(firstMs: number, eachMs: number): Promise<void> {
    const { protocol } = this.#wish.url;
    const options = { keepAlive: true, maxSockets: 1 };
    const agent = protocol === 'https:' ? new https.Agent(options) : new http.Agent(options);
    const { signal } = this.#stop;
    await this.#rest(firstMs);
    while (!signal.aborted) {
      const startedMs = this.#clock.now();
      const failure = await this.#ask(agent);
      if (failure === null) this.#tookMs.push(this.#clock.now() - startedMs);
      else this.#failures.push(failure);
      await this.#rest(startedMs + eachMs - this.#clock.now());
    }
    agent.destroy();
  }

  async #rest(ms: number): Promise<void> {
    if (ms > 0) await pause(this.#clock, ms, this.#stop.signal);
  }

  /** @returns null: it was answered well; else what was wrong. */
  #ask(agent: http.Agent): Promise<string | null> {
    const { url, host } = this.#wish;
    const request = url.protocol === 'https:' ? https.request : http.request;
    const options = { agent, ...(host === null ? {} : { headers: { host }, servername: host }) };
    return new Promise((resolve) => {
      const req = request(url, options);
      const cancel = this.#clock.after(answerMsMax, () => {
        req.destroy(new Error(`no answer within ${answerMsMax / 1_000} s`));
      });
      const over = (failure: string | null): void => {
        cancel();
        resolve(failure);
      };
      req.once('socket', () => {
        if (!req.reusedSocket) this.#connections += 1;
      });
      req.once('error', (error) => over(reasonOf(error)));
      req.once('response', (answer) => {
        const { statusCode = 0 } = answer;
        answer.resume();
        answer.once('error', (error) => over(reasonOf(error)));
        answer.once('end', () => {
          if (!answer.complete) over('the answer broke off');
          else over(statusCode >= 500 ? `status ${statusCode}` : null);
        });
      });
      req.end();
    });
  }
}
