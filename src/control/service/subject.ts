/**
 * What the checks of a deployment are about: the deployment on record, and the targets of its pool.
 *
 * The rule this file keeps: it only looks.
 */
import type { HookMoment } from '../../config/hook.ts';
import type { Subject } from '../gates/gate.ts';
import type { ControlContext } from './context.ts';
import { provedOf } from './proved.ts';
import type { ServiceRecord } from './record.ts';

/** @throws Error where no deployment is on record. */
export function subjectOf(
  record: ServiceRecord,
  { prober }: ControlContext,
  moment: HookMoment,
): Subject {
  const { name, state, deployment } = record;
  const { id, to, from, error, receipt } = deployment;
  const pool = provedOf(state)?.pool ?? state.pools[to.color];
  const targets = pool === null || error !== null ? [] : prober.view(pool.id);
  return {
    moment,
    service: name,
    deployment: id,
    release: to.release,
    color: to.color,
    generation: receipt?.generation ?? state.generation + 1,
    before: from?.release ?? null,
    preview: record.config.preview?.url ?? null,
    targets: targets.map(({ target, named }) => {
      const address = named?.used?.[0];
      return address === undefined ? target : { ...target, address };
    }),
    error: error === null ? null : { code: error.code, message: error.message },
  };
}
