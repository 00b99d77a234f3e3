/**
 * Metrics of what others are told.
 *
 * The rule this file keeps: a receiver is its host, since the rest of its URL may be a secret, and
 * those that share one are one line.
 */
import type { NotifierStatus } from '../notify/notifier.ts';
import { counter, gauge, labelText, type Series } from './exposition.ts';

export function notificationSeries(status: () => readonly NotifierStatus[]): readonly Series[] {
  const byHost = (count: (one: NotifierStatus) => number): ReadonlyMap<string, number> => {
    const sums = new Map<string, number>();
    for (const one of status()) {
      sums.set(one.receiver, (sums.get(one.receiver) ?? 0) + count(one));
    }
    return sums;
  };
  const outcomes = ['taken', 'refused', 'lost'] as const;
  return [
    gauge('notifications_pending', 'Notifications that a receiver has not taken yet', (line) => {
      for (const [host, count] of byHost(({ pending }) => pending)) {
        line(labelText('receiver', host), count);
      }
    }),
    counter(
      'notifications_total',
      'Notifications that left, by how: taken, refused for good, or lost to newer ones',
      (line) => {
        for (const outcome of outcomes) {
          for (const [host, count] of byHost((one) => one.outcomes[outcome])) {
            line(`${labelText('receiver', host)},${labelText('outcome', outcome)}`, count);
          }
        }
      },
    ),
  ];
}
