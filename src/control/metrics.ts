/**
 * The Prometheus page: the only importer of prom-client.
 *
 * The rule this file keeps: label values are bounded (a service, a color, a target, a fixed list;
 * never a path), a counter never falls while the controller lives, and a scrape costs the data
 * plane one message.
 */
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type Metric,
  Registry,
} from 'prom-client';
import { colors, durationBounds, type HistogramCounts, type WorkerStats } from '../wire.ts';
import type { ServiceStatus } from './control.ts';
import type { Direction, Phase, Receipt } from './state.ts';
import type { Totals } from './totals.ts';

type Labels = Readonly<Record<string, string>>;
interface Value {
  readonly labels: Labels;
  readonly value: number;
  /** Of a histogram's series: its name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

/** What the page is made from, asked for once a scrape. */
export interface MetricsSource {
  readonly version: string;
  readonly totals: Totals;
  /** Fresh numbers of all workers; they are in `totals` by the time it resolves. */
  stats(): Promise<readonly WorkerStats[]>;
  services(): readonly ServiceStatus[];
  /** Whether the last save of the state, and the last reload of the config, went well. */
  stateWritable(): boolean;
  configLoaded(): boolean;
}

const phases: readonly Phase[] = [
  'starting',
  'probing',
  'ready',
  'flipping',
  'draining',
  'live',
  'failed',
  'aborted',
];

export class Metrics {
  readonly #registry = new Registry();
  readonly #source: MetricsSource;
  readonly #flips: Counter;
  readonly #hold: Histogram;
  readonly #restarts: Counter;
  #workers: readonly WorkerStats[] = [];
  #services: readonly ServiceStatus[] = [];

  constructor(source: MetricsSource) {
    this.#source = source;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#flips = new Counter({
      name: 'pointsman_flips_total',
      help: 'Flips, by direction (deploy, rollback) and result (committed, aborted)',
      labelNames: ['service', 'direction', 'result'],
      registers,
    });
    this.#hold = new Histogram({
      name: 'pointsman_flip_hold_seconds',
      help: 'The longest that any worker held requests for a flip',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25],
      registers,
    });
    this.#restarts = new Counter({
      name: 'pointsman_worker_restarts_total',
      help: 'Workers that ended and were replaced',
      registers,
    });
    new Gauge({
      name: 'pointsman_build_info',
      help: 'Always 1; the version of Pointsman and of Node as labels',
      labelNames: ['version', 'node'],
      registers,
    }).set({ version: source.version, node: process.version }, 1);
    this.#countersOfRequests();
    this.#gaugesOfServices();
    this.#gaugesOfProcesses();
  }

  flipped(receipt: Receipt): void {
    const { service, direction } = receipt;
    this.#flips.inc({ service, direction, result: 'committed' });
    this.#hold.observe(receipt.holdMs / 1000);
  }

  flipAborted(service: string, direction: Direction): void {
    this.#flips.inc({ service, direction, result: 'aborted' });
  }

  workerRestarted(): void {
    this.#restarts.inc();
  }

  async page(): Promise<{ type: string; text: string }> {
    this.#workers = await this.#source.stats();
    this.#services = this.#source.services();
    this.#beginAtZero();
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  /** A counter that begins at 1 hides its first event from `rate` and `increase`. */
  #beginAtZero(): void {
    for (const { name: service } of this.#services) {
      for (const direction of ['deploy', 'rollback']) {
        for (const result of ['committed', 'aborted']) {
          this.#flips.inc({ service, direction, result }, 0);
        }
      }
    }
  }

  #countersOfRequests(): void {
    const { totals } = this.#source;
    this.#series('requests_total', 'counter', 'Requests, by the color that served them', () =>
      totals.colors().flatMap(({ service, color, requests }) =>
        Object.entries(requests).map(([key, value]) => {
          const [method = '', code = ''] = key.split(' ');
          return { labels: { service, color, method, code }, value };
        }),
      ),
    );
    this.#histogram(
      'request_duration_seconds',
      'From the request to the end of its answer',
      'duration',
    );
    this.#histogram(
      'upstream_duration_seconds',
      'From sending to the head of the answer',
      'upstream',
    );
    this.#series(
      'client_aborts_total',
      'counter',
      'Requests whose client left before the end',
      () =>
        totals.colors().map(({ service, color, clientAborts: value }) => ({
          labels: { service, color },
          value,
        })),
    );
    this.#series(
      'retries_total',
      'counter',
      'Requests that were sent a second time, by reason',
      () =>
        totals.colors().flatMap(({ service, color, retries }) =>
          Object.entries(retries).map(([reason, value]) => ({
            labels: { service, color, reason },
            value,
          })),
        ),
    );
    this.#series(
      'panic_requests_total',
      'counter',
      'Requests sent to a pool without a healthy target',
      () =>
        totals.colors().map(({ service, color, panics: value }) => ({
          labels: { service, color },
          value,
        })),
    );
    this.#series(
      'held_requests_total',
      'counter',
      'Requests that waited: for a flip, a pause, or a free place',
      () => labelled('service', totals.globals().held),
    );
    this.#series(
      'unrouted_requests_total',
      'counter',
      'Requests that reached no service, by error',
      () => labelled('code', totals.globals().unrouted),
    );
    this.#series('lane_requests_total', 'counter', 'Requests by the lane that carried them', () =>
      labelled('lane', totals.globals().lanes),
    );
    this.#series(
      'handovers_total',
      'counter',
      'Connections that left the express lane, by reason',
      () => labelled('reason', totals.globals().handovers),
    );
    this.#series('log_lines_dropped_total', 'counter', 'Log lines that nobody took in time', () => [
      { labels: {}, value: totals.globals().logLinesDropped },
    ]);
  }

  #gaugesOfServices(): void {
    const each = (of: (service: ServiceStatus) => readonly Value[]) => () =>
      this.#services.flatMap(of);
    this.#series(
      'live',
      'gauge',
      '1 for the color that gets new requests',
      each(({ name: service, generation, live }) =>
        colors.map((color) => ({
          labels: { service, color },
          value: generation > 0 && color === live ? 1 : 0,
        })),
      ),
    );
    this.#series(
      'generation',
      'gauge',
      'Flips of the service so far',
      each(({ name: service, generation: value }) => [{ labels: { service }, value }]),
    );
    this.#series(
      'inflight',
      'gauge',
      'Requests inside a pool, by kind',
      each(({ name: service, pools }) =>
        colors.flatMap((color) =>
          Object.entries(pools[color]?.inside ?? {}).map(([kind, value]) => ({
            labels: { service, color, kind },
            value,
          })),
        ),
      ),
    );
    this.#series(
      'target_up',
      'gauge',
      '1 where probes say that the target works',
      each(({ name: service, pools }) =>
        colors.flatMap((color) =>
          (pools[color]?.targets ?? []).map(({ id, healthy }) => ({
            labels: { service, color, target: id },
            value: Number(healthy),
          })),
        ),
      ),
    );
    this.#series(
      'rollback_ready',
      'gauge',
      '1 where the warm pool could take the traffic now',
      each(({ name: service, rollback }) => [
        { labels: { service }, value: Number(rollback.ready) },
      ]),
    );
    this.#series(
      'deployment_phase',
      'gauge',
      '1 for the phase of the last deployment',
      each(({ name: service, deployment }) =>
        deployment === null
          ? []
          : phases.map((phase) => ({
              labels: { service, phase },
              value: Number(phase === deployment.phase),
            })),
      ),
    );
    this.#series(
      'waiting_requests',
      'gauge',
      'Requests that wait for a place now',
      each(({ name: service, waiting: value }) => [{ labels: { service }, value }]),
    );
    this.#series(
      'paused',
      'gauge',
      '1 where new requests wait until somebody resumes',
      each(({ name: service, paused }) => [{ labels: { service }, value: Number(paused) }]),
    );
  }

  #gaugesOfProcesses(): void {
    const each = (of: (worker: WorkerStats) => number) => () =>
      this.#workers.map((worker) => ({
        labels: { worker: String(worker.worker) },
        value: of(worker),
      }));
    this.#series(
      'connections',
      'gauge',
      'Client connections',
      each(({ connections }) => connections),
    );
    this.#series(
      'worker_rss_bytes',
      'gauge',
      'Memory of a worker',
      each(({ rssBytes }) => rssBytes),
    );
    this.#series(
      'worker_up',
      'gauge',
      '1 for each worker that answers',
      each(() => 1),
    );
    this.#series('state_writable', 'gauge', '1 where the last save of the state went well', () => [
      { labels: {}, value: Number(this.#source.stateWritable()) },
    ]);
    this.#series(
      'config_last_reload_successful',
      'gauge',
      '1 where the config on disk is active',
      () => [{ labels: {}, value: Number(this.#source.configLoaded()) }],
    );
  }

  #histogram(name: string, help: string, of: 'duration' | 'upstream'): void {
    this.#series(name, 'histogram', help, () =>
      this.#source.totals
        .colors()
        .flatMap((total) =>
          histogramValues(
            `pointsman_${name}`,
            { service: total.service, color: total.color },
            total[of],
          ),
        ),
    );
  }

  /**
   * A metric whose values are made when it is asked for: prom-client's own kinds can only be added
   * to.
   */
  #series(name: string, type: string, help: string, collect: () => readonly Value[]): void {
    const metric = {
      name: `pointsman_${name}`,
      help,
      type,
      aggregator: 'sum',
      get: async () => ({ name: metric.name, help, type, aggregator: 'sum', values: collect() }),
      reset: () => {},
    };
    this.#registry.registerMetric(metric as unknown as Metric);
  }
}

function labelled(label: string, counts: Readonly<Record<string, number>>): readonly Value[] {
  return Object.entries(counts).map(([key, value]) => ({ labels: { [label]: key }, value }));
}

function histogramValues(name: string, labels: Labels, counts: HistogramCounts): readonly Value[] {
  let below = 0;
  const buckets = counts.buckets.map((count, at) => {
    below += count;
    const le = at < durationBounds.length ? String(durationBounds[at]) : '+Inf';
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: below };
  });
  if (below === 0) return [];
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: counts.sum },
    { metricName: `${name}_count`, labels, value: below },
  ];
}
