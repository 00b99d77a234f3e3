/**
 * What may not happen to a service as it is: the refusals that an operator reads.
 *
 * The rule this file keeps: it is pure, and what is refused has changed nothing. Nothing here
 * waits, so whoever asks and then acts in the same turn of the event loop can rely on the answer.
 */
import { Fault } from '../../errors.ts';
import { type Deployment, inProgress, type ServiceState } from '../model/state.ts';

/** @throws Fault GENERATION_STALE where the caller believes in another generation. */
export function refuseStale(state: ServiceState, service: string, generation: number | null): void {
  if (generation === null || generation === state.generation) return;
  throw new Fault(
    'GENERATION_STALE',
    `${service} is at generation ${state.generation}, and you said ${generation}: it has changed ` +
      'since you looked. Look again, then decide.',
    { service, generation: state.generation, said: generation },
  );
}

/**
 * A rollback names where it goes.
 *
 * @param to the release; null: not said.
 * @param generation that the caller looks at; null: not said.
 * @throws Fault CALL_INVALID where neither is said.
 */
export function refuseToggle(to: string | null, generation: number | null): void {
  if (to !== null || generation !== null) return;
  throw new Fault(
    'CALL_INVALID',
    'A rollback names where it goes: send the release in "to", or the generation you see in ' +
      'If-Match. A toggle would take a second click back to the bad release.',
  );
}

/** @throws Fault DEPLOYMENT_IN_PROGRESS naming the one that runs. */
export function refuseSecond(state: ServiceState): void {
  const running = state.deployment;
  if (!inProgress(running)) return;
  throw new Fault(
    'DEPLOYMENT_IN_PROGRESS',
    `Deployment ${running.id} of ${running.service} to ${running.to.release} is ${running.phase}. ` +
      'Wait for its end, or abort it.',
    { deployment: running.id, phase: running.phase },
  );
}

/** @throws Fault LATCHED where a release was taken back by itself and nobody has said that they know. */
export function refuseLatched({ latch }: ServiceState, service: string): void {
  if (!latch) return;
  throw new Fault(
    'LATCHED',
    `${latch.release} of ${service} was taken back by itself: ${latch.reason} Acknowledge that ` +
      `(\`pointsman acknowledge ${service}\`), then deploy.`,
    { service, release: latch.release, deployment: latch.deployment },
  );
}

/**
 * A freeze keeps what is live as it is; where nothing is live there is nothing to keep.
 *
 * @throws Fault FROZEN with the reason that the config gives.
 */
export function refuseFrozen(state: ServiceState, service: string, freeze: string | null): void {
  if (freeze === null || state.pools[state.live] === null) return;
  const why = /[.!?]$/.test(freeze) ? freeze : `${freeze}.`;
  const until =
    'Deployments are refused until the configuration takes that back; rollbacks are not.';
  const text = `${service} is frozen: ${why} ${until}`;
  throw new Fault('FROZEN', text, { service, freeze });
}

/** @throws Fault DEPLOYMENT_IN_PROGRESS naming one that is on its way to the record. */
export function refuseBeginning(service: string, deployment: string | null): void {
  if (deployment === null) return;
  const text = `Deployment ${deployment} of ${service} is beginning. Wait for its end, or abort it.`;
  throw new Fault('DEPLOYMENT_IN_PROGRESS', text, { deployment });
}

/** @throws Fault ABORT_TOO_LATE where the deployment has ended or decided to flip. */
export function refuseLateAbort(deployment: Deployment): void {
  if (inProgress(deployment) && deployment.phase !== 'flipping') return;
  const ended = deployment.endedAt !== null;
  throw new Fault(
    'ABORT_TOO_LATE',
    ended
      ? `Deployment ${deployment.id} has ended (${deployment.phase}); there is nothing to abort.`
      : `Deployment ${deployment.id} is ${deployment.phase}: its flip is decided. Roll back instead.`,
    { deployment: deployment.id, phase: deployment.phase },
  );
}

/** @throws Fault FLIP_NOT_READY where no deployment waits for a person. */
export function refuseFlip(state: ServiceState, service: string): Deployment {
  const deployment = state.deployment;
  if (deployment?.phase === 'ready') return deployment;
  const why = inProgress(deployment)
    ? `deployment ${deployment.id} is ${deployment.phase}`
    : 'no deployment runs';
  throw new Fault('FLIP_NOT_READY', `Nothing of ${service} waits for a flip: ${why}.`, {
    service,
    phase: deployment?.phase ?? null,
  });
}
