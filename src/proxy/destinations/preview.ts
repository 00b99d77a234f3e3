/**
 * What a service shows of a release before its flip, in one worker: the pool that is being proved,
 * to those who ask for it by a host or a header of its own.
 *
 * The rule this file keeps: such a request reaches the pool that is being proved in the turn in
 * which it is claimed, or nothing. Never the live one: where the pool has become that, where there
 * is none, or where the deployment that was named has another or none, the answer is 503. It has
 * places, connections and counts of its own, so that nothing it does is held against the release,
 * or shows among the requests of the service.
 */
import type { Clock } from '../../clock.ts';
import { plainEdge } from '../../config/edge.ts';
import { Fault } from '../../errors.ts';
import type { Color, Policy, PoolEntry, ServiceEntry } from '../../wire.ts';
import { colors, otherColor } from '../../wire.ts';
import type { PreviewEntry } from '../../wireEdge.ts';
import { Counters } from '../accounting/counters.ts';
import type { Lease } from '../balancing/lease.ts';
import { Pool } from '../balancing/pool.ts';
import type { Target } from '../balancing/target.ts';
import { type EdgeRules, MadeRules } from '../edge/edgeRules.ts';
import type { Destination, Shown } from './destination.ts';

/** Names the deployment that is meant, on any way to a preview. */
const deploymentField = 'pointsman-deployment';
/** What the header of a preview says where any deployment is meant. */
const any = '1';

/** The service, as its preview sees it. */
export interface Previewed {
  readonly name: string;
  readonly entry: ServiceEntry;
  readonly policy: Policy;
  readonly live: { readonly id: string } | null;
}

export class Preview implements Destination, Shown {
  readonly name: string;
  readonly counters: Readonly<Record<Color, Counters>> = {
    blue: new Counters('blue'),
    green: new Counters('green'),
  };
  readonly #service: Previewed;
  readonly #clock: Clock;
  #entry: PreviewEntry | null = null;
  #rules: EdgeRules | null = null;
  readonly #madeRules = new MadeRules();
  #pool: Pool | null = null;
  /** Shown no more, with requests still inside, and what they were told. */
  readonly #leaving = new Map<Pool, 'nothing' | 'drain' | 'retire'>();
  #requests = 0;

  constructor(service: Previewed, clock: Clock) {
    this.name = `${service.name}:preview`;
    this.#service = service;
    this.#clock = clock;
  }

  get shown(): Shown {
    return this;
  }

  get entry(): ServiceEntry {
    return this.#service.entry;
  }

  get policy(): Policy {
    return this.#service.policy;
  }

  get rules(): EdgeRules | null {
    return this.#rules;
  }

  /** Whether it can be asked for at the hosts of the service. */
  get byHeader(): boolean {
    return (this.#entry?.header ?? '') !== '';
  }

  /** That were ever claimed. */
  get requests(): number {
    return this.#requests;
  }

  get idle(): boolean {
    return (this.#pool?.empty ?? true) && this.#leaving.size === 0;
  }

  /** @param entry of the generation that is served now. */
  apply(entry: ServiceEntry): void {
    const shown = entry.preview ?? null;
    this.#entry = shown;
    const edge = entry.edge ?? plainEdge;
    // Its own names and passwords, or those of the service.
    const asIs = { ...edge, basicAuth: shown?.auth ?? edge.basicAuth, sticky: '' };
    this.#rules = this.#madeRules.of(asIs, true, true);
    const filled = [
      ...colors.map((color) => [color, entry.pools[color]] as const),
      [otherColor(entry.live), entry.candidate ?? null] as const,
    ];
    const found = filled.find(([, pool]) => pool !== null && pool.id === shown?.pool);
    const [color, pool] = found ?? ['blue', null];
    if (pool !== null && this.#pool?.id === pool.id) this.#pool.update(pool);
    else this.#show(color, pool);
    // What has become live may end; the targets of anything else are being stopped.
    for (const [left, told] of this.#leaving) {
      const stays = filled.some(([, one]) => one?.id === left.id);
      const next = stays ? 'drain' : 'retire';
      if (told === next || told === 'retire') continue;
      this.#leaving.set(left, next);
      if (stays) left.drain(this.policy.drainMs);
      else left.retire();
    }
  }

  close(why: 'retired' | 'shutdown', limitMs: number): void {
    this.#pool?.drain(limitMs);
    this.#pool?.closeTunnels(why, limitMs / 2);
  }

  asked(host: string, raw: readonly string[]): boolean {
    return this.#hostAsked(host) || this.#headerOf(raw) !== null;
  }

  of(host: string, raw: readonly string[]): Destination {
    const said = this.#headerOf(raw);
    const named = [this.#label(host), fieldOf(raw, deploymentField), said === any ? null : said];
    const ids = new Set(named.filter((one) => one !== null));
    // Two names are nobody's.
    return ids.size === 0 ? this : new OfDeployment(this, [...ids].join(' '));
  }

  claim(avoid?: Target, stay = '', uploading = false): Lease | null {
    return this.claimOf(null, avoid, stay, uploading);
  }

  wait(taken: (got: Lease | Fault) => void): () => void {
    return this.waitOf(null, taken);
  }

  /** @param deployment that is meant; null: any. */
  claimOf(deployment: string | null, avoid?: Target, stay = '', uploading = false): Lease | null {
    const { entry, policy } = this.#service;
    const places = policy.connectionsPerTargetMax;
    const pool = this.#showing(deployment);
    const lease = pool?.claim(entry.generation, places, avoid, stay, uploading) ?? null;
    if (lease !== null) this.#requests++;
    return lease;
  }

  /** Nobody waits for a preview. */
  waitOf(deployment: string | null, taken: (got: Lease | Fault) => void): () => void {
    const { name } = this.#service;
    const none = this.#showing(deployment) === null;
    taken(
      none
        ? new Fault('PREVIEW_EMPTY', `Nothing of ${name} is being proved now.`)
        : new Fault('QUEUE_FULL', `Every place in the preview of ${name} is taken.`),
    );
    return () => {};
  }

  #showing(deployment: string | null): Pool | null {
    const shown = this.#entry;
    if (shown === null || this.#pool === null) return null;
    if (this.#pool.id === this.#service.live?.id) return null;
    return deployment === null || deployment === shown.deployment ? this.#pool : null;
  }

  #show(color: Color, entry: PoolEntry | null): void {
    const before = this.#pool;
    if (before !== null && !before.empty) this.#leaving.set(before, 'nothing');
    else before?.retire();
    this.#pool = entry === null ? null : new Pool(color, entry, this.#clock, () => this.#left());
  }

  #left(): void {
    for (const pool of this.#leaving.keys()) if (pool.empty) this.#leaving.delete(pool);
  }

  #hostAsked(host: string): boolean {
    const wanted = this.#entry?.host ?? '';
    const name = nameOf(host);
    return wanted !== '' && (name === wanted || name.endsWith(`.${wanted}`));
  }

  /** What stands in front of its host. */
  #label(host: string): string | null {
    const wanted = this.#entry?.host ?? '';
    const name = nameOf(host);
    return wanted !== '' && name.endsWith(`.${wanted}`) ? name.slice(0, -wanted.length - 1) : null;
  }

  #headerOf(raw: readonly string[]): string | null {
    const name = this.#entry?.header ?? '';
    return name === '' ? null : fieldOf(raw, name);
  }
}

/** A preview to those who name a deployment: of that one, or none. */
class OfDeployment implements Destination {
  readonly shown = null;
  readonly #preview: Preview;
  readonly #deployment: string;

  constructor(preview: Preview, deployment: string) {
    this.#preview = preview;
    this.#deployment = deployment;
  }

  get name(): string {
    return this.#preview.name;
  }

  get counters(): Preview['counters'] {
    return this.#preview.counters;
  }

  get entry(): ServiceEntry {
    return this.#preview.entry;
  }

  get policy(): Policy {
    return this.#preview.policy;
  }

  get rules(): EdgeRules | null {
    return this.#preview.rules;
  }

  claim(avoid?: Target, stay = '', uploading = false): Lease | null {
    return this.#preview.claimOf(this.#deployment, avoid, stay, uploading);
  }

  wait(taken: (got: Lease | Fault) => void): () => void {
    return this.#preview.waitOf(this.#deployment, taken);
  }
}

function nameOf(host: string): string {
  return host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();
}

/** @returns null where it is not there; of several the first. */
function fieldOf(raw: readonly string[], name: string): string | null {
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at]?.toLowerCase() === name) return raw[at + 1] ?? '';
  }
  return null;
}
