/**
 * What the Prometheus page says of requests: how many, how long, and what became of them.
 *
 * The rule this file keeps: every color of every service has a line from the start where a counter
 * is one number, so that its first event is seen to be one more.
 */
import { colors } from '../../wire.ts';
import type { ServiceStatus } from '../model/api.ts';
import {
  counter,
  histogramLines,
  type Line,
  labelled,
  labelText,
  type Series,
  type ServiceLabels,
} from './exposition.ts';
import type { ColorTotals, Totals } from './totals.ts';

/** @param services as they are at the scrape. */
export function requestSeries(
  totals: Totals,
  services: () => readonly ServiceStatus[],
  of: ServiceLabels,
): readonly Series[] {
  const fromZero = (line: Line, count: (total: ColorTotals) => number): void => {
    for (const { name } of services()) {
      for (const color of colors) {
        const total = totals.color(name, color);
        line(of(name, color), total === undefined ? 0 : count(total));
      }
    }
  };
  const histogram = (name: string, help: string, which: 'duration' | 'upstream'): Series => ({
    name: `pointsman_${name}`,
    type: 'histogram',
    help,
    collect: (line) => {
      for (const total of totals.colors()) {
        histogramLines(line, of(total.service, total.color), total[which]);
      }
    },
  });
  return [
    counter('requests_total', 'Requests, by the color that served them', (line) => {
      for (const { service, color, requests } of totals.colors()) {
        for (const [key, value] of Object.entries(requests)) {
          const [method = '', code = ''] = key.split(' ');
          line(`${of(service, color)},method="${method}",code="${code}"`, value);
        }
      }
    }),
    histogram('request_duration_seconds', 'From the request to the end of its answer', 'duration'),
    histogram('upstream_duration_seconds', 'From sending to the head of the answer', 'upstream'),
    counter('client_aborts_total', 'Requests whose client left before the end', (line) =>
      fromZero(line, ({ clientAborts }) => clientAborts),
    ),
    counter('retries_total', 'Requests that were sent a second time, by reason', (line) => {
      for (const { service, color, retries } of totals.colors()) {
        for (const [reason, value] of Object.entries(retries)) {
          line(`${of(service, color)},${labelText('reason', reason)}`, value);
        }
      }
    }),
    counter('panic_requests_total', 'Requests sent to a pool without a healthy target', (line) =>
      fromZero(line, ({ panics }) => panics),
    ),
    counter(
      'held_requests_total',
      'Requests that waited: for a flip, a pause, or a free place',
      labelled('service', () => totals.globals().held),
    ),
    counter(
      'preview_requests_total',
      'Requests for what was being proved, which no other series counts',
      labelled('service', () => totals.globals().previewed),
    ),
    counter(
      'unrouted_requests_total',
      'Requests that reached no service, by error',
      labelled('code', () => totals.globals().unrouted),
    ),
    counter(
      'lane_requests_total',
      'Requests by the lane that carried them',
      labelled('lane', () => totals.globals().lanes),
    ),
    counter(
      'handovers_total',
      'Connections that left the express lane, by reason',
      labelled('reason', () => totals.globals().handovers),
    ),
    counter('log_lines_dropped_total', 'Log lines that nobody took in time', (line) =>
      line('', totals.globals().logLinesDropped),
    ),
  ];
}
