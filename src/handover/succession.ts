/**
 * How a Pointsman is replaced while it serves, as the old one sees it: its successor is started
 * with the listening sockets, made ready, given the state, and serves before the old one leaves.
 *
 * The rule this file keeps: one writer of the state at any moment. The successor is told to go when
 * our controller has ended, and ours is started again only when the successor has. Until the
 * successor serves, whatever goes wrong with it leaves everything as it was; while our workers
 * drain, they take the sockets back where it ends.
 *
 * The sockets are passed by their descriptors among the `stdio` of a child (the descriptor of a
 * bound socket is had from `listener.ts` alone).
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { basename } from 'node:path';
import type { Duplex } from 'node:stream';
import type { InForce } from '../config/config.ts';
import type { FromController, Handover, Left, Party, ToController, WorkerInfo } from '../ipc.ts';
import type { HeldListener } from '../listener.ts';
import type { Log } from '../log.ts';
import { asGiven } from '../priority.ts';
import type { Birth } from './birth.ts';
import { Front } from './front.ts';
import {
  type FromSuccessor,
  inheritanceVariable,
  inheritedFd,
  protocol,
  type ToSuccessor,
} from './protocol.ts';

/** So long it may take to read its code and config, where others have the CPU too. */
const preparedMs = 60_000;
/** From the word `go` until it serves; it reads the state and asks for the pools meanwhile. */
const servingMs = 30_000;

/** What there is to hand over, and what is done with it. */
export interface Estate {
  /** The file that a successor is started from. */
  readonly successor: string;
  readonly configFile: string;
  readonly version: string;
  readonly birth: Birth;
  readonly inForce: InForce;
  /** The slots of the workers: from, and how many. */
  readonly firstSlot: number;
  readonly workers: number;
  readonly log: Log;
  readonly sockets: readonly HeldListener[];
  running(): readonly WorkerInfo[];
  /**
   * Asks the controller to end and to leave what runs; call `yielded` with what comes of it.
   * @returns false: there is none just now.
   */
  yield(): boolean;
  /** Starts it again. */
  resume(): void;
  /** The workers stop accepting; call `left` when all are gone. */
  leave(): void;
  /** They accept again. */
  takeBack(): void;
  obey(message: FromController): void;
  /** For whoever is the controller now. */
  tell(message: ToController): void;
  /** The successor was told to end: we end too. */
  stop(): void;
}

export class Succession {
  readonly #estate: Estate;
  #handover: Handover;
  #successor: ChildProcess | null = null;
  #front: Front | null = null;
  #cancelLimit: () => void = () => {};
  #refusal: string | null = null;
  /** When our controller was asked to yield, whether it still is, and whether it has ended for it. */
  #askedMs = 0;
  #yielding = false;
  #gone = false;
  #stopped = false;

  /** Starts the successor. @param asked by whom, or by what. */
  constructor(estate: Estate, asked: string) {
    this.#estate = estate;
    const { version } = estate;
    this.#handover = {
      phase: 'starting',
      asked,
      from: { version, node: process.versions.node, pid: process.pid },
      to: null,
      startedAt: new Date().toISOString(),
      readyAt: null,
      servingAt: null,
      endedAt: null,
      switchMs: null,
      error: null,
      left: null,
    };
    this.#start();
    this.#tell({});
  }

  /** The state has gone, or is about to: what the workers say is for the successor. */
  get leads(): boolean {
    const { phase } = this.#handover;
    const serves = phase === 'draining' || phase === 'done';
    return serves || (phase === 'switching' && this.#gone);
  }

  /** It is done, or has failed. */
  get over(): boolean {
    return this.#handover.endedAt !== null;
  }

  /** Only where a front has to stay. */
  get front(): Front | null {
    return this.#front;
  }

  /** Our controller is asked to end. */
  get yielding(): boolean {
    return this.#yielding;
  }

  /** @param busy null: our controller has ended; else why it does not. */
  yielded(busy: string | null): void {
    if (!this.#yielding) return;
    this.#yielding = false;
    if (busy !== null) {
      this.#abandon(busy);
    } else if (this.over) {
      // The successor has ended meanwhile.
      this.#estate.resume();
    } else {
      this.#gone = true;
      this.#limit(servingMs, 'did not serve');
      this.#say({ kind: 'go', workers: this.#estate.running() });
    }
  }

  told(message: ToController): void {
    this.#say({ kind: 'told', message });
  }

  /** All workers have left. @param all what each says; one that died says nothing. */
  left(all: readonly Left[]): void {
    const sum = (key: keyof Left): number => all.reduce((total, one) => total + one[key], 0);
    const left = {
      connections: sum('connections'),
      ended: sum('ended'),
      tunnels: sum('tunnels'),
      cut: sum('cut'),
    };
    this.#tell({ phase: 'done', endedAt: new Date().toISOString(), left });
    // From here on it is on its own, or the front waits for it.
    this.#successor?.removeAllListeners('exit');
    this.#successor?.unref();
  }

  /** What was said has been heard. */
  async heard(): Promise<void> {
    const successor = this.#successor;
    if (!successor?.connected) return;
    await new Promise<void>((resolve) => {
      const last: ToSuccessor = { kind: 'farewell' };
      successor.send(last, () => resolve());
    });
    if (successor.connected) successor.disconnect();
  }

  /** Where the successor serves it is told what we were. @returns whether it does. */
  pass(signal: NodeJS.Signals): boolean {
    if (this.#handover.phase !== 'draining' || this.#stopped) return false;
    this.#successor?.kill(signal);
    return true;
  }

  /** We end: before it serves nobody needs it. */
  stop(): void {
    this.#stopped = true;
    if (!this.over && this.#handover.phase !== 'draining') this.#abandon('Pointsman was stopped');
  }

  #start(): void {
    const {
      successor: entry,
      configFile,
      birth,
      firstSlot,
      workers,
      inForce,
      sockets,
    } = this.#estate;
    const { manager, behindFront } = birth;
    const inheritance = {
      protocol,
      sockets: sockets.map(({ wanted }) => wanted),
      firstSlot,
      slots: workers,
      stateDir: inForce.stateDir,
      front: manager === null,
    };
    const line = manager !== null ? 'ignore' : behindFront ? inheritedFd.front : 'pipe';
    const env = { ...process.env, ...manager?.variable, ...inheritanceVariable(inheritance) };
    const fds = sockets.map(({ fd }) => fd);
    const args = [...process.execArgv, entry, 'run', '-c', configFile];
    const options: SpawnOptions = {
      // Of a session of its own: what a terminal sends to its group, the front passes on.
      detached: true,
      env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', line, ...fds],
    };
    const successor = asGiven(() => spawn(program(), args, options));
    this.#successor = successor;
    const pipe = successor.stdio[inheritedFd.front];
    if (line === 'pipe' && pipe) this.#front = new Front(pipe as Duplex);
    successor.on('error', (cause) => this.#failed(`it cannot be started: ${cause.message}`));
    successor.on('exit', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      this.#failed(this.#refusal ?? `it ended with ${how}; what it printed says more`);
    });
    successor.on('message', (message) => this.#heard(message as FromSuccessor));
    this.#limit(preparedMs, 'was not ready');
  }

  #heard(message: FromSuccessor): void {
    const { phase } = this.#handover;
    if (message.kind === 'refused') this.#refusal = message.why;
    else if (message.kind === 'prepared') this.#prepared(message);
    else if (message.kind === 'up' && phase === 'switching') this.#serves();
    else if (message.kind === 'ordered') this.#estate.obey(message.message);
    else if (message.kind === 'stop') this.#estate.stop();
  }

  #prepared({ version, node }: Omit<Party, 'pid'>): void {
    if (this.#handover.phase !== 'starting') return;
    const to = { version, node, pid: this.#successor?.pid ?? 0 };
    this.#tell({ phase: 'switching', to, readyAt: new Date().toISOString() });
    this.#askedMs = performance.now();
    this.#yielding = true;
    if (!this.#estate.yield()) this.yielded(null);
  }

  #serves(): void {
    this.#cancelLimit();
    const switchMs = Math.round(performance.now() - this.#askedMs);
    this.#estate.leave();
    this.#tell({ phase: 'draining', servingAt: new Date().toISOString(), switchMs });
  }

  #limit(ms: number, what: string): void {
    this.#cancelLimit();
    const why = `it ${what} within ${ms / 1000} s`;
    const timer = setTimeout(() => this.#abandon(why), ms);
    this.#cancelLimit = () => clearTimeout(timer);
  }

  #abandon(why: string): void {
    this.#refusal = why;
    this.#successor?.kill('SIGKILL');
  }

  /** The successor has ended. */
  #failed(why: string): void {
    this.#cancelLimit();
    if (this.#handover.endedAt !== null) return;
    const { leads } = this;
    const draining = this.#handover.phase === 'draining';
    const error = `The successor did not take over: ${why}.`.replace(/\.\.$/, '.');
    const handover: Handover = {
      ...this.#handover,
      phase: 'failed',
      endedAt: new Date().toISOString(),
      error: draining ? `The successor served and has ended: ${why}.` : error,
    };
    this.#handover = handover;
    this.#estate.log.error({ handover }, `hand-over failed: ${handover.error}`);
    if (this.#stopped) return;
    if (leads) this.#estate.resume();
    this.#estate.tell({ kind: 'handover', handover });
    if (draining) this.#estate.takeBack();
  }

  #tell(news: Partial<Handover>): void {
    this.#handover = { ...this.#handover, ...news };
    const handover = this.#handover;
    this.#estate.log.info({ handover }, `hand-over: ${handover.phase}`);
    this.#estate.tell({ kind: 'handover', handover });
  }

  #say(message: ToSuccessor): void {
    const successor = this.#successor;
    if (successor?.connected) successor.send(message, () => {});
  }
}

/**
 * What the successor is started with: the Node that is now where ours was found, by the name that
 * it was started by.
 */
function program(): string {
  return basename(process.argv0) === 'node' ? process.argv0 : process.execPath;
}
