/**
 * What may not happen to a service as it is: the refusals that an operator reads.
 *
 * The rule this file keeps: it is pure, and what is refused has changed nothing. Nothing here
 * waits, so whoever asks and then acts in the same turn of the event loop can rely on the answer.
 */
import { Fault } from '../../errors.ts';
import { inProgress, type ServiceState } from '../model/state.ts';
import type { Attempt } from './attempt.ts';

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
function refuseLatched({ latch }: ServiceState, service: string): void {
  if (!latch) return;
  throw new Fault(
    'LATCHED',
    `${latch.release} of ${service} was taken back by itself: ${latch.reason} Acknowledge that ` +
      `(\`pointsman acknowledge ${service}\`), then deploy.`,
    { service, release: latch.release, deployment: latch.deployment },
  );
}

/**
 * @param name of the release that is asked for: that it is live already is told by who knows.
 * @throws Fault CONFIRM_PENDING where the warm pool is the way back from what is not confirmed.
 */
function refuseUnconfirmed({ confirm }: ServiceState, service: string, name: string): void {
  if (!confirm || confirm.release === name) return;
  const { release, until, generation, deployment } = confirm;
  throw new Fault(
    'CONFIRM_PENDING',
    `${release} of ${service} waits to be confirmed, by ${until}: until then the warm pool is kept ` +
      `to go back to. Confirm it (\`pointsman confirm ${service}\`) or roll back, then deploy.`,
    { service, release, generation, deployment, until },
  );
}

/**
 * Where nothing is live there is no way back that a deadline could open.
 *
 * @throws Fault CONFIRM_REFUSED
 */
export function refuseNoWayBack(state: ServiceState, service: string, withinMs?: number): void {
  if (withinMs === undefined || state.pools[state.live] !== null) return;
  const text = `Nothing of ${service} is live that could be gone back to. Deploy without a time to confirm.`;
  throw new Fault('CONFIRM_REFUSED', text, { service });
}

/** Why nobody should go back from the release that is live, as sentences; null: it is safe. */
export function unsafeWords({ pools, live }: ServiceState): string | null {
  const { release, rollbackUnsafe } = pools[live] ?? {};
  if (release === undefined || rollbackUnsafe === undefined) return null;
  return `Going back from ${release.name} is unsafe: ${rollbackUnsafe}`;
}

/**
 * @param repeated why it is unsafe, as the caller says it; white space does not count.
 * @throws Fault ROLLBACK_UNSAFE where that is not what was said when the release was deployed.
 */
export function refuseUnsafe(state: ServiceState, service: string, repeated = ''): void {
  const words = unsafeWords(state);
  const unsafe = state.pools[state.live]?.rollbackUnsafe;
  if (words === null || unsafe === undefined || plain(repeated) === plain(unsafe)) return;
  const heard = repeated === '' ? '' : ` You said: ${repeated.slice(0, 500)}`;
  throw new Fault(
    'ROLLBACK_UNSAFE',
    `${words}${heard} To go back all the same, repeat that reason: in "unsafe", or ` +
      `\`pointsman rollback ${service} --unsafe '…'\`.`,
    { service, unsafe },
  );
}

function plain(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ');
}

/**
 * A confirmation names the generation that it is for: another one is not meant by it.
 *
 * @param withinMs a time to extend; null: none. @param beginning see `refuseBeginning`.
 * @throws Fault CALL_INVALID, GENERATION_STALE, DEPLOYMENT_IN_PROGRESS, CONFIRM_REFUSED where there
 *   is nothing to extend.
 */
export function refuseConfirming(
  state: ServiceState,
  service: string,
  generation: number | null,
  withinMs: number | null,
  beginning: string | null,
): void {
  if (generation === null) {
    const text = 'A confirmation names what it is for: send the generation you see in If-Match.';
    throw new Fault('CALL_INVALID', text);
  }
  refuseStale(state, service, generation);
  // A way back that was decided is gone.
  refuseSecond(state);
  refuseBeginning(service, beginning);
  if (withinMs === null || state.confirm) return;
  const text = `No release of ${service} waits to be confirmed: there is no time to extend.`;
  throw new Fault('CONFIRM_REFUSED', text, { service });
}

/**
 * @throws Fault RETIRE_REFUSED where the standby is the way back from what is not confirmed, or a
 *   deployment is on record that may flip to it: after a restart too, before anybody carries it on.
 */
export function refuseRetiring({ confirm, deployment }: ServiceState, service: string): void {
  if (inProgress(deployment)) {
    const text = `${service}: deployment ${deployment.id} is ${deployment.phase}; wait for its end, or abort it.`;
    throw new Fault('RETIRE_REFUSED', text, { service, deployment: deployment.id });
  }
  if (!confirm) return;
  const text = `${service}: ${confirm.release} waits to be confirmed; until then the standby is the way back.`;
  throw new Fault('RETIRE_REFUSED', text, { service, until: confirm.until });
}

/**
 * All that stands in the way of a deployment as the service is.
 *
 * @param freeze of its config. @param beginning a deployment that is on its way to the record.
 * @param release the name that is asked for.
 * @throws Fault FROZEN, DEPLOYMENT_IN_PROGRESS, LATCHED, CONFIRM_PENDING
 */
export function refuseDeploying(
  state: ServiceState,
  service: string,
  freeze: string | null,
  beginning: string | null,
  release: string,
): void {
  refuseFrozen(state, service, freeze);
  refuseSecond(state);
  refuseBeginning(service, beginning);
  refuseLatched(state, service);
  refuseUnconfirmed(state, service, release);
}

/**
 * A freeze keeps what is live as it is; where nothing is live there is nothing to keep.
 *
 * @throws Fault FROZEN with the reason that the config gives.
 */
function refuseFrozen(state: ServiceState, service: string, freeze: string | null): void {
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

/**
 * @param attempt that has the service to itself; null: none.
 * @returns it, where it may be aborted now.
 * @throws Fault DEPLOYMENT_UNKNOWN where it is another one that is on record, ABORT_TOO_LATE where
 *   it has ended or decided to flip.
 */
export function abortable(
  { deployment }: ServiceState,
  service: string,
  id: string,
  attempt: Attempt | null,
): Attempt {
  if (deployment?.id !== id) {
    throw new Fault('DEPLOYMENT_UNKNOWN', `${service} has no deployment ${id}.`, { id });
  }
  if (inProgress(deployment) && deployment.phase !== 'flipping') {
    if (attempt !== null && attempt.id === id && !attempt.flipping) return attempt;
    throw new Fault('ABORT_TOO_LATE', `Deployment ${id} is past the point of an abort.`, { id });
  }
  const ended = deployment.endedAt !== null;
  throw new Fault(
    'ABORT_TOO_LATE',
    ended
      ? `Deployment ${deployment.id} has ended (${deployment.phase}); there is nothing to abort.`
      : `Deployment ${deployment.id} is ${deployment.phase}: its flip is decided. Roll back instead.`,
    { deployment: deployment.id, phase: deployment.phase },
  );
}

/**
 * @param freeze of its config. @param attempt that has the service to itself; null: none.
 * @returns it, where it waits for a person.
 * @throws Fault FROZEN, FLIP_NOT_READY
 */
export function flippable(
  state: ServiceState,
  service: string,
  freeze: string | null,
  attempt: Attempt | null,
): Attempt {
  refuseFrozen(state, service, freeze);
  const { deployment } = state;
  if (deployment?.phase === 'ready') {
    if (attempt !== null && !attempt.flipping) return attempt;
    throw new Fault('FLIP_NOT_READY', `${service} is being flipped already.`);
  }
  const why = inProgress(deployment)
    ? `deployment ${deployment.id} is ${deployment.phase}`
    : 'no deployment runs';
  throw new Fault('FLIP_NOT_READY', `Nothing of ${service} waits for a flip: ${why}.`, {
    service,
    phase: deployment?.phase ?? null,
  });
}
