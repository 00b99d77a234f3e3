/**
 * A `Control` for tests of the admin API and the CLI: the rules of the real one, without anything
 * behind.
 *
 * The rule this file keeps: it refuses what the real one refuses, with the same codes, and does
 * nothing by itself. A deployment moves when the test says `enter`, `pass`, `fail` or `flipNow`.
 */

import {
  type Call,
  type Control,
  type DeployOrder,
  type EventBody,
  type Events,
  type PointsmanEvent,
  type Reloaded,
  type ServiceStatus,
  sidesOf,
} from '../../src/control/model/api.ts';
import type { CertificateStatus } from '../../src/control/model/certificates.ts';
import type { PoolStatus, ProbeResult, TargetStatus } from '../../src/control/model/pools.ts';
import {
  type Check,
  type Deployment,
  type Direction,
  type Phase,
  type Receipt,
  warmUpName,
} from '../../src/control/model/state.ts';
import { refuseToggle } from '../../src/control/service/refusals.ts';
import { Fault, type FaultCode } from '../../src/errors.ts';
import type { Handover } from '../../src/ipc.ts';
import { type Color, otherColor } from '../../src/wire.ts';

export const bornAt = '2026-01-01T00:00:00.000Z';

const empty = { http: 0, sse: 0, upgrade: 0 };

export interface FakeControl extends Control {
  /** Moves a deployment to a phase and tells it. */
  enter(id: string, phase: Phase): void;
  /** What has to pass before the flip of a deployment stands like this. */
  check(id: string, checks: readonly Check[]): void;
  /** A line of it is told. */
  say(id: string, line: string): void;
  /** A probe of a target of the standby passed. */
  pass(id: string, target: string, passes: number): void;
  /** A probe of it failed. */
  miss(id: string, target: string, error: string): void;
  /** Ends a deployment. */
  fail(id: string, code: FaultCode, message: string): void;
  /** Flips, as the gate would have, and drains at once unless told otherwise. */
  flipNow(id: string, drained?: boolean): void;
  /** A hand-over is in this phase. */
  handOver(phase: Handover['phase'], more?: Partial<Handover>): void;
  /** Ends the drain of a deployment that flipped. */
  drain(id: string): void;
  /** What was asked of it, newest last. */
  readonly calls: readonly {
    readonly what: string;
    readonly call: Call;
    readonly order?: unknown;
  }[];
  /** The next call that changes something throws this. */
  failNext(thrown: unknown): void;
  setReady(reasons: readonly string[]): void;
  setService(name: string, changes: Partial<ServiceStatus>): void;
  /** Throw `ABORTED`-like holes into the line: the calls wait until `go`. */
  hold(): () => void;
  /** What a reload does first, as the controller does: the admin server reads its tokens again. */
  readTokens(): Promise<void>;
  /** How many follow the events. */
  readonly listeners: number;
}

/** A service with v1 live on blue and v0 warm on green. */
export function fakeService(name: string, changes: Partial<ServiceStatus> = {}): ServiceStatus {
  return {
    name,
    hosts: [`${name}.example`],
    paths: ['/'],
    run: 'static',
    generation: 3,
    live: 'blue',
    paused: false,
    pausePage: false,
    pools: {
      blue: fakePool(name, 'blue', 'v1', 'live'),
      green: fakePool(name, 'green', 'v0', 'warm'),
    },
    candidate: null,
    warmUntil: 'flip',
    rollback: {
      ready: true,
      to: { color: 'green', release: 'v0' },
      reason: null,
      asleep: false,
      unsafe: null,
    },
    deployment: null,
    releases: [],
    watch: null,
    latch: null,
    confirm: null,
    freeze: null,
    preview: null,
    limits: { deployMs: 60_000, drainMs: 30_000, until: null },
    waiting: 0,
    problem: null,
    ...changes,
  };
}

export function fakePool(
  service: string,
  color: Color,
  release: string,
  role: PoolStatus['role'],
  targets: readonly TargetStatus[] = [
    fakeTarget(color === 'blue' ? '127.0.0.1:3001' : '127.0.0.1:3002'),
  ],
): PoolStatus {
  return {
    id: `${service}.${color}.1`,
    color,
    role,
    release,
    source: targets.map(({ address }) => address).join(', '),
    filledAt: bornAt,
    since: role === 'live' || role === 'warm' ? bornAt : null,
    healthy: targets.filter(({ healthy }) => healthy).length,
    targets,
    inside: empty,
  };
}

export function fakeTarget(address: string, changes: Partial<TargetStatus> = {}): TargetStatus {
  return {
    id: address,
    address,
    addresses: [],
    unresolved: null,
    healthy: true,
    state: 'running',
    detail: 'named by the release',
    probe: probe(true, null),
    passes: 12,
    failures: 0,
    changedAt: bornAt,
    ejectedBy: 0,
    inside: 0,
    requests: 100,
    errors: 0,
    answered: 100,
    answeredMs: 500,
    retries: 0,
    ...changes,
  };
}

/** A check before the flip that took 30 ms, as far as it has been made. */
export function fakeCheck(
  name: string,
  phase: Check['phase'],
  result: string | null = null,
  changes: Partial<Check> = {},
): Check {
  const over = phase === 'passed' || phase === 'failed';
  return {
    moment: 'beforeFlip',
    name,
    phase,
    runs: phase === 'waiting' ? 0 : 1,
    startedAt: phase === 'waiting' ? null : bornAt,
    ms: over ? 30 : null,
    result,
    output: [],
    ...changes,
  };
}

export function probe(passed: boolean, error: string | null): ProbeResult {
  const status = passed ? 200 : 503;
  const body = passed ? null : 'migrations are running';
  return { at: bornAt, ms: 1.5, passed, status, error, body };
}

export function fakeReceipt(deployment: Deployment, generation: number, done: boolean): Receipt {
  const warmUp = deployment.checks?.find(({ name }) => name === warmUpName)?.result ?? null;
  return {
    ...(warmUp !== null && { warmUp }),
    service: deployment.service,
    generation,
    direction: deployment.direction,
    from: deployment.from,
    to: deployment.to,
    committedAt: '2026-01-01T00:01:02.345Z',
    holdMs: 0.82,
    flipMs: 1.94,
    workers: 2,
    waited: 7,
    waitedMsMax: 0.71,
    inflight: { http: 5, sse: 1, upgrade: 2 },
    drained: done
      ? {
          inflight: { http: 5, sse: 1, upgrade: 2 },
          finished: 5,
          clientAborted: 1,
          cut: 0,
          stillOpen: 2,
          done: true,
        }
      : null,
  };
}

/** Events kept and replayed as the real ones. @param firstId of the first event. */
export function fakeEvents(firstId = 1): Events & { readonly listeners: number } {
  const kept: PointsmanEvent[] = [];
  const listeners = new Set<(event: PointsmanEvent) => void>();
  let next = firstId;
  return {
    emit(body: EventBody) {
      const event = { ...body, id: next++, at: bornAt } as PointsmanEvent;
      kept.push(event);
      for (const listener of listeners) listener(event);
      return event;
    },
    subscribe(after, listener) {
      for (const event of kept) if (event.id > after) listener(event);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get listeners() {
      return listeners.size;
    },
  };
}

export interface FakeOptions {
  readonly services?: readonly ServiceStatus[];
  /** What a controller finds in its state when it starts again. */
  readonly deployments?: readonly Deployment[];
  readonly events?: Events & { readonly listeners: number };
  readonly certificates?: readonly CertificateStatus[];
}

/** One in a file that is good for ten days more. */
export function fakeCertificate(is: Partial<CertificateStatus> = {}): CertificateStatus {
  return {
    name: '/etc/tls/shop.pem',
    source: 'file',
    service: null,
    names: ['shop.example'],
    serial: '03E9',
    issuer: 'Example CA',
    notAfter: '2026-01-11T12:00:00.000Z',
    lastError: null,
    lastErrorAt: null,
    nextTryAt: null,
    ...is,
  };
}

export function fakeControl(options: FakeOptions = {}): FakeControl {
  const services = new Map((options.services ?? [fakeService('shop')]).map((s) => [s.name, s]));
  const deployments = new Map((options.deployments ?? []).map((d) => [d.id, d]));
  const calls: { what: string; call: Call; order?: unknown }[] = [];
  const events = options.events ?? fakeEvents();
  let reasons: readonly string[] = [];
  let handover: Handover | null = null;
  let planned: { thrown: unknown } | null = null;
  let gate: Promise<void> | null = null;
  let number = deployments.size;

  const serviceOf = (name: string): ServiceStatus => {
    const service = services.get(name);
    if (!service)
      throw new Fault('SERVICE_UNKNOWN', `There is no service ${name}.`, { service: name });
    return service;
  };
  const deploymentOf = (id: string): Deployment => {
    const deployment = deployments.get(id);
    if (!deployment) throw new Fault('DEPLOYMENT_UNKNOWN', `There is no deployment ${id}.`, { id });
    return deployment;
  };
  const change = (name: string, changes: Partial<ServiceStatus>): ServiceStatus => {
    const changed = { ...serviceOf(name), ...changes };
    services.set(name, changed);
    return changed;
  };
  const tell = (deployment: Deployment): Deployment => {
    deployments.set(deployment.id, deployment);
    change(deployment.service, { deployment });
    events.emit({ type: 'deployment', service: deployment.service, deployment });
    return deployment;
  };
  const begin = async (what: string, call: Call, order?: unknown): Promise<void> => {
    calls.push(order === undefined ? { what, call } : { what, call, order });
    if (gate) await gate;
    if (!planned) return;
    const { thrown } = planned;
    planned = null;
    throw thrown;
  };
  const match = (service: ServiceStatus, call: Call): void => {
    if (call.generation === null || call.generation === service.generation) return;
    throw new Fault(
      'GENERATION_STALE',
      `${service.name} is at generation ${service.generation}, not ${call.generation}.`,
      { generation: service.generation },
    );
  };
  const running = (service: ServiceStatus): Deployment | null => {
    const { deployment } = service;
    return deployment && deployment.endedAt === null ? deployment : null;
  };
  const create = (
    service: ServiceStatus,
    direction: Direction,
    release: string,
    call: Call,
  ): Deployment => {
    const { live } = sidesOf(service);
    return {
      id: `${service.name}-${++number}`,
      service: service.name,
      direction,
      from: live ? { color: live.color, release: live.release } : null,
      to: { color: otherColor(live?.color ?? 'green'), release },
      phase: direction === 'deploy' ? 'starting' : 'ready',
      by: call.by,
      why: call.why,
      startedAt: bornAt,
      endedAt: null,
      error: null,
      receipt: null,
    };
  };
  const commit = (deployment: Deployment, done: boolean): Deployment => {
    const service = serviceOf(deployment.service);
    const receipt = fakeReceipt(deployment, service.generation + 1, done);
    const { from, to } = deployment;
    const rollback = {
      ready: from !== null,
      to: from,
      reason: from ? null : 'There is no warm pool.',
      asleep: false,
      unsafe: null,
    };
    const { live: old } = sidesOf(service);
    change(service.name, {
      generation: receipt.generation,
      live: to.color,
      rollback,
      pools: {
        ...service.pools,
        [otherColor(to.color)]: old ? { ...old, role: 'warm' } : null,
        [to.color]: fakePool(service.name, to.color, to.release, 'live'),
      },
    });
    events.emit({ type: 'flip', service: service.name, direction: deployment.direction, receipt });
    return tell({
      ...deployment,
      receipt,
      phase: done ? 'live' : 'draining',
      endedAt: done ? '2026-01-01T00:01:03.000Z' : null,
    });
  };

  const control: FakeControl = {
    readTokens: async () => {},
    certificates: () => options.certificates ?? [],
    services: () => [...services.values()],
    service: serviceOf,
    async deploy(name: string, order: DeployOrder, call: Call) {
      await begin('deploy', call, order);
      const service = serviceOf(name);
      match(service, call);
      const other = running(service);
      if (other) {
        throw new Fault('DEPLOYMENT_IN_PROGRESS', `${other.id} runs.`, { deployment: other.id });
      }
      if (service.run === 'static' && order.targets.length === 0) {
        throw new Fault('RELEASE_INVALID', `${name} is static: name at least one target.`);
      }
      const { confirmWithinMs: ms } = order;
      const created = create(service, 'deploy', order.release, call);
      const deployment = ms === undefined ? created : { ...created, confirmWithinMs: ms };
      return order.dryRun ? deployment : tell(deployment);
    },
    async acknowledge(name, call) {
      await begin('acknowledge', call);
      const service = serviceOf(name);
      match(service, call);
      return change(name, { latch: null });
    },
    async confirm(name, withinMs, call) {
      await begin('confirm', call, { withinMs });
      const service = serviceOf(name);
      match(service, call);
      const until = new Date(Date.parse(bornAt) + (withinMs ?? 0)).toISOString();
      const waits = service.confirm && { ...service.confirm, until };
      return change(name, { confirm: withinMs === null ? null : waits });
    },
    async flip(name, call) {
      await begin('flip', call);
      const service = serviceOf(name);
      match(service, call);
      const deployment = running(service);
      if (deployment?.phase !== 'ready') {
        throw new Fault('FLIP_NOT_READY', `No deployment of ${name} waits for a flip.`);
      }
      return commit(deployment, false);
    },
    async rollback(name, to, call, unsafe) {
      refuseToggle(to, call.generation);
      await begin('rollback', call, { to, ...(unsafe !== undefined && { unsafe }) });
      const service = serviceOf(name);
      match(service, call);
      const { rollback } = service;
      if (!rollback.ready || !rollback.to) {
        throw new Fault('ROLLBACK_NOT_READY', rollback.reason ?? 'There is no warm pool.');
      }
      if (to !== null && to !== rollback.to.release) {
        throw new Fault(
          'ROLLBACK_NOT_READY',
          `The warm pool holds ${rollback.to.release}, not ${to}.`,
        );
      }
      if (rollback.unsafe !== null && rollback.unsafe !== unsafe) {
        throw new Fault('ROLLBACK_UNSAFE', `Going back is unsafe: ${rollback.unsafe}`);
      }
      return commit(create(service, 'rollback', rollback.to.release, call), true);
    },
    async abort(id, call) {
      await begin('abort', call);
      const deployment = deploymentOf(id);
      if (deployment.endedAt || deployment.receipt) {
        throw new Fault('ABORT_TOO_LATE', `${id} has ended or flipped.`);
      }
      const error = { code: 'ABORTED', message: `Aborted by ${call.by}.` };
      return tell({ ...deployment, phase: 'aborted', endedAt: bornAt, error });
    },
    async retire(name, call) {
      await begin('retire', call);
      const service = serviceOf(name);
      match(service, call);
      if (running(service)) throw new Fault('RETIRE_REFUSED', 'A deployment needs the standby.');
      const { standby } = sidesOf(service);
      const pools = { ...service.pools, ...(standby && { [standby.color]: null }) };
      const rollback = {
        ready: false,
        to: null,
        reason: 'There is no warm pool.',
        asleep: false,
        unsafe: null,
      };
      events.emit({ type: 'service', service: name, what: 'the standby was retired' });
      return change(name, { pools, rollback });
    },
    async wake(name, call) {
      await begin('wake', call);
      match(serviceOf(name), call);
      const { to } = serviceOf(name).rollback;
      events.emit({ type: 'service', service: name, what: 'woken' });
      return change(name, {
        rollback: { ready: true, to, reason: null, asleep: false, unsafe: null },
      });
    },
    async pause(name, page, call) {
      await begin('pause', call);
      match(serviceOf(name), call);
      events.emit({ type: 'service', service: name, what: 'paused' });
      return change(name, { paused: true, pausePage: page });
    },
    async resume(name, call) {
      await begin('resume', call);
      match(serviceOf(name), call);
      events.emit({ type: 'service', service: name, what: 'resumed' });
      return change(name, { paused: false, pausePage: false });
    },
    async deployments({ service, limit }) {
      const all = [...deployments.values()].reverse();
      return all.filter((d) => service === undefined || d.service === service).slice(0, limit);
    },
    deployment: async (id) => deploymentOf(id),
    async reload(): Promise<Reloaded> {
      await control.readTokens();
      await begin('reload', { by: '', why: '', generation: null });
      return { added: ['api'], removed: [], changed: ['shop'], handover: [], needsRestart: [] };
    },
    async upgrade(call) {
      await begin('upgrade', call);
      control.handOver('draining');
    },
    handover: () => handover,
    health: () => ({
      ready: reasons.length === 0,
      reasons,
      version: '0.1.0',
      uptimeSeconds: 12,
      workers: [{ worker: 1, pid: 4711, connections: 3 }],
    }),
    metrics: async () => ({
      type: 'text/plain; version=0.0.4; charset=utf-8',
      text: 'pointsman_live{service="shop",color="blue"} 1\n',
    }),
    events,

    handOver(phase, more = {}) {
      const from = { version: '0.1.0', node: '20.20.2', pid: 100 };
      const to = { version: '0.2.0', node: '24.1.0', pid: 200 };
      const times = { startedAt: bornAt, readyAt: bornAt, servingAt: bornAt, endedAt: null };
      const rest = { switchMs: 12, error: null, left: null };
      handover = { phase, asked: 'ann', from, to, ...times, ...rest, ...more };
      events.emit({ type: 'handover', handover });
    },
    enter: (id, phase) => {
      tell({ ...deploymentOf(id), phase });
    },
    check: (id, checks) => {
      tell({ ...deploymentOf(id), checks });
    },
    say(id, line) {
      const { service } = deploymentOf(id);
      events.emit({ type: 'progress', service, deployment: id, line });
    },
    pass(id, target, passes) {
      const { service, to } = deploymentOf(id);
      const result = probe(true, null);
      const common = { type: 'probe', service, color: to.color, target, result } as const;
      events.emit({ ...common, healthy: passes >= 2, passes, rise: 2 });
    },
    miss(id, target, error) {
      const { service, to } = deploymentOf(id);
      const result = probe(false, error);
      const common = { type: 'probe', service, color: to.color, target, result } as const;
      events.emit({ ...common, healthy: false, passes: 0, rise: 2 });
    },
    fail(id, code, message) {
      tell({ ...deploymentOf(id), phase: 'failed', endedAt: bornAt, error: { code, message } });
    },
    flipNow(id, drained = true) {
      commit(deploymentOf(id), drained);
    },
    drain(id) {
      const deployment = deploymentOf(id);
      const generation = deployment.receipt?.generation ?? 0;
      const receipt = fakeReceipt(deployment, generation, true);
      tell({ ...deployment, phase: 'live', endedAt: bornAt, receipt });
    },
    calls,
    failNext(thrown) {
      planned = { thrown };
    },
    setReady(why) {
      reasons = why;
    },
    setService: change,
    hold() {
      let go = (): void => {};
      gate = new Promise((resolve) => {
        go = () => {
          gate = null;
          resolve();
        };
      });
      return go;
    },
    get listeners() {
      return events.listeners;
    },
  };
  return control;
}
