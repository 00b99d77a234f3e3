/**
 * The data plane of one process: the last table, and what an order does to it.
 *
 * The rule this file keeps: every order is carried out in one turn of the event loop, so no request
 * ever sees half of one.
 */
import type { Clock } from '../clock.ts';
import { Fault, type FaultCode } from '../errors.ts';
import type { Sink } from '../log.ts';
import type {
  Committed,
  Edge,
  Fence,
  Inside,
  Order,
  Reply,
  ServiceEntry,
  Table,
  TableChange,
  WorkerStats,
} from '../wire.ts';
import { AccessLog } from './accounting/accessLog.ts';
import type { Exchange } from './accounting/exchange.ts';
import type { Cut, Ending } from './balancing/lease.ts';
import type { Destination } from './destinations/destination.ts';
import { HttpDate } from './httpDate.ts';
import { WaitingBytes } from './queue.ts';
import { Routes } from './routes.ts';
import { Service } from './service.ts';
import { SmallBodies } from './smallBodies.ts';
import { Certificates } from './tls/certificates.ts';

export interface PlaneOptions {
  readonly clock: Clock;
  /** The slot of this worker, 1 to N; 0: the process that does everything. */
  readonly worker: number;
  readonly sink: Pick<Sink, 'line' | 'dropped'>;
}

export class Plane {
  readonly clock: Clock;
  readonly httpDate: HttpDate;
  readonly #worker: number;
  readonly #accessLog: AccessLog;
  #edge: Edge = {
    trustedProxies: [],
    proxyProtocol: [],
    accessLog: 'off',
    lanes: 'auto',
    tls: null,
  };
  readonly certificates = new Certificates();
  readonly smallBodies = new SmallBodies();
  readonly #waitingBytes = new WaitingBytes();
  /** The port that TLS is listened for at; null: none. The listener sets it. */
  httpsPort: number | null = null;
  /** TLS handshakes, by how they ended. */
  readonly handshakes = { completed: 0, timeout: 0, crowded: 0, refused: 0 };
  #version = 0;
  #closing = false;
  #services = new Map<string, Service>();
  #routes = new Routes<Destination>([]);
  /** The last table that came over a wire; the next may come as a change of it. */
  readonly #entries = new Map<string, ServiceEntry>();
  /** Services that a table no longer names, until nothing is inside. */
  readonly #leaving = new Set<Service>();
  readonly #unrouted = new Map<FaultCode, number>();
  readonly #listeners = new Set<(edge: Edge) => void>();
  readonly #closers = new Set<() => void>();
  readonly #handovers = new Map<string, number>();
  /** Client connections open now; the listener keeps it. */
  connections = 0;
  /** Requests that were finished, by lane. */
  readonly lanes = { express: 0, general: 0, http2: 0 };

  constructor(options: PlaneOptions) {
    this.clock = options.clock;
    this.httpDate = new HttpDate(options.clock);
    this.#worker = options.worker;
    this.#accessLog = new AccessLog(options.sink);
  }

  get edge(): Edge {
    return this.#edge;
  }

  /** 0 before the first table. */
  get version(): number {
    return this.#version;
  }

  /** The largest header block that any service takes: the bound of the parser. */
  get headerBytesMax(): number {
    let most = 16 * 1024;
    for (const service of this.#services.values()) {
      most = Math.max(most, service.policy.headerBytesMax);
    }
    return most;
  }

  match(host: string, path: string): Destination | undefined {
    return this.#routes.match(host, path);
  }

  service(name: string): Service | undefined {
    return this.#services.get(name);
  }

  /** Calls `listener` with the edge now and after each table. */
  onEdge(listener: (edge: Edge) => void): void {
    this.#listeners.add(listener);
    listener(this.#edge);
  }

  /** Carries out an order that came over a wire, and says how it went. Throws nothing but bugs. */
  obey(order: Order): Reply {
    const { seq } = order;
    try {
      if (order.kind === 'stats') return { kind: 'reply', seq, text: JSON.stringify(this.stats()) };
      return { kind: 'reply', seq, value: this.#carryOut(order) };
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      return { kind: 'reply', seq, error: { code: thrown.code, message: thrown.message } };
    }
  }

  stage(table: Table): void {
    if (table.version <= this.#version) return;
    const routed = routing([...this.#services.values()].map((service) => service.entry));
    this.#version = table.version;
    this.#edge = table.edge;
    for (const entry of table.services) {
      const service = this.#services.get(entry.name);
      if (service !== undefined) service.stage(entry);
      else this.#services.set(entry.name, new Service(entry, this.clock, this.#waitingBytes));
    }
    this.#dropMissing(table);
    if (routing(table.services) !== routed) {
      this.#routes = new Routes(
        table.services.flatMap((entry) => {
          const service = this.#services.get(entry.name);
          return service === undefined ? [] : waysTo(entry, service);
        }),
      );
    }
    for (const listener of this.#listeners) listener(table.edge);
  }

  hold(fence: Fence): void {
    this.#fenced(fence).hold(fence.generation);
  }

  commit(fence: Fence, go: boolean): Committed | null {
    return this.#fenced(fence).commit(fence.generation, go);
  }

  stats(): WorkerStats {
    for (const service of this.#leaving) {
      if (service.idle) this.#leaving.delete(service);
    }
    return {
      worker: this.#worker,
      pid: process.pid,
      tableVersion: this.#version,
      connections: this.connections,
      rssBytes: process.memoryUsage.rss(),
      logLinesDropped: this.#accessLog.dropped,
      unrouted: Object.fromEntries(this.#unrouted),
      lanes: { ...this.lanes },
      handovers: Object.fromEntries(this.#handovers),
      handshakes: { ...this.handshakes },
      services: [...this.#services.values(), ...this.#leaving].map((service) => service.stats()),
    };
  }

  /** Calls `listener` when connections are to end. */
  onClose(listener: () => void): void {
    this.#closers.add(listener);
  }

  /** Answers say `Connection: close`: the process stops, or others accept in its place. */
  get closing(): boolean {
    return this.#closing;
  }

  /** Others accept from now on: connections are to end, and nothing else changes. */
  leave(): void {
    this.#closing = true;
    for (const listener of this.#closers) listener();
  }

  /** This process accepts again. */
  comeBack(): void {
    this.#closing = false;
  }

  /** What is inside all services. */
  get inside(): Inside {
    const all = { http: 0, sse: 0, upgrade: 0 };
    for (const service of [...this.#services.values(), ...this.#leaving]) {
      for (const { inside } of service.pools()) {
        all.http += inside.http;
        all.sse += inside.sse;
        all.upgrade += inside.upgrade;
      }
    }
    return all;
  }

  /** The process stops: every service drains, tunnels leave, up to `limitMs`. */
  close(limitMs: number): void {
    for (const service of this.#services.values()) service.close('shutdown', limitMs);
    this.leave();
  }

  /** How many exchanges were cut since the pools they are in began to drain. */
  get cut(): number {
    const pools = [...this.#services.values()].flatMap((service) => service.pools());
    return pools.reduce((total, pool) => total + (pool.drained()?.cut ?? 0), 0);
  }

  /** Nothing is inside any service. */
  get idle(): boolean {
    return [...this.#services.values(), ...this.#leaving].every((service) => service.idle);
  }

  countUnrouted(code: FaultCode): void {
    this.#unrouted.set(code, (this.#unrouted.get(code) ?? 0) + 1);
  }

  /** @param reason one of a fixed list, of the express lane. */
  countHandover(reason: string): void {
    this.#handovers.set(reason, (this.#handovers.get(reason) ?? 0) + 1);
  }

  log(exchange: Exchange, ms: number, upstreamMs: number, ending: Ending | Cut): void {
    this.#accessLog.write(this.#edge.accessLog, exchange, ms, upstreamMs, ending);
  }

  #carryOut(order: Exclude<Order, { kind: 'stats' }>): unknown {
    if (order.kind === 'stage') return this.#change(order.table);
    if (order.kind === 'hold') return this.hold(order.fence);
    if (order.kind === 'certificates') return this.certificates.replace(order.set);
    return this.commit(order.fence, order.go);
  }

  /** @throws Fault FLIP_FENCED where the change builds on a table that is not the last one here. */
  #change({ version, base, edge, services, gone }: TableChange): void {
    if (version <= this.#version) return;
    if (base !== null && base !== this.#version) {
      const text = `Table ${version} builds on table ${base}; this worker has table ${this.#version}.`;
      throw new Fault('FLIP_FENCED', text);
    }
    if (base === null) this.#entries.clear();
    for (const name of gone) this.#entries.delete(name);
    for (const entry of services) this.#entries.set(entry.name, entry);
    this.stage({ version, edge, services: [...this.#entries.values()] });
  }

  #fenced(fence: Fence): Service {
    const service = this.#services.get(fence.service);
    if (service !== undefined) return service;
    throw new Fault(
      'FLIP_FENCED',
      `There is no service ${fence.service} in table ${this.#version}.`,
    );
  }

  #dropMissing(table: Table): void {
    const named = new Set(table.services.map((entry) => entry.name));
    for (const [name, service] of this.#services) {
      if (named.has(name)) continue;
      this.#services.delete(name);
      this.#leaving.add(service);
      service.close('retired', service.policy.drainMs);
    }
  }
}

/** What of the services decides routing: where it is the same, the look-up tables stay. */
function routing(entries: readonly ServiceEntry[]): string {
  return entries
    .map(({ name, hosts, paths, preview }) => [name, hosts, paths, preview?.host].join('\n'))
    .join('\n\n');
}

/** A preview has its own host, and one for each deployment below that. */
function waysTo(
  entry: ServiceEntry,
  service: Service,
): readonly (readonly [Pick<ServiceEntry, 'hosts' | 'paths'>, Destination])[] {
  const host = entry.preview?.host ?? '';
  if (host === '') return [[entry, service]];
  const hosts = [host, `*.${host}`];
  return [
    [entry, service],
    [{ hosts, paths: entry.paths }, service.preview],
  ];
}
