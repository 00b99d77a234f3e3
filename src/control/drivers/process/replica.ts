/**
 * One replica: a process in a group of its own, started again when it ends by itself.
 *
 * The rule this file keeps: at most one process of a replica runs, and it is known by pid and start
 * time. An adopted one (started by a controller that has gone) is nobody's child here, so its end
 * is seen by looking, and its exit code by nobody.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Clock } from '../../../clock.ts';
import type { ProcessRun } from '../../../config/config.ts';
import { Fault, reasonOf } from '../../../errors.ts';
import { asGiven } from '../../../priority.ts';
import { identityNow, identityOf } from '../../../processIdentity.ts';
import type { RunningTarget } from '../driver.ts';
import { endProcesses } from './ending.ts';
import { checkFolder, type Launch, launchOf, spawnFault } from './launch.ts';
import type { Mark } from './marks.ts';
import { Output } from './output.ts';
import type { Ports } from './ports.ts';
import type { Records } from './records.ts';
import { checkStartup } from './startupCheck.ts';

/** A replica that died is started again after this, doubled with every death in a row. */
const restartFirstMs = 250;
const restartMaxMs = 30_000;
/** One that ran so long did not die of its start: the next wait is the first again. */
const restartSteadyMs = 30_000;

const linesInError = 10;

/** What replicas of one driver share. */
export interface Shared {
  readonly clock: Clock;
  readonly ports: Ports;
  readonly records: Records;
  /** The environment that replicas start from. */
  readonly env: NodeJS.ProcessEnv;
}

/** What a replica tells its driver. */
export interface Tell {
  readonly changed: () => void;
  readonly output: (target: string, line: string) => void;
}

/** A process while it runs. */
export interface Life {
  readonly pid: number;
  readonly identity: string;
  readonly adopted: boolean;
  /** By the clock. */
  readonly since: number;
  /** Resolves with what there is to say of its end. */
  readonly end: Promise<string>;
}

type Place = Omit<Mark, 'port' | 'stopMs'>;

export class Replica {
  readonly id: string;
  readonly number: number;
  readonly #place: Place;
  readonly #shared: Shared;
  readonly #tell: Tell;
  readonly #output: Output;
  #life: Life | null = null;
  #ended: (why: string) => void = () => {};
  #port: number | null = null;
  /** Why it does not run, and what comes next. */
  #why = 'not started yet';
  #next = '';
  /** Set while the driver answers for it: then it is started again when it dies. */
  #supervised: ProcessRun | null = null;
  #stopMs: number;
  #stopping = false;
  /** Nobody looks after it here any more, so nothing may be started for it. */
  #left = false;
  #deaths = 0;
  #cancelRestart: () => void = () => {};
  #restarting: Promise<void> = Promise.resolve();

  constructor(place: Place, stopMs: number, shared: Shared, tell: Tell) {
    this.id = `replica-${place.replica}`;
    this.number = place.replica;
    this.#place = place;
    this.#stopMs = stopMs;
    this.#shared = shared;
    this.#tell = tell;
    const folder = shared.records.folderOf(place.poolId);
    this.#output = new Output(join(folder, `${place.replica}.log`));
  }

  get running(): boolean {
    return this.#life !== null;
  }

  /** Whether the driver answers for it: it runs, or is started again. */
  get supervised(): boolean {
    return this.#supervised !== null;
  }

  get pid(): number | null {
    return this.#life?.pid ?? null;
  }

  target(): RunningTarget {
    const life = this.#life;
    return {
      id: this.id,
      host: '127.0.0.1',
      port: this.#port ?? 0,
      state: life ? 'running' : 'down',
      detail: life ? `pid ${life.pid}${life.adopted ? ', adopted' : ''}` : this.#why + this.#next,
    };
  }

  /**
   * Takes over what an earlier controller started; `process` null: it has ended, its port is
   * remembered.
   */
  async adopt(port: number, process: { pid: number; identity: string } | null): Promise<void> {
    this.#port = port;
    if (process === null) {
      this.#why = 'it ended while no Pointsman ran';
      return;
    }
    this.#shared.ports.hold(port);
    await this.#output.skip();
    this.#begin(process.pid, process.identity, true);
  }

  /**
   * Resolves once it runs: it accepts connections, or has lived for a moment.
   *
   * @throws Fault START_FAILED, RELEASE_INVALID, DRIVER_UNAVAILABLE; ABORTED. It may then still
   *   run.
   */
  async start(run: ProcessRun, abort: AbortSignal): Promise<void> {
    await this.#restarting;
    this.#cancelRestart();
    this.#stopMs = run.stopMs;
    if (this.#life) return;
    const life = await this.#spawn(run, true);
    const end = await checkStartup(life.end, this.#port ?? 0, this.#shared.clock, abort);
    if (abort.aborted) throw new Fault('ABORTED', `The start of ${this.#name()} was aborted.`);
    if (end !== null) throw await this.#startFault(run, end);
  }

  /** From now on it is started again when it dies, and where it has died already. */
  supervise(run: ProcessRun): void {
    this.#supervised = run;
    this.#stopMs = run.stopMs;
    if (!this.#life) this.#restartLater();
  }

  /**
   * Looks after it: whether an adopted one lives, what it wrote, how much. To be called every
   * second.
   */
  async look(): Promise<void> {
    const life = this.#life;
    if (life?.adopted && (await identityOf(life.pid)) !== life.identity) {
      this.#ended('ended (its exit code is unknown: an earlier Pointsman started it)');
    }
    await this.#tellOutput(false);
    await this.#output.bound();
  }

  /**
   * Resolves when nothing of it runs.
   * @throws Fault DRIVER_UNAVAILABLE where it cannot be ended.
   */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.leave();
    await this.#restarting;
    await this.#end(this.#stopMs);
    this.#life = null;
    if (this.#port !== null) this.#shared.ports.free(this.#port);
  }

  /** Leaves it running, and looks after it no more. */
  leave(): void {
    this.#left = true;
    this.#supervised = null;
    this.#cancelRestart();
    this.#next = '';
  }

  async #spawn(run: ProcessRun, recordMust: boolean): Promise<Life> {
    const { ports, records, env } = this.#shared;
    if (this.#port !== null) ports.free(this.#port);
    const port = await ports.take(this.#port);
    this.#port = port;
    const mark = { ...this.#place, port, stopMs: run.stopMs };
    const launch = launchOf(run, mark, env);
    await checkFolder(launch, mark.release);
    const log = await this.#output.openForWriting();
    let life: Life;
    try {
      if (this.#left) throw new Fault('ABORTED', `The start of ${this.#name()} was given up.`);
      life = await this.#fork(launch, log.fd);
    } finally {
      await log.close();
    }
    const { pid, identity } = life;
    const command = [launch.program, ...launch.args];
    const written = records.write({ ...mark, pid, identity, command });
    // On a full disk a restart goes on without its record: the mark says the same, and traffic
    // needs it.
    await (recordMust ? written : written.catch(() => {}));
    return life;
  }

  async #fork(launch: Launch, log: number): Promise<Life> {
    const { program, args, cwd, env } = launch;
    try {
      // Detached: a group and a session of its own, so that nothing that ends us ends it.
      const stdio = ['ignore', log, log] as const;
      const options = { cwd, env, detached: true, stdio: [...stdio] };
      const child = asGiven(() => spawn(program, args, options));
      child.unref();
      if (child.pid === undefined) throw (await once(child, 'error'))[0];
      const life = this.#begin(child.pid, identityNow(child.pid) ?? 'ended at once', false);
      const ended = this.#ended;
      child.once('exit', (code, signal) => {
        ended(signal ? `was ended by ${signal}` : `exited with code ${code}`);
      });
      return life;
    } catch (caught) {
      throw spawnFault(caught, launch, this.#place.release);
    }
  }

  #begin(pid: number, identity: string, adopted: boolean): Life {
    let tellEnd: (why: string) => void = () => {};
    const end = new Promise<string>((resolve) => {
      tellEnd = resolve;
    });
    const life: Life = { pid, identity, adopted, since: this.#shared.clock.now(), end };
    this.#life = life;
    this.#ended = (why) => {
      if (this.#life !== life) return;
      this.#life = null;
      this.#why = why;
      this.#next = '';
      tellEnd(why);
      this.#died(life);
    };
    return life;
  }

  #died(life: Life): void {
    if (this.#stopping) return;
    if (this.#shared.clock.now() - life.since >= restartSteadyMs) this.#deaths = 0;
    if (this.#supervised) this.#restartLater();
    this.#tell.changed();
    void this.#tellOutput(true);
  }

  #restartLater(): void {
    const delayMs = Math.min(restartFirstMs * 2 ** Math.min(this.#deaths, 20), restartMaxMs);
    this.#deaths++;
    this.#next = `; it is started again after ${delayMs / 1000} s`;
    this.#cancelRestart();
    this.#cancelRestart = this.#shared.clock.after(delayMs, () => {
      this.#restarting = this.#restart();
    });
  }

  async #restart(): Promise<void> {
    const run = this.#supervised;
    if (!run || this.#life) return;
    try {
      // Its children may have outlived it, and hold its port.
      await this.#end(0);
      if (this.#supervised) await this.#spawn(run, false);
    } catch (caught) {
      if (this.#left) return;
      this.#why = `could not be started again: ${reasonOf(caught)}`;
      if (this.#supervised) this.#restartLater();
    }
    this.#tell.changed();
  }

  #end(stopMs: number): Promise<void> {
    const { owner, poolId } = this.#place;
    const ours = (mark: Mark): boolean => mark.poolId === poolId && mark.replica === this.number;
    return endProcesses({ owner, leader: this.#life, ours, stopMs }, this.#shared.clock);
  }

  async #tellOutput(all: boolean): Promise<void> {
    for (const line of await this.#output.news(all)) this.#tell.output(this.id, line);
  }

  async #startFault(run: ProcessRun, end: string): Promise<Fault> {
    const output = await this.#output.last(linesInError);
    const { release, replica } = this.#place;
    const wrote =
      output.length > 0 ? `Its last output: ${output.join(' | ')}` : 'It wrote nothing.';
    return new Fault(
      'START_FAILED',
      `${this.#name()} ${end} right after its start (command: ${run.command.join(' ')}). ${wrote}`,
      { release, replica, end, output },
    );
  }

  #name(): string {
    return `Replica ${this.number} of release ${this.#place.release}`;
  }
}
