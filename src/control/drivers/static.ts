/**
 * Runs nothing: the targets come with the release, and somebody else keeps them up.
 *
 * The rule this file keeps: it opens no connection and remembers only what it was told in this
 * life. A static pool always exists, so whoever restores one calls `start` again with the stored
 * release.
 */
import { formatTarget } from '../../config/address.ts';
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
  for (const target of run.targets) {
    const { host, port, scheme } = target;
    const id = formatTarget(target);
    const placed = scheme === 'unix' ? port === 0 : port >= 1 && port <= 65_535;
    if (!Number.isInteger(port) || !placed || host === '') {
      throw new Fault('TARGET_INVALID', `Release ${name}: ${id} is no host:port, port 1 to 65535.`);
    }
    if (targets.has(id)) {
      throw new Fault('RELEASE_INVALID', `Release ${name} names the target ${id} twice.`);
    }
    const at = { id, host, port, ...(scheme !== undefined && { scheme }) };
    targets.set(id, { ...at, state: 'running', detail: `reached at ${id}` });
  }
  return [...targets.values()];
}
