/**
 * What differs between two configurations, as a reload tells it.
 *
 * The rule this file keeps: what a reload cannot make true is said, never silently left.
 */
import { isDeepStrictEqual } from 'node:util';
import { formatAddress } from './address.ts';
import type { Address, Config } from './config.ts';

export interface Change {
  /** Names of services. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** One sentence for each setting that stays as it is until a restart. */
  readonly needsRestart: readonly string[];
}

/**
 * @param before the configuration in use.
 * @param after the one that was read.
 */
export function describeChange(before: Config, after: Config): Change {
  const old = new Map(before.services.map((service) => [service.name, service]));
  const names = new Set(after.services.map(({ name }) => name));
  return {
    added: after.services.filter(({ name }) => !old.has(name)).map(({ name }) => name),
    removed: [...old.keys()].filter((name) => !names.has(name)),
    changed: after.services
      .filter(({ name }) => old.has(name))
      .filter((service) => !isDeepStrictEqual(old.get(service.name), service))
      .map(({ name }) => name),
    needsRestart: [
      ...untilRestart('listen', addresses(before.listen), addresses(after.listen)),
      ...untilRestart('tls.listen', addresses(before.tls?.listen), addresses(after.tls?.listen)),
      ...untilRestart('admin.tls', spoken(before), spoken(after)),
      ...untilRestart('workers', String(before.workers), String(after.workers)),
      ...untilRestart('state', before.stateDir, after.stateDir),
      ...untilRestart(
        'admin.listen',
        formatAddress(before.admin.listen),
        formatAddress(after.admin.listen),
      ),
    ],
  };
}

function addresses(all: readonly Address[] = []): string {
  return all.length === 0 ? 'none' : all.map(formatAddress).join(' ');
}

function spoken({ admin }: Config): string {
  return admin.tls === null ? 'off' : 'on';
}

function untilRestart(key: string, before: string, after: string): string[] {
  if (before === after) return [];
  return [`${key} stays ${before} until a restart; the file says ${after}.`];
}
