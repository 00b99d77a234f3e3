/**
 * The supervisor: holds the listening sockets, restarts its children, relays their messages, and
 * hands all of it to its successor. Nothing else.
 *
 * The rule this file keeps: it does not read what it relays and knows nothing of services or
 * releases, so that there is nothing in it to crash on. When it dies, its children see their
 * channel close and end.
 */
import type { ChildProcess, Serializable } from 'node:child_process';
import type { Socket } from 'node:net';
import { type Announced, tellServing } from '../handover/birth.ts';
import type { Predecessor } from '../handover/predecessor.ts';
import { type Estate, Succession } from '../handover/succession.ts';
import { onTrigger } from '../handover/trigger.ts';
import {
  type FromController,
  type FromWorker,
  refusedExitCodes,
  type ToController,
} from '../ipc.ts';
import { type HeldListener, holdListeners } from '../listener.ts';
import { openLog, type Sink } from '../log.ts';
import { raisePriority } from '../priority.ts';
import { leaveBoard, openScoreboard } from '../scoreboard.ts';
import { type Child, childAt, infoOf, restartDelayMs, startChild } from './child.ts';
import { Crew } from './crew.ts';
import type { Household, SupervisorOptions } from './household.ts';
import { Placement } from './placement.ts';

/** Beyond the limit of a graceful stop, for the answers to get out. */
const stopGraceMs = 2_000;

/** @returns the exit code, once everything has ended. @throws Fault PORT_IN_USE */
export async function supervise(options: SupervisorOptions): Promise<number> {
  const { listen, tlsListen, admin, birth } = options;
  const held = await holdListeners([...listen, ...tlsListen, admin], birth.given);
  return new Supervisor(options, held.slice(0, -1), held.slice(-1)).run();
}

class Supervisor {
  readonly #options: SupervisorOptions;
  /** Plain ones first, then those for TLS. */
  readonly #traffic: readonly HeldListener[];
  readonly #admin: readonly HeldListener[];
  readonly #log: Sink = openLog('supervisor');
  readonly #controller: Child = childAt('controller', 0);
  readonly #household: Household;
  readonly #crew: Crew;
  readonly #placement: Placement;
  readonly #predecessor: Predecessor | null;
  /** Whether the state may be taken: not while a predecessor has it. */
  #mayServe: boolean;
  #succession: Succession | null = null;
  /** By whom a hand-over was asked for that has not begun. */
  #due: string | null = null;
  #announced: Announced | null = null;
  #stopping = false;
  #wasReady = false;
  #wasUp = false;
  #ended: (code: number) => void = () => {};

  constructor(
    options: SupervisorOptions,
    traffic: readonly HeldListener[],
    admin: readonly HeldListener[],
  ) {
    const { workers, birth } = options;
    this.#options = options;
    this.#traffic = traffic;
    this.#admin = admin;
    this.#predecessor = birth.predecessor;
    this.#mayServe = birth.predecessor === null;
    const firstSlot = birth.predecessor?.firstSlot(workers) ?? 1;
    this.#household = { ...options, firstSlot, board: openScoreboard(workers) };
    this.#crew = new Crew(firstSlot, workers);
    this.#placement = new Placement(this.#crew.all);
  }

  async run(): Promise<number> {
    // Every order of a flip and every answer passes through here, while the workers are busy.
    raisePriority();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        // One that serves in our place is told, and tells us.
        if (this.#succession?.pass(signal) !== true) this.#stop(signal);
      });
    }
    process.on('SIGHUP', () => this.#tell({ kind: 'reload' }));
    onTrigger(() => this.#handOver('SIGUSR2'));
    const ended = new Promise<number>((resolve) => {
      this.#ended = resolve;
    });
    this.#predecessor?.hear({
      go: () => {
        this.#mayServe = true;
        this.#welcome();
      },
      told: (message) => this.#tell(message),
      gone: (workers) => {
        for (const worker of workers) this.#tell({ kind: 'down', worker, why: 'it has left' });
        if (this.#stopping) this.#endWhenAlone();
        this.#handOver(this.#due);
      },
    });
    for (const worker of this.#crew.all) this.#start(worker);
    this.#start(this.#controller);
    const code = await ended;
    await this.#log.written();
    await this.#succession?.heard();
    this.#predecessor?.leave();
    const front = this.#succession?.front;
    if (this.#crew.left !== null && front) return front.stay();
    this.#announced?.ended(code);
    return code;
  }

  #start(child: Child): void {
    const isWorker = child.name === 'worker';
    const held = isWorker ? this.#traffic : this.#admin;
    const started = startChild(
      child,
      this.#household,
      held.map(({ fd }) => fd),
    );
    started.on('error', (cause) => this.#log.error({ err: String(cause) }, `${child.name} failed`));
    started.on('exit', (code, signal) => this.#exited(child, started, code, signal));
    if (isWorker) {
      started.on('message', (message, socket) => this.#fromWorker(child, message, socket));
      started.once('close', () => this.#placement.gone(started));
      this.#tell({ kind: 'up', worker: infoOf(child) });
    } else {
      started.on('message', (message) => this.#fromController(message as FromController));
      this.#welcome();
    }
  }

  #welcome(): void {
    if (!this.#mayServe) {
      this.#controller.process?.send({ kind: 'prepare' } satisfies ToController);
      return;
    }
    // While the old workers drain, our controller leads them too.
    const old = this.#predecessor?.workers ?? [];
    this.#tell({ kind: 'welcome', workers: [...this.#crew.running, ...old] });
  }

  /** Of a successor: its children have read their code. */
  #tellPrepared(): void {
    const children = [this.#controller, ...this.#crew.all];
    if (children.every(({ loaded }) => loaded)) this.#predecessor?.prepared(this.#options.version);
  }

  #tellUp(): void {
    if (!this.#wasReady || !this.#crew.listening || this.#wasUp) return;
    this.#wasUp = true;
    const { listen, up, birth } = this.#options;
    const bound = this.#traffic.map(({ address }) => address);
    const [admin = this.#options.admin] = this.#admin.map(({ address }) => address);
    up({ plain: bound.slice(0, listen.length), secure: bound.slice(listen.length), admin });
    this.#announced = tellServing(birth, this.#log, () => {
      // Whoever waited for us was killed; where that fell into a hand-over, we go on.
      if (this.#predecessor?.done) this.#stop('nobody waits for it');
    });
    this.#predecessor?.up();
    this.#handOver(this.#due);
  }

  #exited(child: Child, was: ChildProcess, code: number | null, signal: string | null): void {
    const why = signal === null ? `exit code ${code}` : `signal ${signal}`;
    const worker = { worker: child.slot, pid: was.pid ?? 0 };
    child.process = null;
    child.listening = false;
    if (child !== this.#controller) {
      leaveBoard(this.#household.board, child.slot - this.#household.firstSlot + 1);
      this.#tell({ kind: 'down', worker, why });
    }
    if (this.#stopping || this.#crew.left !== null) {
      this.#endWhenAlone();
      return;
    }
    if (child === this.#controller && this.#succession?.yielding) {
      this.#succession.yielded(null);
      return;
    }
    const final = !this.#wasReady && child === this.#controller && refused.includes(code);
    if (final || !this.#mayServe) {
      this.#predecessor?.refuse(`its ${child.name} ended with ${why}`);
      this.#stopping = true;
      this.#killAll(code === refusedExitCodes.config ? code : 1);
      return;
    }
    const delayMs = restartDelayMs(child);
    this.#log.error({ ...worker, why, delayMs }, `${child.name} ended; starting another`);
    setTimeout(() => {
      const gone = child === this.#controller && this.#succession?.leads === true;
      if (!this.#stopping && !gone && child.process === null) this.#start(child);
    }, delayMs);
  }

  /** What our controller orders; where ours has gone, that of the successor. */
  #fromController(message: FromController): void {
    if (message.kind === 'loaded') {
      this.#controller.loaded = true;
      this.#tellPrepared();
    } else if (message.kind === 'ready') {
      this.#wasReady = true;
      this.#tellUp();
    } else if (message.kind === 'refused') {
      this.#predecessor?.refuse(message.why);
    } else if (message.kind === 'busy') {
      this.#succession?.yielded(message.why);
    } else if (message.kind === 'upgrade') {
      this.#handOver(message.asked);
    } else if (message.kind === 'end') {
      this.#log.error({ worker: message.worker, why: message.why }, 'ending a worker');
      if (this.#crew.at(message.worker) === undefined) this.#predecessor?.order(message);
      else this.#crew.at(message.worker)?.process?.kill('SIGKILL');
    } else {
      const ours = message.workers.filter((slot) => this.#crew.tell(slot, message.order));
      const workers = message.workers.filter((slot) => !ours.includes(slot));
      if (workers.length > 0) this.#predecessor?.order({ ...message, workers });
    }
  }

  #fromWorker(from: Child, message: Serializable, socket: unknown): void {
    const said = message as FromWorker;
    if (said.kind === 'reply') {
      this.#tell({ kind: 'from', worker: from.slot, reply: said });
    } else if (said.kind === 'connection') {
      this.#placement.place(socket as Socket | undefined, said.secure, said.to);
    } else if (said.kind === 'left') {
      this.#crew.hasLeft(said.left);
    } else if (said.kind === 'loaded') {
      from.loaded = true;
      this.#tellPrepared();
    } else {
      from.listening = true;
      this.#tellUp();
      this.#placement.arrived(from.slot);
    }
  }

  #tell(message: ToController): void {
    const controller = this.#controller.process;
    if (this.#succession?.leads) this.#succession.told(message);
    else if (controller?.connected && this.#mayServe) controller.send(message, () => {});
  }

  /** One at a time; before we serve, or while the one before us drains, it waits. */
  #handOver(asked: string | null): void {
    if (asked === null || this.#stopping || this.#succession?.over === false) return;
    const now = this.#wasUp && this.#predecessor?.gone !== false;
    this.#due = now ? null : asked;
    if (now) this.#succession = new Succession(this.#estate(), asked);
  }

  #estate(): Estate {
    const { handoverMs, shutdownMs, listen } = this.#options;
    return {
      ...this.#options,
      ...this.#household,
      log: this.#log,
      sockets: [...this.#traffic, ...this.#admin],
      running: () => this.#crew.running,
      yield: () => {
        this.#tell({ kind: 'yield' });
        return this.#controller.process !== null;
      },
      resume: () => this.#start(this.#controller),
      leave: () => this.#crew.leave(handoverMs, shutdownMs),
      takeBack: () => {
        for (const gone of this.#crew.comeBack(this.#traffic, listen.length)) this.#start(gone);
      },
      obey: (message) => this.#fromController(message),
      tell: (message) => this.#tell(message),
      stop: () => this.#stop('its successor stops'),
    };
  }

  #stop(signal: string): void {
    if (this.#stopping) {
      this.#log.warn({ signal }, 'asked again: ending at once');
      this.#killAll(1);
      return;
    }
    this.#stopping = true;
    if (!this.#mayServe) this.#killAll(1);
    const { shutdownMs: limitMs } = this.#options;
    this.#log.info({ signal, limitMs }, 'stopping: what is in flight may end');
    this.#succession?.stop();
    this.#predecessor?.stop();
    this.#placement.close();
    this.#tell({ kind: 'stopping' });
    this.#crew.tellAll({ kind: 'stop', limitMs });
    setTimeout(() => this.#killAll(0), limitMs + stopGraceMs).unref();
    // The workers have it too, and accept on; held on here, it would queue clients for nobody.
    for (const held of this.#traffic) held.close();
    this.#endWhenAlone();
  }

  #killAll(code: number): void {
    for (const { process } of [this.#controller, ...this.#crew.all]) process?.kill('SIGKILL');
    this.#ended(code);
  }

  /** Workers first: the controller may stop what they still send requests to. */
  #endWhenAlone(): void {
    const { left } = this.#crew;
    if (this.#crew.running.length > 0) return;
    if (left !== null) {
      for (const held of [...this.#traffic, ...this.#admin]) held.close();
      this.#succession?.left(left);
    }
    if (this.#controller.process === null) this.#ended(0);
    else if (this.#predecessor?.gone !== false) this.#tell({ kind: 'stop' });
  }
}

/** Final at a first start: the same would be refused again. */
const refused: readonly (number | null)[] = Object.values(refusedExitCodes);
