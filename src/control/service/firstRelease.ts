/**
 * The first release of a service: the one that its config names, deployed where nothing is live.
 *
 * The rule this file keeps: nobody is there who would try again, so a worker that was too busy to
 * hold is asked again some times, and what else goes wrong is said in the status.
 */
import { reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Call, DeployOrder } from '../model/api.ts';
import { livePool } from './deployment.ts';
import type { ServiceRecord } from './record.ts';

const tries = 5;

/** @param deploy resolves when the deployment has flipped or ended. */
export async function deployFirst(
  record: ServiceRecord,
  log: Log,
  deploy: (order: DeployOrder, call: Call) => Promise<void>,
): Promise<void> {
  const { first } = record.config;
  if (first === null || livePool(record.state) !== null) return;
  const { release, image, targets } = first;
  const order: DeployOrder = { release, image, targets, flip: 'auto', dryRun: false };
  const call = { by: 'pointsman', why: 'the first release, from the config', generation: null };
  try {
    for (let left = tries; left > 0; left--) {
      await deploy(order, call);
      if (record.state.deployment?.error?.code !== 'HOLD_TIMEOUT') break;
    }
  } catch (thrown) {
    record.setProblem(`The first release cannot be deployed: ${reasonOf(thrown)}`);
    log.error({}, `${record.name}: ${reasonOf(thrown)}`);
  }
}
