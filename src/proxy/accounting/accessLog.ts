/**
 * The access log: one JSON line an exchange.
 *
 * The rule this file keeps: what a line says of a request is bounded in size and holds no secret:
 * never a header but the request id, and of the path nothing behind the question mark.
 */
import type { Sink } from '../../log.ts';
import type { Edge } from '../../wire.ts';
import type { Cut, Ending } from '../balancing/lease.ts';
import type { Exchange } from './exchange.ts';

/** Longer paths and hosts are cut there, so that a line fits into one write to a pipe. */
const fieldCharsMax = 512;

export class AccessLog {
  readonly #sink: Pick<Sink, 'line' | 'dropped'>;

  constructor(sink: Pick<Sink, 'line' | 'dropped'>) {
    this.#sink = sink;
  }

  /** Lines that nobody took in time. */
  get dropped(): number {
    return this.#sink.dropped;
  }

  /** @param which `errors`: only answers of 500 and above, and exchanges that did not end well. */
  write(
    which: Edge['accessLog'],
    exchange: Exchange,
    ms: number,
    upstreamMs: number,
    ending: Ending | Cut,
  ): void {
    if (which === 'off') return;
    const well = ending === 'finished' && exchange.status < 500 && exchange.fault === null;
    if (which === 'errors' && well) return;
    const { lease } = exchange;
    this.#sink.line({
      type: 'access',
      id: exchange.id,
      service: exchange.service?.name ?? null,
      color: lease?.pool.color ?? null,
      release: lease?.pool.release ?? null,
      generation: lease?.generation ?? null,
      target: lease?.target.id ?? null,
      kind: lease?.kind ?? null,
      lane: exchange.lane,
      client: exchange.client,
      method: exchange.method.slice(0, 32),
      host: exchange.host.slice(0, fieldCharsMax),
      path: pathOf(exchange.path),
      status: exchange.status,
      bytesIn: exchange.bytesIn,
      bytesOut: exchange.bytesOut,
      ms: round(ms),
      upstreamMs: round(upstreamMs),
      retries: exchange.retries,
      retryReason: exchange.retryReason,
      ending,
      fault: exchange.fault,
    });
  }
}

function pathOf(target: string): string {
  const query = target.indexOf('?');
  return (query === -1 ? target : `${target.slice(0, query)}?…`).slice(0, fieldCharsMax);
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
