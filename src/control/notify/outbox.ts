/**
 * What one receiver is still to be told, in order.
 *
 * The rule this file keeps: a notification that was put in is on disk until the receiver has taken
 * it or refused it for good, and none is told before the one in front of it. What was told is known
 * by its id, so that it is put in once, over restarts too.
 */
import type { Clock } from '../../clock.ts';
import { reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { RecordFiles } from '../stores/recordFiles.ts';
import type { Notification } from './notification.ts';
import type { Outcome } from './post.ts';

/** More are lost, the oldest first: a receiver that is gone for good must not fill a disk. */
export const pendingMax = 1_000;
/** Ids that are remembered: those of many more deployments than a start looks back at. */
const toldMax = 1_000;
const firstWaitMs = 1_000;
const lastWaitMs = 5 * 60_000;

export interface OutboxOptions {
  /** The receiver, as it is shown. */
  readonly receiver: string;
  /** Of its record in `files`. */
  readonly file: string;
  readonly files: RecordFiles;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly send: (notification: Notification) => Promise<Outcome>;
  /** One has left, and how. */
  readonly left: (outcome: 'taken' | 'refused' | 'lost') => void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  #pending: Notification[] = [];
  #told: string[] = [];
  /** Until the record was read nothing may be written over it. */
  #opened = false;
  readonly #early: Notification[] = [];
  /** ISO 8601: what is older was there before the receiver was. */
  #since = '';
  #fails = 0;
  #sending = false;
  /** It waits to try again; what is put in meanwhile waits with it. */
  #waits = false;
  #closed = false;
  #saved: Promise<void> = Promise.resolve();
  /** A save has been asked for and has not begun: it will hold what is put in until then. */
  #saveWaits = false;
  #cancelRetry = (): void => {};

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#pending.length;
  }

  /** Reads what is on disk, and goes on. Never rejects: what cannot be read counts as none. */
  async open(): Promise<void> {
    const { files, file, clock, log } = this.#options;
    const record = await files.read(file).catch((thrown: unknown) => {
      log.warn({ file }, reasonOf(thrown));
      return null;
    });
    this.#since = String(record?.since ?? clock.date().toISOString());
    this.#pending = listIn<Notification>(record?.pending);
    this.#told = listIn<string>(record?.told);
    this.#opened = true;
    if (record === null) this.#save();
    for (const one of this.#early.splice(0)) this.put(one);
    this.#sendNext();
  }

  /** Once for each id, and not what is older than the receiver. */
  put(notification: Notification): void {
    const { id, at } = notification;
    if (!this.#opened) {
      this.#early.push(notification);
      return;
    }
    if (this.#closed || this.#told.includes(id)) return;
    if (this.#since > at || this.#pending.some((one) => one.id === id)) return;
    this.#pending.push(notification);
    if (this.#pending.length > pendingMax) {
      const [lost] = this.#pending.splice(this.#sending ? 1 : 0, 1);
      this.#leave(lost, 'lost');
    }
    this.#save();
    this.#sendNext();
  }

  /** Nothing more is sent; what is pending is on disk. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry();
    await this.#saved;
  }

  #sendNext(): void {
    const [next] = this.#pending;
    if (next === undefined || this.#sending || this.#waits || this.#closed) return;
    this.#sending = true;
    // On disk first: who is told may be told again, and must not be told of what is forgotten.
    void this.#saved
      .then(() => this.#options.send(next))
      .then((outcome) => this.#sent(next, outcome));
  }

  #sent(notification: Notification, outcome: Outcome): void {
    const { log, receiver, clock, random } = this.#options;
    this.#sending = false;
    if (outcome.kind !== 'again') {
      this.#fails = 0;
      this.#pending = this.#pending.filter((one) => one !== notification);
      this.#leave(notification, outcome.kind);
      if (outcome.kind === 'refused') {
        log.warn(
          { receiver, id: notification.id },
          `${receiver} refuses a notification: ${outcome.why}`,
        );
      }
      this.#save();
      this.#sendNext();
      return;
    }
    if (this.#closed) return;
    this.#fails += 1;
    if (this.#fails === 1) {
      log.warn({ receiver, id: notification.id }, `${receiver} is told later: ${outcome.why}`);
    }
    const waitMs = Math.min(firstWaitMs * 2 ** (this.#fails - 1), lastWaitMs);
    this.#waits = true;
    this.#cancelRetry = clock.after(waitMs * (0.75 + random() / 4), () => {
      this.#waits = false;
      this.#sendNext();
    });
  }

  #leave(notification: Notification | undefined, outcome: 'taken' | 'refused' | 'lost'): void {
    if (notification === undefined) return;
    this.#told = [...this.#told, notification.id].slice(-toldMax);
    this.#options.left(outcome);
  }

  /**
   * One after the other, and those that wait for their turn share one; what a disk does not take is
   * told all the same.
   */
  #save(): void {
    if (this.#saveWaits) return;
    this.#saveWaits = true;
    const { files, file, log } = this.#options;
    this.#saved = this.#saved
      .then(() => {
        this.#saveWaits = false;
        const record = { since: this.#since, pending: this.#pending, told: this.#told };
        return files.write(file, record);
      })
      .catch((thrown: unknown) => log.warn({ file }, reasonOf(thrown)));
  }
}

function listIn<T>(value: unknown): T[] {
  return Array.isArray(value) ? (value as T[]) : [];
}
