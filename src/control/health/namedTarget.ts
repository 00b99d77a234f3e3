/**
 * A target that is a name: which of its addresses are gone to, and which are not.
 *
 * The rule this file keeps: a name with several addresses is one target, and works as long as one
 * of them does. One that fails so often in a row as a target may is left out while another one is
 * not, and taken in again at its first pass; one that is new is gone to at once, and left out at
 * its first failure. What may not be a target may not be one by a name either, whenever the name
 * comes to stand for it.
 */
import { isIP } from 'node:net';
import type { Clock } from '../../clock.ts';
import { formatTarget } from '../../config/address.ts';
import type { RunningTarget } from '../drivers/driver.ts';
import type { AddressStatus, ProbeResult } from '../model/pools.ts';
import type { Known, Names } from '../names/names.ts';

/** What a prober needs to know of names. */
export interface Naming {
  readonly names: Pick<Names, 'use' | 'of' | 'settled'>;
  /** Why a target of a service may not be at an address, in words; null: it may. */
  refusal(service: string, target: RunningTarget, address: string): string | null;
  /** Connections to some target go to other addresses from now on. */
  moved(): void;
}

/** The names among the hosts of targets. */
export function namesOf(targets: readonly RunningTarget[]): ReadonlySet<string> {
  return new Set(targets.filter(isNamed).map(({ host }) => host));
}

export function isNamed({ host, scheme }: RunningTarget): boolean {
  return scheme !== 'unix' && host !== '' && isIP(host) === 0;
}

export class NamedTarget {
  readonly #service: string;
  readonly #target: RunningTarget;
  readonly #naming: Naming;
  readonly #clock: Clock;
  readonly #fall: () => number;
  #known: Known;
  /** Failures in a row, of those that may be gone to; null: what it stands for is not known yet. */
  #failures: Map<string, number> | null = null;
  #errors = new Map<string, string>();
  /** Those that have passed a probe. */
  #proved = new Set<string>();
  #refused: readonly AddressStatus[] = [];

  /** @param fall after so many failures in a row an address is left out. */
  constructor(
    service: string,
    target: RunningTarget,
    naming: Naming,
    clock: Clock,
    fall: () => number,
  ) {
    this.#service = service;
    this.#target = target;
    this.#naming = naming;
    this.#clock = clock;
    this.#fall = fall;
    this.#known = naming.names.of(target.host);
    this.take();
  }

  /** Takes over what is known of its name, and allowed. @returns whether it leads elsewhere now. */
  take(): boolean {
    const { host } = this.#target;
    const used = String(this.used);
    this.#known = this.#naming.names.of(host);
    const { addresses, problem } = this.#known;
    if (addresses === null && problem === null) return false;
    const before = this.#failures;
    const failures = new Map<string, number>();
    this.#failures = failures;
    this.#proved = new Set([...this.#proved].filter((one) => addresses?.includes(one)));
    this.#refused = (addresses ?? []).flatMap((address) => {
      const error = this.#naming.refusal(this.#service, this.#target, address);
      if (error === null) failures.set(address, before?.get(address) ?? 0);
      return error === null ? [] : [{ address, used: false, error }];
    });
    return this.#told(used);
  }

  /** Asks all of its addresses at once; one that works is enough. @param ask asks one. */
  async probe(ask: (address: string) => Promise<ProbeResult>): Promise<ProbeResult> {
    await this.#naming.names.settled(this.#target.host);
    const asked = [...(this.#failures?.keys() ?? [])];
    if (asked.length === 0) return this.#nowhere();
    const used = String(this.used);
    const results = await Promise.all(asked.map((address) => ask(address)));
    for (const [at, result] of results.entries()) this.#heard(asked[at] ?? '', result);
    this.#told(used);
    return together(results);
  }

  /** Those that connections go to; null: what the name stands for is not known yet. */
  get used(): readonly string[] | null {
    if (this.#failures === null) return null;
    const all = [...this.#failures];
    const good = all.filter(([address, failures]) => {
      return failures < (this.#proved.has(address) ? this.#fall() : 1);
    });
    return (good.length === 0 ? all : good).map(([address]) => address);
  }

  status(): readonly AddressStatus[] {
    const used = new Set(this.used);
    const asked = [...(this.#failures?.keys() ?? [])].map((address) => {
      return { address, used: used.has(address), error: this.#errors.get(address) ?? null };
    });
    return [...asked, ...this.#refused];
  }

  /** Why its name cannot be resolved now; null: it can. */
  get unresolved(): { readonly reason: string; readonly since: string } | null {
    const { problem, since } = this.#known;
    return problem === null || since === null ? null : { reason: problem, since };
  }

  #told(before: string): boolean {
    if (before === String(this.used)) return false;
    this.#naming.moved();
    return true;
  }

  #heard(address: string, { passed, error }: ProbeResult): void {
    const failures = this.#failures?.get(address);
    // It stands for something else by now.
    if (failures === undefined) return;
    this.#failures?.set(address, passed ? 0 : failures + 1);
    if (passed) this.#proved.add(address);
    if (error === null) this.#errors.delete(address);
    else this.#errors.set(address, error);
  }

  #nowhere(): ProbeResult {
    const [refused] = this.#refused;
    const why =
      refused === undefined
        ? (this.#known.problem ?? 'it has no address')
        : `it stands for ${refused.address}: ${refused.error}`;
    const error = `${formatTarget(this.#target)} leads nowhere: ${why}`;
    const at = this.#clock.date().toISOString();
    return { at, ms: 0, passed: false, status: null, error, body: null };
  }
}

/** What the probes of all addresses say of the target. */
function together(results: readonly ProbeResult[]): ProbeResult {
  const [first] = results;
  if (first === undefined) throw new TypeError('no address was asked');
  const passed = results.find((one) => one.passed);
  if (passed !== undefined || results.length === 1) return passed ?? first;
  const others = results.length - 1;
  const more =
    others === 1 ? 'its other address fails too' : `its ${others} other addresses fail too`;
  return { ...first, error: `${first.error}; ${more}` };
}
