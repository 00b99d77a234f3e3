/**
 * The line to the engine: up or down, and what it tells meanwhile.
 *
 * The rule this file keeps: events are hints. Whenever the line comes up everything is looked at,
 * and again every `lookMs`, so an event that was lost costs time and not truth.
 */
import type { Readable } from 'node:stream';
import { type Clock, pause } from '../../../clock.ts';
import { Fault, reasonOf } from '../../../errors.ts';
import type { Log } from '../../../log.ts';
import type { DriverEvent } from '../driver.ts';
import type { Engine } from './engine/engine.ts';
import { linesOf } from './engine/lines.ts';
import type { Reconciler } from './reconciler.ts';
import type { Removal } from './removal.ts';

const lookMs = 30_000;
const pingMs = 5_000;
const retryMsMin = 100;
const retryMsMax = 5_000;

/** What changes a target: its state, its address, its health. Docker says `die`, Podman `died`. */
const telling = new Set([
  ...['start', 'restart', 'die', 'died', 'stop', 'oom', 'pause', 'unpause', 'destroy', 'remove'],
  ...['health_status', 'rename', 'create', 'connect', 'disconnect'],
]);

export interface MonitorDependencies {
  readonly engine: Engine;
  readonly reconciler: Reconciler;
  readonly clock: Clock;
  readonly log: Log;
  readonly emit: (event: DriverEvent) => void;
  readonly removal: Removal;
}

interface EngineEvent {
  readonly Type?: string;
  readonly Action?: string;
  readonly status?: string;
  readonly id?: string;
  readonly Actor?: { readonly ID?: string; readonly Attributes?: Readonly<Record<string, string>> };
}

export class Monitor {
  readonly #dependencies: MonitorDependencies;
  readonly #closing = new AbortController();
  #begun = false;
  #stream: Readable | null = null;
  #retryMs = retryMsMin;
  /** null: nobody has been told anything yet. */
  #available: boolean | null = null;

  constructor(dependencies: MonitorDependencies) {
    this.#dependencies = dependencies;
  }

  /** Begins to watch the engine, once. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    void this.#run();
  }

  close(): void {
    this.#closing.abort();
    this.#stream?.destroy();
  }

  async #run(): Promise<void> {
    const { clock, reconciler } = this.#dependencies;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const reason = await this.#connected();
      if (signal.aborted) return;
      reconciler.forgetHere();
      this.#tell(false, reason);
      await pause(clock, this.#retryMs, signal);
      this.#retryMs = Math.min(this.#retryMs * 2, retryMsMax);
    }
  }

  /** @returns why the line is down, once it is. */
  async #connected(): Promise<string> {
    const { engine, log } = this.#dependencies;
    let cancelLook = (): void => {};
    try {
      await engine.call({ method: 'GET', path: '/_ping', limitMs: pingMs });
      // Listening before looking: what happens in between is heard.
      // Not filtered by label: a container that is given another address tells so as its network.
      const filters = { type: ['container', 'network'] };
      const stream = await engine.stream({ method: 'GET', path: '/events', query: { filters } });
      this.#stream = stream;
      // Listening is no reason for a process to go on that has nothing else to do.
      (stream as Readable & { socket?: { unref(): void } }).socket?.unref();
      const broken = (thrown: unknown): void => {
        stream.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)));
      };
      const lookAgain = (): void => {
        cancelLook = this.#dependencies.clock.after(lookMs, () => {
          this.#dependencies.reconciler.sync().then(lookAgain, broken);
        });
      };
      this.#catchUp().then(lookAgain, broken);
      for await (const line of linesOf(stream)) this.#heard(line);
      return `The Docker Engine at ${engine.where} hung up.`;
    } catch (thrown) {
      // A stream that breaks says no more than "aborted".
      const why =
        thrown instanceof Fault
          ? thrown.message
          : `The Docker Engine at ${engine.where} hung up: ${reasonOf(thrown)}.`;
      log.warn({ where: engine.where }, why);
      return why;
    } finally {
      cancelLook();
      this.#stream?.destroy();
      this.#stream = null;
    }
  }

  async #catchUp(): Promise<void> {
    await this.#dependencies.removal.catchUp();
    await this.#dependencies.reconciler.sync();
    this.#retryMs = retryMsMin;
    this.#tell(true, `The Docker Engine at ${this.#dependencies.engine.where} answers.`);
  }

  #tell(available: boolean, reason: string): void {
    const news = this.#available !== available && !(available && this.#available === null);
    this.#available = available;
    if (news && !this.#closing.signal.aborted) {
      this.#dependencies.emit({ kind: 'platform', available, reason });
    }
  }

  #heard(line: string): void {
    const { reconciler, log } = this.#dependencies;
    let event: EngineEvent;
    try {
      event = JSON.parse(line) as EngineEvent;
    } catch {
      return;
    }
    // `health_status: unhealthy`, and `exec_die` of a HEALTHCHECK, which tells nothing.
    const action = (event.Action ?? event.status ?? '').split(':')[0] ?? '';
    const attributes = event.Actor?.Attributes ?? {};
    const id = event.Type === 'network' ? attributes.container : (event.Actor?.ID ?? event.id);
    if (!telling.has(action) || id === undefined) return;
    if (action === 'die' || action === 'died') {
      reconciler.died(id, attributes.exitCode ?? attributes.containerExitCode ?? 'unknown');
    }
    reconciler.touched(id, attributes).catch((thrown: unknown) => {
      log.warn({ container: id }, `an event could not be followed: ${reasonOf(thrown)}`);
    });
  }
}
