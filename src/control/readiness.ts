/**
 * Whether Pointsman is ready, and why not: what `/readyz` and `GET /v1/health` say.
 *
 * The rule this file keeps: each reason is a sentence for people; without one it is ready.
 */
import type { Health } from './model/api.ts';
import type { Services } from './services.ts';

/** @param services null: the state is being read. */
export function healthOf(
  services: Services | null,
  stopping: boolean,
  more: Pick<Health, 'version' | 'uptimeSeconds'>,
): Health {
  const workers = services?.stats() ?? [];
  const reasons = [
    ...(services === null ? ['The state is being read.'] : []),
    ...(stopping ? ['Pointsman is stopping.'] : []),
    ...(services !== null && workers.length === 0 ? ['No worker answers.'] : []),
    ...(services?.beginning() ?? []).map(
      (name) => `The first release of ${name} is being deployed.`,
    ),
  ];
  return {
    ready: reasons.length === 0,
    reasons,
    ...more,
    workers: workers.map(({ worker, pid, connections }) => ({ worker, pid, connections })),
  };
}
