/**
 * What the Prometheus page says of services: what is live, whether there is a way back, and what
 * waits.
 *
 * The rule this file keeps: each is read off the same status that the CLI and the page show.
 */
import { colors } from '../../wire.ts';
import type { ServiceStatus } from '../model/api.ts';
import { hookMoments, phases, watchPhases } from '../model/state.ts';
import { gauge, type Line, labelText, type Series, type ServiceLabels } from './exposition.ts';

/** @param services as they are at the scrape. */
export function serviceSeries(
  services: () => readonly ServiceStatus[],
  of: ServiceLabels,
): readonly Series[] {
  const each = (
    name: string,
    help: string,
    tell: (line: Line, one: ServiceStatus) => void,
  ): Series =>
    gauge(name, help, (line) => {
      for (const one of services()) tell(line, one);
    });
  return [
    each('live', '1 for the color that gets new requests', (line, one) => {
      for (const color of colors) {
        line(of(one.name, color), Number(color === one.live));
      }
    }),
    each('generation', 'Flips of the service so far', (line, { name, generation }) =>
      line(of(name), generation),
    ),
    each('inflight', 'Requests inside a pool, by kind', (line, { name, pools }) => {
      for (const color of colors) {
        for (const [kind, value] of Object.entries(pools[color]?.inside ?? {})) {
          line(`${of(name, color)},${labelText('kind', kind)}`, value);
        }
      }
    }),
    each('target_up', '1 where probes say that the target works', (line, { name, pools }) => {
      for (const color of colors) {
        for (const { id, healthy } of pools[color]?.targets ?? []) {
          line(`${of(name, color)},${labelText('target', id)}`, Number(healthy));
        }
      }
    }),
    each(
      'target_resolved',
      '1 where the name of a target can be resolved; 0: the last good answer holds',
      (line, { name, pools }) => {
        for (const color of colors) {
          for (const { id, addresses, unresolved } of pools[color]?.targets ?? []) {
            if (addresses.length === 0 && unresolved === null) continue;
            line(`${of(name, color)},${labelText('target', id)}`, Number(unresolved === null));
          }
        }
      },
    ),
    each(
      'rollback_ready',
      '1 where the warm pool could take the traffic now',
      (line, { name, rollback }) => line(of(name), Number(rollback.ready)),
    ),
    each(
      'rollback_asleep',
      '1 where the warm pool is kept small or frozen, as the config wants it',
      (line, { name, rollback }) => line(of(name), Number(rollback.asleep)),
    ),
    each(
      'rollback_unsafe',
      '1 where who deployed what is live said that going back from it is unsafe',
      (line, { name, rollback }) => line(of(name), Number(rollback.unsafe !== null)),
    ),
    each(
      'rollback_retired',
      '1 where nothing is kept to go back to, because the warm pool was retired',
      (line, service) => line(of(service.name), Number(retired(service))),
    ),
    each(
      'deployment_phase',
      '1 for the phase of the last deployment',
      (line, { name, deployment }) => {
        if (deployment === null) return;
        for (const phase of phases) {
          line(`${of(name)},phase="${phase}"`, Number(phase === deployment.phase));
        }
      },
    ),
    each(
      'watch_phase',
      '1 for what came of the watch over the release that is live',
      (line, { name, watch }) => {
        if (watch === null) return;
        for (const phase of watchPhases) {
          line(`${of(name)},phase="${phase}"`, Number(phase === watch.phase));
        }
      },
    ),
    each(
      'latched',
      '1 where a release was taken back by itself, and nobody has acknowledged it',
      (line, { name, latch }) => line(of(name), Number(latch !== null)),
    ),
    each(
      'confirm_deadline_timestamp_seconds',
      'When the release that is live is gone back from unless it is confirmed; 0: it stays',
      (line, { name, confirm }) =>
        line(of(name), confirm === null ? 0 : Date.parse(confirm.until) / 1000),
    ),
    each(
      'confirm_held',
      '1 where nobody confirmed the release that is live in time, and there is no way back',
      (line, { name, confirm }) => line(of(name), Number(confirm?.phase === 'held')),
    ),
    each(
      'hook_failed',
      '1 where what the config wants done around the last flip has failed, by its moment',
      (line, { name, deployment }) => {
        for (const moment of hookMoments) {
          const mine = deployment?.checks?.filter((check) => check.moment === moment) ?? [];
          const failed = mine.some(({ phase }) => phase === 'failed');
          line(`${of(name)},hook="${moment}"`, Number(failed));
        }
      },
    ),
    each('frozen', '1 where the configuration lets nothing be deployed', (line, { name, freeze }) =>
      line(of(name), Number(freeze !== null)),
    ),
    each('waiting_requests', 'Requests that wait for a place now', (line, { name, waiting }) =>
      line(of(name), waiting),
    ),
    each('paused', '1 where new requests wait until somebody resumes', (line, { name, paused }) =>
      line(of(name), Number(paused)),
    ),
  ];
}

/**
 * The pool that was live before is no more: its time was over, or somebody retired it. (Where a
 * deployment takes its place first, one that failed leaves the standby empty too, and nobody wanted
 * that.)
 */
function retired({ generation, rollback, deployment, warmUntil, run }: ServiceStatus): boolean {
  if (generation <= 1 || rollback.to !== null || deployment === null) return false;
  const kept = warmUntil === 'flip' && run !== 'static' && deployment.endedAt !== null;
  return kept || deployment.phase === 'live';
}
