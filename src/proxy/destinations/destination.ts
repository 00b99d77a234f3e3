/**
 * Where a request goes, as the lanes see it: a service, or what is being proved of one.
 *
 * The rule this file keeps: which of the two it is, is decided before anything is claimed, by what
 * the request says alone.
 */
import type { Fault } from '../../errors.ts';
import type { Policy, ServiceEntry } from '../../wire.ts';
import type { Account } from '../accounting/exchange.ts';
import type { Lease } from '../balancing/lease.ts';
import type { Target } from '../balancing/target.ts';
import type { EdgeRules } from '../edge/edgeRules.ts';

/** What a request that waits is like. */
export interface Waiting {
  /** Its fields, which are in memory for as long as it waits. */
  readonly raw: readonly string[];
  /** The mark of the target it was on before; '': any. */
  readonly stay: string;
  /** Its body has not come whole. */
  readonly uploading: boolean;
}

/** What is being proved of a service, where it can be asked for. */
export interface Shown {
  /** Whether a request is for it. @param raw names and values in turn. */
  asked(host: string, raw: readonly string[]): boolean;
  /** It, for one request: of whatever deployment that names. */
  of(host: string, raw: readonly string[]): Destination;
}

export interface Destination extends Account {
  /** null: nothing else can be asked for here. Where it is not, there are `rules` too. */
  readonly shown: Shown | null;
  readonly entry: ServiceEntry;
  readonly policy: Policy;
  /** What it does at its edge; null: nothing. */
  readonly rules: EdgeRules | null;
  /** See `Service.claim`. */
  claim(avoid?: Target, stay?: string, uploading?: boolean): Lease | null;
  /** See `Service.wait`. */
  wait(taken: (got: Lease | Fault) => void, request?: Waiting): () => void;
}

interface Matching {
  match(host: string, path: string): Destination | undefined;
}

/** @param raw its fields, names and values in turn. */
export function destinationOf(
  plane: Matching,
  { host, path }: { readonly host: string; readonly path: string },
  raw: readonly string[],
): Destination | undefined {
  const found = plane.match(host, path);
  const shown = found?.shown ?? null;
  return shown?.asked(host, raw) ? shown.of(host, raw) : found;
}
