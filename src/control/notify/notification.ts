/**
 * What is told to others of a service: that its traffic moved, that it could not, or that somebody
 * has to look.
 *
 * The rule this file keeps: a notification follows from what is on record, and so does its id: made
 * twice, before a restart and after it, it is the same one.
 */
import type { NotificationKind } from '../../config/config.ts';
import { type Confirm, type Deployment, hookMoments, type Watch } from '../model/state.ts';

export interface Notification {
  /** The same for the same event, whoever is told of it and however often. */
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly kind: NotificationKind;
  readonly service: string;
  /** One sentence, for people. */
  readonly text: string;
  readonly deployment: string;
  readonly from: string | null;
  readonly to: string;
  readonly generation: number | null;
  /** Who, and why, as the caller said it; Pointsman itself where nobody asked. */
  readonly by: string;
  readonly why: string;
  /** A code of the error table; null: nothing failed. */
  readonly error: string | null;
}

/** @returns null: there is nothing to tell of it, or not yet. */
export function ofDeployment(deployment: Deployment): Notification | null {
  const { id, service, from, to, receipt, error, phase, by, why, endedAt } = deployment;
  const about = {
    service,
    deployment: id,
    from: from?.release ?? null,
    to: to.release,
    by,
    why,
  };
  if (receipt !== null) {
    const { generation, committedAt } = receipt;
    const kind = deployment.direction === 'rollback' ? 'rollback' : 'flip';
    const text = `${service}: ${movedText(deployment)}`;
    return { ...about, id: `${id}.${kind}`, at: committedAt, kind, text, generation, error: null };
  }
  if (phase !== 'failed' || error === null || endedAt === null) return null;
  const text = `${service}: the deployment of ${to.release} failed: ${error.message}`;
  const rest = { generation: null, error: error.code };
  return { ...about, id: `${id}.failure`, at: endedAt, kind: 'failure', text, ...rest };
}

/** Of what was done after a flip, or after a failure, and has failed; one for each such moment. */
export function ofChecks(deployment: Deployment): readonly Notification[] {
  const { id, service, from, to, by, why, receipt, checks = [] } = deployment;
  return hookMoments.flatMap((moment) => {
    // What fails before the flip is told as the failure of the deployment.
    if (moment === 'beforeFlip') return [];
    const failed = checks.find((one) => one.moment === moment && one.phase === 'failed');
    if (failed === undefined) return [];
    const { name, result, startedAt } = failed;
    const text = `${service}: ${moment} of ${to.release}: ${name} has failed: ${result}`;
    return {
      id: `${id}.${moment}`,
      at: startedAt ?? deployment.startedAt,
      kind: 'failure' as const,
      service,
      text,
      deployment: id,
      from: from?.release ?? null,
      to: to.release,
      generation: receipt?.generation ?? null,
      by,
      why,
      error: 'HOOK_FAILED',
    };
  });
}

/** @returns null: it does not hold. @param at when that was seen, ISO 8601. */
export function ofHold(
  service: string,
  { deployment, generation, release, phase, reason }: Watch | Confirm,
  at: string,
): Notification | null {
  if (phase !== 'held') return null;
  const why = reason ?? '';
  const text = `${service}: ${release} should be gone back from, and cannot be: ${why}`;
  return {
    id: `${deployment}.hold`,
    at,
    kind: 'hold',
    service,
    text,
    deployment,
    from: null,
    to: release,
    generation,
    by: 'pointsman',
    why,
    error: null,
  };
}

function movedText({ direction, to, from, by, why, cause }: Deployment): string {
  const left = from === null ? '' : ` (before: ${from.release})`;
  const said = why === '' ? '' : `: ${why}`;
  if (direction === 'deploy') return `${to.release} is live${left}, by ${by}${said}`;
  const whose = cause === undefined ? `by ${by}` : 'by itself';
  return `back to ${to.release}${left}, ${whose}${said}`;
}
