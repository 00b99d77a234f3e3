/**
 * A pool of containers as the driver remembers it: which replicas there should be, and what became
 * of each.
 *
 * The rule this file keeps: memory only adds to what the engine says (how often a replica died,
 * when it is started again); what runs and where is read from the engine.
 */
import type { PinnedDockerRun } from '../../model/state.ts';
import type { RunningTarget, StartOrder } from '../driver.ts';
import { addressOf, type Here, nowhere } from './containers/addressing.ts';
import { type ContainerFacts, endOf } from './containers/facts.ts';
import { type Marks, replicaName } from './containers/labels.ts';

export interface ContainerPool {
  readonly id: string;
  readonly replicas: Map<string, Replica>;
  /** What `start` asked for last; null: the pool was found, and nobody has asked for it yet. */
  wanted: Wanted | null;
  /** `stop` was called: nothing of it is started any more. */
  ending: boolean;
  /** What listeners were told last, so that they hear changes only. */
  reported: string;
}

export interface Wanted {
  readonly order: StartOrder;
  readonly run: PinnedDockerRun;
  /** What containers are created from. */
  readonly image: string;
  readonly env: readonly string[];
  readonly publishOn: string | null;
  readonly numbers: ReadonlySet<number>;
}

export interface Replica {
  /** The target's id: `shop-blue-v2-0`; the container's name where it is adopted. */
  readonly id: string;
  readonly marks: Marks;
  containerId: string | null;
  target: RunningTarget;
  /** In a row, each after less than `stableMs` of running. */
  deaths: number;
  /** The end that was counted last, so that none is counted twice. */
  countedEnd: string;
  /** It ran while we looked: it is ours to start again, whoever started the process that asks. */
  seenRunning: boolean;
  /** Takes back the start that is due; null: none is. */
  cancelStart: (() => void) | null;
}

/** What ran so long is not failing at its start. */
const stableMs = 10_000;
const firstDelayMs = 250;
const delayMsMax = 30_000;

export function newPool(id: string): ContainerPool {
  return { id, replicas: new Map(), wanted: null, ending: false, reported: '[]' };
}

/** Whether its containers are to be paused. */
export function isFrozen(pool: ContainerPool | undefined): boolean {
  return pool?.wanted?.order.frozen === true;
}

export function targetIdOf(marks: Marks, name: string): string {
  return marks.own === null ? name : replicaName(marks, marks.own.replica);
}

export function targetsOf(pool: ContainerPool): readonly RunningTarget[] {
  return [...pool.replicas.values()].map((replica) => replica.target).sort(inOrder);
}

/** shop-blue-v1-2 before shop-blue-v1-10. */
export function inOrder(a: RunningTarget, b: RunningTarget): number {
  return a.id.localeCompare(b.id, 'en', { numeric: true });
}

/** The replica of these marks, remembered from now on. */
export function replicaOf(pool: ContainerPool, marks: Marks, name: string): Replica {
  const id = targetIdOf(marks, name);
  const known = pool.replicas.get(id);
  if (known !== undefined) return known;
  const replica: Replica = {
    id,
    marks,
    containerId: null,
    target: { id, ...nowhere, state: 'down', detail: `${name} is not running yet` },
    deaths: 0,
    countedEnd: '',
    seenRunning: false,
    cancelStart: null,
  };
  pool.replicas.set(id, replica);
  return replica;
}

/**
 * What a container is as a target. A running one that cannot be reached is as good as down, and
 * says so.
 *
 * @param frozen whether one that is paused is so by our order.
 */
export function targetOf(
  id: string,
  marks: Marks,
  facts: ContainerFacts,
  here: Here,
  frozen: boolean,
): RunningTarget {
  const named = `${facts.name} (${facts.id.slice(0, 12)})`;
  if (!facts.running) return { id, ...nowhere, state: 'down', detail: `${named} ${endOf(facts)}` };
  const reached = addressOf(here, facts, marks.port);
  const asked = addressOf(here, facts, marks.healthPort);
  if (reached === null || asked === null) {
    const port = reached === null ? marks.port : marks.healthPort;
    const detail =
      `${named} runs, but Pointsman shares no network with it` +
      (here.container === null ? `, and port ${port} is not published` : '');
    return { id, ...nowhere, state: 'down', detail };
  }
  const { host, port, how } = reached;
  const at = { id, host, port, healthPort: asked.port };
  if (facts.paused) {
    if (frozen) return { ...at, state: 'frozen', detail: `${named} is frozen` };
    return { ...at, state: 'unhealthy', detail: `${named} was paused by someone` };
  }
  if (facts.health === 'starting') {
    return { ...at, state: 'starting', detail: `${named} ${how}; HEALTHCHECK: starting` };
  }
  if (facts.health === 'unhealthy') {
    const output = facts.healthOutput === '' ? '' : `: ${facts.healthOutput}`;
    const detail = `${named} ${how}; HEALTHCHECK: unhealthy${output}`;
    return { ...at, state: 'unhealthy', detail };
  }
  return { ...at, state: 'running', detail: `${named} ${how}` };
}

/**
 * Counts the end of a replica, once.
 *
 * @returns in how many ms it is to be started again: 250, doubling up to 30_000.
 */
export function countEnd(replica: Replica, facts: ContainerFacts | null): number {
  const end = facts === null ? `gone ${replica.containerId}` : `${facts.id} ${facts.finishedAt}`;
  const ranMs = facts === null ? 0 : facts.finishedAt - facts.startedAt;
  if (replica.countedEnd !== end) {
    replica.countedEnd = end;
    replica.deaths = ranMs >= stableMs ? 1 : replica.deaths + 1;
  }
  return Math.min(delayMsMax, firstDelayMs * 2 ** Math.max(0, replica.deaths - 1));
}
