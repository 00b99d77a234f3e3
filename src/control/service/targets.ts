/**
 * The targets that come with a release, before they are started: none may lead to Pointsman itself,
 * nor to where clouds keep credentials, by its address or by what its name stands for.
 *
 * The rule this file keeps: a name that nobody can resolve now is no reason to refuse it, since its
 * probes will tell; and nobody is waited for longer than `lookupMs`.
 */
import { isIP } from 'node:net';
import { pause } from '../../clock.ts';
import { formatTarget } from '../../config/address.ts';
import type { Run, TargetAddress } from '../../config/config.ts';
import { refusalOf } from '../../config/targets.ts';
import { Fault } from '../../errors.ts';
import type { Release } from '../model/state.ts';
import type { ControlContext } from './context.ts';

const lookupMs = 2_000;

/**
 * @param run of the service as its config is now, also of a release that was live by another one.
 * @throws Fault TARGET_INVALID
 */
export async function refuseTargets(
  release: Release,
  run: Run,
  { dependencies, own }: Pick<ControlContext, 'dependencies' | 'own'>,
): Promise<void> {
  if (release.run.kind !== 'static' || run.kind !== 'static') return;
  const { targets } = release.run;
  const rules = { own: own(), linkLocal: run.linkLocal };
  for (const target of targets) {
    const refusal = refusalOf(target, rules);
    if (refusal !== null) throw refused(refusal, formatTarget(target));
  }
  const named = targets.filter(({ host, scheme }) => scheme !== 'unix' && isIP(host) === 0);
  if (named.length === 0) return;
  const looked = new AbortController();
  const late = pause(dependencies.clock, lookupMs, looked.signal);
  const look = async (target: TargetAddress): Promise<void> => {
    const found = await Promise.race([dependencies.lookup(target.host), late]);
    for (const host of found?.addresses ?? []) {
      const refusal = refusalOf({ host, port: target.port }, rules);
      if (refusal !== null) throw refused(refusal, `${formatTarget(target)}, which is ${host}`);
    }
  };
  try {
    await Promise.all(named.map(look));
  } finally {
    looked.abort();
  }
}

function refused(wanted: string, got: string): Fault {
  return new Fault('TARGET_INVALID', `A target: ${wanted}; got ${got}.`, { wanted, got });
}
