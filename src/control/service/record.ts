/**
 * The record of one service, as every part of its deployer has it: what is meant by the service
 * (its config), what has happened to it (its state), and what it tells the world.
 *
 * The rule this file keeps: it stands below all of them and knows none. `save` is for what must be
 * durable before anything else happens, `note` for what has happened already; see the ledger.
 */
import type { ServiceConfig } from '../../config/config.ts';
import { type Color, otherColor } from '../../wire.ts';
import type { ViaMarks } from '../../wireEdge.ts';
import type { Call } from '../model/api.ts';
import type { Deployment, ServiceState } from '../model/state.ts';
import type { ControlContext } from './context.ts';
import type { Origin } from './deployment.ts';
import { viaMarks } from './viaMarks.ts';

/** What the table shows of a service while that is not what the state says. */
export interface TableOverride {
  readonly generation: number;
  readonly live: Color;
  /** The candidate has the place of the warm pool. */
  readonly promotes: boolean;
}

type Change = (state: ServiceState) => ServiceState;

export class ServiceRecord {
  readonly name: string;
  /** What Via says of us in requests to it. */
  readonly via: ViaMarks;
  readonly #context: ControlContext;
  readonly #empty: ServiceState;
  #config: ServiceConfig;
  /** The deployment that was on record before the one that is. */
  #before: Deployment | null = null;
  #override: TableOverride | null = null;
  #problem: string | null = null;

  constructor(config: ServiceConfig, context: ControlContext) {
    this.name = config.name;
    this.#context = context;
    this.#config = config;
    this.via = viaMarks(context.dependencies.instance, config.name);
    this.#empty = emptyService(config.first?.color ?? 'blue');
  }

  get state(): ServiceState {
    return this.#context.ledger.service(this.name) ?? this.#empty;
  }

  /** The deployment on record, after a change that put one there. */
  get deployment(): Deployment {
    const { deployment } = this.state;
    if (deployment === null) throw new Error(`${this.name} has no deployment on record.`);
    return deployment;
  }

  /** A deployment as it is on record, or as it was when another one took its place. */
  latest(known: Deployment): Deployment {
    const all = [this.state.deployment, this.#before];
    return all.find((one) => one?.id === known.id) ?? known;
  }

  get config(): ServiceConfig {
    return this.#config;
  }

  configure(config: ServiceConfig): void {
    const before = this.#config.freeze;
    this.#config = config;
    if (config.freeze === before) return;
    this.changed(config.freeze === null ? 'is frozen no more' : `is frozen: ${config.freeze}`);
  }

  /** @throws Fault STATE_NOT_WRITABLE and whatever `change` throws; then nothing has changed. */
  save(change: Change): Promise<ServiceState> {
    return this.#context.ledger.save(this.name, this.#empty, (state) => {
      const next = change(state);
      if (next.deployment?.id !== state.deployment?.id) this.#before = state.deployment;
      return next;
    });
  }

  /** @returns resolves once it is durable; never rejects. */
  note(change: Change): Promise<void> {
    return this.#context.ledger.note(this.name, this.#empty, change);
  }

  /** From the order of a flip to its record, where the table shows the service; null: as recorded. */
  get tableOverride(): TableOverride | null {
    return this.#override;
  }

  overrideTable(to: TableOverride | null): void {
    this.#override = to;
  }

  /** What keeps the service from being as it should; null: nothing that was said here. */
  get problem(): string | null {
    return this.#problem;
  }

  /** It stands until it is said to be over. */
  setProblem(problem: string | null): void {
    this.#problem = problem;
  }

  /** Now, ISO 8601. */
  at(): string {
    return this.#context.dependencies.clock.date().toISOString();
  }

  origin(call: Pick<Call, 'by' | 'why'>): Origin {
    return { service: this.name, by: call.by, why: call.why, at: this.at() };
  }

  /** Tells of a deployment: it entered a phase, or its record grew. */
  tell(deployment: Deployment | null = this.state.deployment): void {
    if (deployment === null) return;
    this.#context.dependencies.events.emit({
      type: 'deployment',
      service: this.name,
      deployment,
    });
  }

  /** Tells that the service is to be looked at again. */
  changed(what: string): void {
    this.#context.dependencies.events.emit({ type: 'service', service: this.name, what });
  }

  progress(deployment: string, line: string): void {
    this.#context.dependencies.events.emit({
      type: 'progress',
      service: this.name,
      deployment,
      line,
    });
  }
}

/**
 * A service of which there is no state: nothing is live, and the first release will fill `first`.
 */
function emptyService(first: Color): ServiceState {
  return {
    generation: 0,
    live: otherColor(first),
    intent: null,
    pools: { blue: null, green: null },
    fills: 0,
    deployments: 0,
    paused: false,
    deployment: null,
    releases: [],
  };
}
