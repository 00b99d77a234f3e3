/**
 * The supervisor: holds the listening sockets, restarts its children, relays their messages.
 * Nothing else.
 *
 * The rule this file keeps: it does not read what it relays and knows nothing of services or
 * releases, so that there is nothing in it to crash on. When it dies, its children see their
 * channel close and end.
 */
import { type ChildProcess, type ForkOptions, fork, type Serializable } from 'node:child_process';
import type { Socket } from 'node:net';
import type { Address, InForce } from './config/config.ts';
import {
  childEnv,
  type FromController,
  type FromWorker,
  refusedExitCodes,
  type ToController,
  type ToWorker,
} from './ipc.ts';
import { type GivenListener, type HeldListener, holdListeners } from './listener.ts';
import { openLog, type Sink } from './log.ts';
import { asGiven, raisePriority } from './priority.ts';
import { leaveBoard, openScoreboard } from './scoreboard.ts';

export interface SupervisorOptions {
  /** The file that children are started from: main.js. */
  readonly entry: string;
  readonly configFile: string;
  /** What a controller that is started again finds, whatever the file says by then. */
  readonly inForce: InForce;
  /** For plain HTTP, and for TLS. */
  readonly listen: readonly Address[];
  readonly tlsListen: readonly Address[];
  readonly admin: Address;
  /** Sockets that are bound already. */
  readonly given: readonly GivenListener[];
  /** 1 to 64 */
  readonly workers: number;
  readonly shutdownMs: number;
  /** Told once, when the first controller answers and every worker accepts. */
  readonly up: (listening: {
    readonly plain: readonly Address[];
    readonly secure: readonly Address[];
    readonly admin: Address;
  }) => void;
}

/** A child that ends sooner than this after its start is started again with a growing delay. */
const steadyAfterMs = 10_000;
const backoffFirstMs = 50;
const backoffLastMs = 5_000;
/** Beyond the limit of a graceful stop, for the answers to get out. */
const stopGraceMs = 2_000;

/**
 * A young generation (MB) that does not grow. From one MB it would be collected all the time; of 16
 * the bodies that were read and are not needed any more would pile up beside it until V8 marks the
 * whole heap for them, which is what the slowest of a hundred requests then wait for.
 */
const workerFlags = ['--min-semi-space-size=4', '--max-semi-space-size=4'];

/** @returns the exit code, once everything has ended. @throws Fault PORT_IN_USE */
export async function supervise(options: SupervisorOptions): Promise<number> {
  const { listen, tlsListen, admin, given } = options;
  const held = await holdListeners([...listen, ...tlsListen, admin], given);
  return new Supervisor(options, held.slice(0, -1), held.slice(-1)).run();
}

interface Child {
  readonly name: string;
  readonly slot: number;
  process: ChildProcess | null;
  listening: boolean;
  startedMs: number;
  delayMs: number;
}

class Supervisor {
  readonly #options: SupervisorOptions;
  /** Plain ones first, then those for TLS. */
  readonly #traffic: readonly HeldListener[];
  readonly #admin: readonly HeldListener[];
  readonly #board: number;
  readonly #log: Sink = openLog('supervisor');
  readonly #controller: Child = child('controller', 0);
  readonly #workers: readonly Child[];
  /** Connections handed over while no worker could take them. */
  readonly #stranded: [Socket, boolean][] = [];
  #stopping = false;
  #wasReady = false;
  #wasUp = false;
  #ended: (code: number) => void = () => {};

  constructor(
    options: SupervisorOptions,
    traffic: readonly HeldListener[],
    admin: readonly HeldListener[],
  ) {
    this.#options = options;
    this.#traffic = traffic;
    this.#admin = admin;
    this.#board = openScoreboard(options.workers);
    this.#workers = Array.from({ length: options.workers }, (_, at) => child('worker', at + 1));
  }

  async run(): Promise<number> {
    // Every order of a flip and every answer passes through here, while the workers are busy.
    raisePriority();
    process.on('SIGTERM', () => this.#stop('SIGTERM'));
    process.on('SIGINT', () => this.#stop('SIGINT'));
    process.on('SIGHUP', () => this.#tell({ kind: 'reload' }));
    const ended = new Promise<number>((resolve) => {
      this.#ended = resolve;
    });
    for (const worker of this.#workers) this.#start(worker);
    this.#start(this.#controller);
    const code = await ended;
    await this.#log.written();
    return code;
  }

  #start(child: Child): void {
    const isWorker = child !== this.#controller;
    const held = isWorker ? this.#traffic : this.#admin;
    child.startedMs = performance.now();
    child.listening = false;
    const options: ForkOptions = {
      execArgv: isWorker ? [...process.execArgv, ...workerFlags] : process.execArgv,
      env: {
        ...process.env,
        [childEnv.role]: child.name,
        [childEnv.slot]: String(child.slot),
        [childEnv.workers]: String(this.#workers.length),
        [childEnv.config]: this.#options.configFile,
        [childEnv.inForce]: JSON.stringify(this.#options.inForce),
        [childEnv.plain]: String(this.#options.listen.length),
        [childEnv.secure]: String(this.#options.tlsListen.length),
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', this.#board, ...held.map(({ fd }) => fd)],
    };
    // Each takes its own priority, and knows what it was given.
    const started = asGiven(() => fork(this.#options.entry, [], options));
    child.process = started;
    started.on('error', (cause) => this.#log.error({ err: String(cause) }, `${child.name} failed`));
    started.on('exit', (code, signal) => this.#exited(child, started, code, signal));
    if (isWorker) {
      started.on('message', (message, socket) => this.#fromWorker(child, message, socket));
      this.#tell({ kind: 'up', worker: info(child) });
    } else {
      started.on('message', (message) => this.#fromController(message as FromController));
      this.#tell({
        kind: 'welcome',
        workers: this.#workers.filter((worker) => worker.process !== null).map(info),
      });
    }
  }

  #tellUp(): void {
    const all = this.#wasReady && this.#workers.every(({ listening }) => listening);
    if (!all || this.#wasUp) return;
    this.#wasUp = true;
    const { listen, up } = this.#options;
    const bound = this.#traffic.map(({ address }) => address);
    const [admin = this.#options.admin] = this.#admin.map(({ address }) => address);
    up({ plain: bound.slice(0, listen.length), secure: bound.slice(listen.length), admin });
  }

  #exited(child: Child, was: ChildProcess, code: number | null, signal: string | null): void {
    const why = signal === null ? `exit code ${code}` : `signal ${signal}`;
    const worker = { worker: child.slot, pid: was.pid ?? 0 };
    child.process = null;
    child.listening = false;
    if (child !== this.#controller) {
      leaveBoard(this.#board, child.slot);
      this.#tell({ kind: 'down', worker, why });
    }
    if (this.#stopping) {
      this.#endWhenAlone();
      return;
    }
    if (child === this.#controller && !this.#wasReady && refused.includes(code)) {
      this.#stopping = true;
      this.#killAll(code === refusedExitCodes.config ? code : 1);
      return;
    }
    const steady = performance.now() - child.startedMs > steadyAfterMs;
    child.delayMs = steady
      ? 0
      : Math.min(Math.max(child.delayMs * 2, backoffFirstMs), backoffLastMs);
    this.#log.error(
      { ...worker, why, delayMs: child.delayMs },
      `${child.name} ended; starting another`,
    );
    setTimeout(() => {
      if (!this.#stopping) this.#start(child);
    }, child.delayMs);
  }

  #fromController(message: FromController): void {
    if (message.kind === 'ready') {
      this.#wasReady = true;
      this.#tellUp();
      return;
    }
    if (message.kind === 'end') {
      this.#log.error({ worker: message.worker, why: message.why }, 'ending a worker');
      this.#workers[message.worker - 1]?.process?.kill('SIGKILL');
      return;
    }
    for (const slot of message.workers) this.#order(slot, message.order);
  }

  #fromWorker(from: Child, message: Serializable, socket: unknown): void {
    const said = message as FromWorker;
    if (said.kind === 'reply') {
      this.#tell({ kind: 'from', worker: from.slot, reply: said });
    } else if (said.kind === 'connection') {
      leaveUnread(socket as Socket | undefined);
      this.#place(socket as Socket | undefined, said.secure, said.to);
    } else {
      from.listening = true;
      this.#tellUp();
      for (const [waiting, secure] of this.#stranded.splice(0)) {
        this.#place(waiting, secure, from.slot);
      }
    }
  }

  /** Gives a connection to the worker it is meant for, or to any that accepts. */
  #place(socket: Socket | undefined, secure: boolean, wanted: number): void {
    // The client may have gone while its connection travelled.
    if (socket === undefined) return;
    const meant = this.#workers[wanted - 1];
    const taker = meant?.listening ? meant : this.#workers.find((worker) => worker.listening);
    if (taker?.process?.connected) {
      const message: ToWorker = { kind: 'connection', secure };
      taker.process.send(message, socket, { keepOpen: false }, (failed) => {
        if (failed) socket.destroy();
      });
    } else if (this.#stopping) {
      socket.destroy();
    } else {
      this.#stranded.push([socket, secure]);
    }
  }

  #order(slot: number, message: ToWorker): void {
    const worker = this.#workers[slot - 1]?.process;
    // One that ends in this moment is reported down; nobody waits for its answer then.
    if (worker?.connected) worker.send(message, () => {});
  }

  #tell(message: ToController): void {
    const controller = this.#controller.process;
    if (controller?.connected) controller.send(message, () => {});
  }

  #stop(signal: string): void {
    if (this.#stopping) {
      this.#log.warn({ signal }, 'asked again: ending at once');
      this.#killAll(1);
      return;
    }
    this.#stopping = true;
    const limitMs = this.#options.shutdownMs;
    this.#log.info({ signal, limitMs }, 'stopping: what is in flight may end');
    this.#tell({ kind: 'stopping' });
    for (const worker of this.#workers) this.#order(worker.slot, { kind: 'stop', limitMs });
    setTimeout(() => this.#killAll(0), limitMs + stopGraceMs).unref();
    // The workers have it too, and accept on for a while; held on here, it would queue clients for
    // nobody.
    for (const held of this.#traffic) held.close();
    this.#endWhenAlone();
  }

  #killAll(code: number): void {
    for (const { process } of [this.#controller, ...this.#workers]) process?.kill('SIGKILL');
    this.#ended(code);
  }

  /** Workers first: the controller may stop what they still send requests to. */
  #endWhenAlone(): void {
    if (this.#workers.some((worker) => worker.process !== null)) return;
    if (this.#controller.process === null) this.#ended(0);
    else this.#tell({ kind: 'stop' });
  }
}

/** Of a first start, these are final: the same would be refused again. */
const refused: readonly (number | null)[] = Object.values(refusedExitCodes);

function child(name: string, slot: number): Child {
  return { name, slot, process: null, listening: false, startedMs: 0, delayMs: 0 };
}

/**
 * Node begins to read a socket as soon as a process is handed one, and goes on until the next
 * process has taken it: what a client sent meanwhile would be read here, and lost. No public call
 * stops that; this is the one that Node's own `pauseOnConnect` makes.
 */
function leaveUnread(socket: Socket | undefined): void {
  const handle = (socket as { _handle?: { reading: boolean; readStop(): void } } | undefined)
    ?._handle;
  if (!handle) return;
  handle.reading = false;
  handle.readStop();
}

function info(worker: Child): { worker: number; pid: number } {
  return { worker: worker.slot, pid: worker.process?.pid ?? 0 };
}
