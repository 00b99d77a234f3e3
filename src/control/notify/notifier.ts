/**
 * Tells others of what happens to the services: one outbox for each receiver of `notify`.
 *
 * The rule this file keeps: it is never in the way. It hears of what is on record already, and what
 * it does with that can fail without anybody waiting for it. What a life that was killed did not
 * get to put into its outboxes, the next finds in the history.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../clock.ts';
import type { NotifyReceiver } from '../../config/config.ts';
import { Fault } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Events, PointsmanEvent, ServiceStatus } from '../model/api.ts';
import type { Deployment } from '../model/state.ts';
import { RecordFiles } from '../stores/recordFiles.ts';
import { type Notification, ofChecks, ofDeployment, ofHold } from './notification.ts';
import { Outbox } from './outbox.ts';
import { nameOf, post } from './post.ts';

export interface NotifierOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly stateDir: string;
  readonly version: string;
  readonly events: Events;
  /** A service as it is now; null: there is none of this name. */
  readonly service: (name: string) => ServiceStatus | null;
}

/** Of one receiver. */
export interface NotifierStatus {
  readonly receiver: string;
  readonly pending: number;
  readonly outcomes: Readonly<Record<'taken' | 'refused' | 'lost', number>>;
}

interface Told {
  readonly receiver: NotifyReceiver;
  readonly outbox: Outbox;
  readonly outcomes: Record<'taken' | 'refused' | 'lost', number>;
}

export class Notifier {
  readonly #options: NotifierOptions;
  readonly #files: RecordFiles;
  readonly #ender = new AbortController();
  #told = new Map<string, Told>();
  #unsubscribe = (): void => {};

  constructor(options: NotifierOptions) {
    this.#options = options;
    const damaged = (file: string): void => {
      options.log.warn({ file }, `${file}.damaged was no list of notifications; it is begun anew`);
    };
    this.#files = new RecordFiles(join(options.stateDir, 'notify'), damaged);
  }

  /**
   * Hears of everything from now on.
   *
   * @param recent deployments of before, newest first.
   */
  listen(recent: readonly Deployment[]): void {
    for (const deployment of recent.toReversed()) this.#heardOf(deployment);
    this.#unsubscribe = this.#options.events.subscribe(0, (event) => this.#heard(event));
  }

  /** @throws Fault CONFIG_INVALID where a secret cannot be read; nothing is changed then. */
  async reload(receivers: readonly NotifyReceiver[]): Promise<void> {
    const secrets = new Map<NotifyReceiver, Buffer | null>();
    for (const receiver of receivers) secrets.set(receiver, await secretOf(receiver));
    const before = this.#told;
    const after = new Map<string, Told>();
    const opened: Outbox[] = [];
    for (const [receiver, secret] of secrets) {
      const key = `${JSON.stringify(receiver)} ${secret?.toString('hex')}`;
      const same = before.get(key);
      before.delete(key);
      const told = same ?? this.#open(receiver, secret);
      if (same === undefined) opened.push(told.outbox);
      after.set(key, told);
    }
    this.#told = after;
    // One of the same address has the same file: it goes on where that has ended.
    for (const { outbox } of before.values()) await outbox.close();
    for (const outbox of opened) await outbox.open();
  }

  status(): readonly NotifierStatus[] {
    return [...this.#told.values()].map(({ receiver, outbox, outcomes }) => ({
      receiver: nameOf(receiver),
      pending: outbox.pending,
      outcomes,
    }));
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    this.#ender.abort();
    await Promise.all([...this.#told.values()].map(({ outbox }) => outbox.close()));
  }

  #open(receiver: NotifyReceiver, secret: Buffer | null): Told {
    const { clock, random, log, version } = this.#options;
    const name = nameOf(receiver);
    const outcomes = { taken: 0, refused: 0, lost: 0 };
    const sender = { clock, version, signal: this.#ender.signal };
    const outbox = new Outbox({
      receiver: name,
      file: `outbox-${createHash('sha256').update(receiver.url).digest('hex').slice(0, 16)}.json`,
      files: this.#files,
      clock,
      random,
      log,
      send: (notification) => post({ ...receiver, secret }, notification, sender),
      left: (outcome) => {
        outcomes[outcome] += 1;
      },
    });
    return { receiver, outbox, outcomes };
  }

  #heard(event: PointsmanEvent): void {
    if (this.#told.size === 0) return;
    if (event.type === 'deployment') this.#heardOf(event.deployment);
    else if (event.type === 'watch') this.#put(ofHold(event.service, event.watch, event.at));
    else if (event.type === 'service') {
      const confirm = this.#options.service(event.service)?.confirm ?? null;
      if (confirm !== null) this.#put(ofHold(event.service, confirm, event.at));
    }
  }

  #heardOf(deployment: Deployment): void {
    this.#put(ofDeployment(deployment));
    for (const notification of ofChecks(deployment)) this.#put(notification);
  }

  #put(notification: Notification | null): void {
    if (notification === null) return;
    for (const { receiver, outbox } of this.#told.values()) {
      if (receiver.on.includes(notification.kind)) outbox.put(notification);
    }
  }
}

/** @throws Fault CONFIG_INVALID */
export async function secretOf({ secretFile }: NotifyReceiver): Promise<Buffer | null> {
  if (secretFile === null) return null;
  const text = await readFile(secretFile, 'utf8').catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Fault('CONFIG_INVALID', `notify: ${secretFile} cannot be read (${code}).`, { cause });
  });
  const secret = text.trim();
  // As https://www.standardwebhooks.com writes them.
  const bytes = secret.startsWith('whsec_')
    ? Buffer.from(secret.slice('whsec_'.length), 'base64')
    : Buffer.from(secret);
  if (bytes.length >= secretBytesMin) return bytes;
  const wanted = `wanted a secret of at least ${secretBytesMin} bytes, got ${bytes.length}`;
  throw new Fault(
    'CONFIG_INVALID',
    `notify: ${secretFile}: ${wanted}; openssl rand -base64 32 makes one.`,
  );
}

/** Of a key for HMAC-SHA256 fewer could be guessed. */
const secretBytesMin = 16;
