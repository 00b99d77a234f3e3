/**
 * Runs nothing: the targets come with the release, and somebody else keeps them up.
 *
 * The rule this file keeps: it opens no connection and remembers only what it was told in this
 * life. A static pool always exists, so whoever restores one calls `start` again with the stored
 * release.
 */
import type { Address } from '../../config/config.ts';
import { Fault } from '../../errors.ts';
import type { Release } from '../model/state.ts';
import type { Driver, RunningPool, RunningTarget } from './driver.ts';

export function staticDriver(): Driver {
  const pools = new Map<string, RunningPool>();
  return {
    async start({ poolId, service, color, release, signal }) {
      const targets = targetsOf(release);
      if (signal.aborted) throw new Fault('ABORTED', `The start of pool ${poolId} was aborted.`);
      pools.set(poolId, { poolId, service, color, release: release.name, targets });
      return { targets, release };
    },
    async stop(poolId) {
      pools.delete(poolId);
    },
    async list() {
      return [...pools.values()];
    },
    watch: () => () => {},
  } satisfies Driver;
}

function targetsOf(release: Release): readonly RunningTarget[] {
  const { run, name } = release;
  if (run.kind !== 'static') {
    throw new Fault('RELEASE_INVALID', `Release ${name} is of kind ${run.kind}; wanted: static.`);
  }
  if (run.targets.length === 0) {
    throw new Fault(
      'RELEASE_INVALID',
      `Release ${name} has no targets; name one host:port or more.`,
    );
  }
  const targets = new Map<string, RunningTarget>();
  for (const { host, port } of run.targets) {
    const id = idOf({ host, port });
    if (!Number.isInteger(port) || port < 1 || port > 65_535 || host === '') {
      throw new Fault('TARGET_INVALID', `Release ${name}: ${id} is no host:port, port 1 to 65535.`);
    }
    if (targets.has(id)) {
      throw new Fault('RELEASE_INVALID', `Release ${name} names the target ${id} twice.`);
    }
    targets.set(id, { id, host, port, state: 'running', detail: `reached at ${id}` });
  }
  return [...targets.values()];
}

function idOf({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
