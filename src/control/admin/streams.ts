/**
 * What happens, as server-sent events: `GET /v1/events`.
 *
 * The rule this file keeps: a reader that does not read costs a bounded amount of memory. An event
 * is written only when the socket takes it; what waits meanwhile is counted, and a reader that
 * falls too far behind, or takes nothing for `stalledMs`, is disconnected. It comes back with
 * Last-Event-ID and has missed nothing that is still kept.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../clock.ts';
import { Fault } from '../../errors.ts';
import type { Control, PointsmanEvent } from '../model/api.ts';
import type { Identity } from './authenticator.ts';
import type { Headers } from './call.ts';

/** Streams at once; a dashboard has one a tab. */
export const streamsMax = 128;
/** Those that holders of the reader's token may have of them; the rest is for operators. */
export const readersMax = 96;
/** Events that may wait for a reader, beside those replayed when it came. */
const waitingMax = 1000;
/** For how long a reader may take nothing while something waits. */
export const stalledMs = 30_000;
/** How often a comment is sent, so that both ends and all between see a living connection. */
export const heartbeatMs = 15_000;

export interface Wanted {
  /** Events above this id; null: only what is still to come. */
  readonly after: number | null;
  /** Only events of this service; null: all. */
  readonly service: string | null;
  readonly follow: boolean;
  /**
   * Also the live figures, as they are taken; what a slow reader misses of them is not kept for it.
   */
  readonly samples: boolean;
}

/**
 * Where a stream begins. Last-Event-ID, which a reader sends when it comes back, comes before the
 * query it first came with.
 *
 * @throws Fault CALL_INVALID
 */
export function afterOf(headers: Headers, query: { readonly after?: number }): number | null {
  const given = headers['last-event-id'];
  if (given === undefined || given === '') return query.after ?? null;
  if (typeof given === 'string' && /^\d+$/.test(given) && Number.isSafeInteger(Number(given))) {
    return Number(given);
  }
  throw new Fault('CALL_INVALID', 'Last-Event-ID is the id of an event: a whole number.');
}

export class Streams {
  readonly #control: Control;
  readonly #clock: Clock;
  readonly #readers = new Set<Reader>();

  constructor(control: Control, clock: Clock) {
    this.#control = control;
    this.#clock = clock;
  }

  get size(): number {
    return this.#readers.size;
  }

  /** @throws Fault RATE_LIMITED */
  admit(role: Identity['role']): void {
    const max = role === 'operator' ? streamsMax : readersMax;
    if (this.#readers.size < max) return;
    throw new Fault('RATE_LIMITED', `${max} streams follow the events already. Close one.`);
  }

  /** Sends the head and then events until either side ends it. */
  open(res: ServerResponse, wanted: Wanted): void {
    const reader = new Reader(res, this.#clock);
    this.#readers.add(reader);
    reader.begin(this.#control, wanted, () => this.#readers.delete(reader));
  }

  /** Ends all: at shutdown, and when the token has changed. */
  end(): void {
    for (const reader of this.#readers) reader.end();
  }
}

class Reader {
  readonly #res: ServerResponse;
  readonly #clock: Clock;
  #queue: PointsmanEvent[] = [];
  #blocked = false;
  #replaying = true;
  #last = false;
  #ended = false;
  #unsubscribe: () => void = () => {};
  #unsubscribeSamples: () => void = () => {};
  #stopHeartbeat: () => void = () => {};
  #stopStall: () => void = () => {};

  constructor(res: ServerResponse, clock: Clock) {
    this.#res = res;
    this.#clock = clock;
  }

  begin(control: Control, wanted: Wanted, gone: () => void): void {
    this.#res.once('close', () => {
      this.#stop();
      gone();
    });
    // A reader that goes away in mid-write is no more than gone.
    this.#res.on('error', () => this.#stop());
    this.#res.on('drain', () => {
      this.#blocked = false;
      this.#stopStall();
      this.#pump();
    });
    this.#res.write('retry: 1000\n: open\n\n');
    this.#unsubscribe = control.events.subscribe(
      wanted.after ?? Number.MAX_SAFE_INTEGER,
      (event) => {
        if (this.#last || (wanted.service !== null && !concerns(event, wanted.service))) return;
        this.#take(event);
      },
    );
    this.#replaying = false;
    // It may have gone away while it was being replayed to.
    if (this.#ended) {
      this.#unsubscribe();
      return;
    }
    this.#last = !wanted.follow;
    if (wanted.samples && wanted.follow && control.samples) {
      this.#unsubscribeSamples = control.samples.subscribe((sample) => {
        if (this.#blocked || this.#ended) return;
        this.#write(`event: sample\ndata: ${JSON.stringify(sample)}\n\n`);
      });
    }
    this.#beat();
    this.#pump();
  }

  end(): void {
    if (this.#ended) return;
    this.#stop();
    this.#res.end();
  }

  #take(event: PointsmanEvent): void {
    if (this.#ended) return;
    this.#queue.push(event);
    if (!this.#replaying && this.#queue.length > waitingMax) this.#cut();
    else this.#pump();
  }

  #pump(): void {
    let sent = 0;
    while (!this.#blocked && !this.#ended && sent < this.#queue.length) {
      const event = this.#queue[sent++];
      if (event) this.#write(textOf(event));
    }
    if (sent > 0) this.#queue = this.#queue.slice(sent);
    if (this.#last && this.#queue.length === 0) this.end();
  }

  #write(text: string): void {
    if (this.#res.write(text)) return;
    this.#blocked = true;
    this.#stopStall = this.#clock.after(stalledMs, () => this.#cut());
  }

  #beat(): void {
    this.#stopHeartbeat = this.#clock.after(heartbeatMs, () => {
      if (this.#ended) return;
      if (!this.#blocked) this.#write(': here\n\n');
      this.#beat();
    });
  }

  /** Ends a reader that does not read: it would not see a clean end either. */
  #cut(): void {
    this.#stop();
    this.#res.destroy();
  }

  #stop(): void {
    this.#ended = true;
    this.#queue = [];
    this.#unsubscribe();
    this.#unsubscribeSamples();
    this.#stopHeartbeat();
    this.#stopStall();
  }
}

/** Events of no service in particular concern all. */
function concerns(event: PointsmanEvent, service: string): boolean {
  return !('service' in event) || event.service === service;
}

function textOf(event: PointsmanEvent): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
