/**
 * The controller: services, admin API, events, figures and metrics put together, on whatever data
 * plane.
 *
 * The rule this file keeps: it decides nothing itself. What it is handed (a clock, a data plane,
 * where to listen) differs between one process and many; what it builds from that is the same.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../clock.ts';
import { asInForce, inForceOf, outstanding } from '../config/change.ts';
import type { Address, Config, InForce } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { Fault, reasonOf } from '../errors.ts';
import type { WorkerInfo } from '../ipc.ts';
import type { Log } from '../log.ts';
import type { WorkerStats } from '../wire.ts';
import { type Admin, startAdmin } from './admin/server.ts';
import { Certificates } from './certificates/certificates.ts';
import { sourcesOf } from './certificates/sources.ts';
import { dockerDriver } from './drivers/docker/dockerDriver.ts';
import { ProcessDriver } from './drivers/process/processDriver.ts';
import { staticDriver } from './drivers/static.ts';
import { hookGates } from './gates/hookGates.ts';
import { httpProbe } from './health/probe.ts';
import type { Control, Reloaded } from './model/api.ts';
import { createLookup } from './names/lookup.ts';
import { Notifier } from './notify/notifier.ts';
import { operationsOn } from './operations.ts';
import { preflight } from './preflight.ts';
import { healthOf } from './readiness.ts';
import { Replacement, type ReplacementOptions } from './replacement.ts';
import type { Dependencies } from './service/dependencies.ts';
import { Semaphore } from './service/semaphore.ts';
import { probeMark } from './service/viaMarks.ts';
import { Services } from './services.ts';
import type { FileStore } from './stores/file.ts';
import { openStore } from './stores/openStore.ts';
import { EventRing } from './telemetry/events.ts';
import { Metrics } from './telemetry/metrics.ts';
import { Sampler } from './telemetry/samples.ts';
import { Totals } from './telemetry/totals.ts';
import type { CertificateTaker, DataPlane } from './workers/dataPlane.ts';

export interface ControllerOptions {
  readonly config: Config;
  readonly configFile: string;
  readonly plane: DataPlane & CertificateTaker;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * A bound socket that the admin API listens on, as its descriptor or its handle; null: it binds
   * `config.admin.listen` itself.
   */
  readonly adminSocket: object | null;
  /** As in `replacement.ts`. */
  readonly handOver: ReplacementOptions['handOver'];
  /** What to do about an exception that nobody foresaw. */
  readonly onBug: (thrown: unknown) => void;
}

/** So many deployments of before may not have been told of; how often the page's figures are taken. */
const [lookBack, sampleMs] = [200, 1_000];

/** dist/control and src/control are equally deep. */
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const version = (
  JSON.parse(readFileSync(here('../../package.json'), 'utf8')) as { version: string }
).version;

export class Controller {
  readonly #options: ControllerOptions;
  readonly #events: EventRing;
  readonly #sampler = new Sampler();
  readonly #totals = new Totals();
  readonly #metrics: Metrics;
  readonly #certificates: Certificates;
  readonly #notifier: Notifier;
  readonly #store: FileStore;
  readonly replacement: Replacement;
  readonly #startedMs: number;
  readonly #instance = randomBytes(4).toString('hex');
  #services: Services | null = null;
  #admin: Admin | null = null;
  #processes: ProcessDriver | null = null;
  readonly #inForce: InForce;
  readonly #reloads = new Semaphore(1);
  #configLoaded = true;
  #stopping = false;

  private constructor(options: ControllerOptions, store: FileStore) {
    this.#options = options;
    this.#inForce = inForceOf(options.config);
    this.#store = store;
    this.#startedMs = options.clock.now();
    this.#events = new EventRing(options.clock, options.log);
    const { clock, log, plane, config, onBug } = options;
    const { stateDir } = config;
    const shared = { clock, log, random: Math.random, stateDir, version };
    const sources = sourcesOf({ ...shared, onBug });
    this.#certificates = new Certificates({ clock, log, taker: plane, sources });
    this.#notifier = new Notifier({
      ...shared,
      events: this.#events,
      service: (name) => this.#services?.find(name)?.status() ?? null,
    });
    this.#metrics = new Metrics({
      version,
      totals: this.#totals,
      stats: () => this.#stats(),
      services: () => this.#services?.all().map((deployer) => deployer.status()) ?? [],
      certificates: () => this.#certificates.status(),
      notifier: () => this.#notifier.status(),
      stateWritable: () => (this.#services?.problems().length ?? 0) === 0,
      configLoaded: () => this.#configLoaded,
    });
    this.#events.subscribe(0, (event) => this.#metrics.heard(event));
    this.replacement = new Replacement({
      events: this.#events,
      services: () => this.#services,
      handOver: options.handOver,
    });
  }

  /**
   * Reads the state, brings every service back to where it was, and answers operators.
   *
   * @throws Fault STATE_UNREADABLE, STATE_NOT_WRITABLE, PORT_IN_USE, CONFIG_INVALID,
   *   CONFIG_UNREADABLE; nothing was changed then.
   */
  static async start(options: ControllerOptions): Promise<Controller> {
    const { config, clock } = options;
    const controller = new Controller(options, await openStore(config.stateDir, clock));
    try {
      controller.#admin = await startAdmin({
        control: controller.#control(),
        listen: config.admin.listen,
        socket: options.adminSocket,
        tokenFile: config.admin.tokenFile,
        readTokenFile: config.admin.readTokenFile,
        tls: config.admin.tls,
        hosts: config.admin.hosts,
        pageDir: here('../../dist/dashboard'),
        onBug: options.onBug,
        log: options.log,
        clock,
      });
      // Before the first table: with that the workers listen.
      await controller.#certificates.start(config);
      await controller.#notifier.reload(config.notify);
      const services = await Services.start(controller.#dependencies(), config);
      controller.#services = services;
      const { deployments } = operationsOn(() => services);
      const nobody = config.notify.length === 0;
      controller.#notifier.listen(nobody ? [] : await deployments({ limit: lookBack }));
    } catch (thrown) {
      await controller.#notifier.close();
      await controller.#certificates.close();
      await controller.#admin?.close();
      await controller.#store.close();
      throw thrown;
    }
    controller.#keepSampling();
    return controller;
  }

  /** Where the admin API listens. */
  get adminAddress(): Address {
    if (this.#admin === null) throw new Error('The controller has not started.');
    return this.#admin.address;
  }

  workerUp({ worker, pid }: WorkerInfo): void {
    this.#events.emit({ type: 'worker', worker, what: 'up', why: `pid ${pid}` });
  }

  workerDown({ worker, pid }: WorkerInfo, why: string): void {
    this.#totals.ended(pid);
    this.#metrics.workerRestarted();
    this.#events.emit({ type: 'worker', worker, what: 'down', why: `pid ${pid}: ${why}` });
  }

  /**
   * Reads the config again, and the token files that it names. Whoever asks meanwhile (a signal
   * beside a call) waits, so that what was read last is in force.
   *
   * @throws Fault CONFIG_INVALID, CONFIG_UNREADABLE; what was active then stays.
   */
  async reload(): Promise<Reloaded> {
    const services = this.#running();
    return this.#reloads.pass(() => this.#reload(services));
  }

  async #reload(services: Services): Promise<Reloaded> {
    try {
      const file = await loadConfig(this.#options.configFile);
      const config = asInForce(file, this.#inForce);
      await preflight(config);
      await this.#admin?.reload(config.admin);
      await this.#certificates.reload(config);
      await this.#notifier.reload(config.notify);
      const change = await services.reload(config);
      const rest = this.replacement.carryOut(outstanding(this.#inForce, file));
      const reloaded = { ...change, ...rest };
      this.#configLoaded = true;
      this.#sampler.keepOnly(new Set(config.services.map(({ name }) => name)));
      this.#options.log.info({ ...reloaded }, 'config reloaded');
      this.#events.emit({ type: 'config', ok: true, what: `reloaded ${this.#options.configFile}` });
      return reloaded;
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      this.#configLoaded = false;
      this.#options.log.error({ code: thrown.code }, `config not reloaded: ${reasonOf(thrown)}`);
      this.#events.emit({ type: 'config', ok: false, what: reasonOf(thrown) });
      throw thrown;
    }
  }

  /** Ends for another controller; all runs on. @returns null, or why it cannot now and goes on. */
  async yield(): Promise<string | null> {
    const busy = this.replacement.yield();
    if (busy === null) await this.#end(false);
    return busy;
  }

  /** The proxy is about to end: it says that it is not ready any more. */
  stopping(): void {
    this.#stopping = true;
  }

  /**
   * Ends it. Containers run on, as they do when the proxy is upgraded; local processes are the
   * proxy's own children to the person who started it, and end with it.
   */
  close(): Promise<void> {
    return this.#end(true);
  }

  async #end(withProcesses: boolean): Promise<void> {
    this.#stopping = true;
    await this.#certificates.close();
    await this.#notifier.close();
    await this.#services?.close();
    await this.#admin?.close();
    const pools = withProcesses ? await this.#processes?.list() : [];
    await Promise.all((pools ?? []).map(({ poolId }) => this.#processes?.stop(poolId)));
    await this.#processes?.close();
    await this.#store.close();
  }

  #dependencies(): Dependencies {
    const { clock, plane, log, config } = this.#options;
    const { stateDir } = config;
    const mark = probeMark(this.#instance);
    return {
      clock,
      random: Math.random,
      instance: this.#instance,
      store: this.#store,
      drivers: {
        static: staticDriver,
        process: () => {
          this.#processes = new ProcessDriver({ stateDir, clock });
          return this.#processes;
        },
        docker: () => dockerDriver({ clock, stateDir, log }),
      },
      plane: {
        stage: (table) => plane.stage(table),
        hold: (fence, limitMs) => plane.hold(fence, limitMs),
        commit: (fence, go) => plane.commit(fence, go),
        stats: () => this.#stats(),
      },
      probe: httpProbe(clock, mark),
      gates: hookGates({ clock, log, stateDir, via: mark, env: process.env }),
      lookup: createLookup(),
      events: this.#events,
      log,
    };
  }

  #control(): Control {
    return {
      ...operationsOn(() => this.#running()),
      certificates: () => this.#certificates.status(),
      reload: () => this.reload(),
      upgrade: async ({ by }) => this.replacement.begin(by),
      handover: () => this.replacement.last,
      health: () => {
        const uptimeSeconds = Math.round((this.#options.clock.now() - this.#startedMs) / 1000);
        return healthOf(this.#services, this.#stopping, { version, uptimeSeconds });
      },
      metrics: () => this.#metrics.page(),
      events: this.#events,
      samples: this.#sampler,
    };
  }

  /** @throws Fault STARTING while the state is read and the services are brought back. */
  #running(): Services {
    if (this.#services !== null && !this.replacement.yielding) return this.#services;
    throw new Fault('STARTING', 'Pointsman is starting: try again in a moment.');
  }

  async #stats(): Promise<readonly WorkerStats[]> {
    const stats = await this.#options.plane.stats();
    this.#totals.update(stats);
    return stats;
  }

  #keepSampling(): void {
    const { clock } = this.#options;
    clock.after(sampleMs, () => {
      if (this.#stopping) return;
      this.#sampler.take(clock.date(), clock.now(), this.#services?.stats() ?? []);
      this.#keepSampling();
    });
  }
}
