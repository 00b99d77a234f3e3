/**
 * The Prometheus page: the only importer of prom-client.
 *
 * The rule this file keeps: label values are bounded (a service, a color, a target, a fixed list;
 * never a path), a counter never falls while the controller lives, and a scrape costs the data
 * plane one message.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import {
  type Color,
  colors,
  durationBounds,
  type HistogramCounts,
  type WorkerStats,
} from '../../wire.ts';
import type { ServiceStatus } from '../model/api.ts';
import { type Direction, phases, type Receipt } from '../model/state.ts';
import { type Line, labelText, type Series, seriesText } from './exposition.ts';
import type { ColorTotals, Totals } from './totals.ts';

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

export class Metrics {
  readonly #registry = new Registry();
  readonly #source: MetricsSource;
  readonly #flips: Counter;
  readonly #hold: Histogram;
  readonly #restarts: Counter;
  readonly #series: Series[] = [];
  /** Labels that many lines begin with. */
  readonly #labels = new Map<string, string>();
  readonly #begun = new Set<string>();
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
    const few = await this.#registry.metrics();
    const text = few + this.#series.map(seriesText).join('');
    return { type: this.#registry.contentType, text };
  }

  /** A counter that begins at 1 hides its first event from `rate` and `increase`. */
  #beginAtZero(): void {
    for (const { name: service } of this.#services) {
      if (this.#begun.has(service)) continue;
      this.#begun.add(service);
      for (const direction of ['deploy', 'rollback']) {
        for (const result of ['committed', 'aborted']) {
          this.#flips.inc({ service, direction, result }, 0);
        }
      }
    }
  }

  #of(service: string, color?: Color): string {
    const key = color === undefined ? service : `${service} ${color}`;
    let labels = this.#labels.get(key);
    if (labels === undefined) {
      labels = labelText('service', service);
      if (color !== undefined) labels += `,${labelText('color', color)}`;
      this.#labels.set(key, labels);
    }
    return labels;
  }

  #countersOfRequests(): void {
    const { totals } = this.#source;
    this.#counter('requests_total', 'Requests, by the color that served them', (line) => {
      for (const { service, color, requests } of totals.colors()) {
        for (const [key, value] of Object.entries(requests)) {
          const [method = '', code = ''] = key.split(' ');
          line(`${this.#of(service, color)},method="${method}",code="${code}"`, value);
        }
      }
    });
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
    this.#counter('client_aborts_total', 'Requests whose client left before the end', (line) =>
      this.#fromZero(line, ({ clientAborts }) => clientAborts),
    );
    this.#counter('retries_total', 'Requests that were sent a second time, by reason', (line) => {
      for (const { service, color, retries } of totals.colors()) {
        for (const [reason, value] of Object.entries(retries)) {
          line(`${this.#of(service, color)},${labelText('reason', reason)}`, value);
        }
      }
    });
    this.#counter(
      'panic_requests_total',
      'Requests sent to a pool without a healthy target',
      (line) => this.#fromZero(line, ({ panics }) => panics),
    );
    this.#counter(
      'held_requests_total',
      'Requests that waited: for a flip, a pause, or a free place',
      labelled('service', () => totals.globals().held),
    );
    this.#counter(
      'unrouted_requests_total',
      'Requests that reached no service, by error',
      labelled('code', () => totals.globals().unrouted),
    );
    this.#counter(
      'lane_requests_total',
      'Requests by the lane that carried them',
      labelled('lane', () => totals.globals().lanes),
    );
    this.#counter(
      'handovers_total',
      'Connections that left the express lane, by reason',
      labelled('reason', () => totals.globals().handovers),
    );
    this.#counter('log_lines_dropped_total', 'Log lines that nobody took in time', (line) =>
      line('', totals.globals().logLinesDropped),
    );
  }

  #gaugesOfServices(): void {
    this.#ofServices('live', '1 for the color that gets new requests', (line, one) => {
      for (const color of colors) {
        const live = one.generation > 0 && color === one.live;
        line(this.#of(one.name, color), Number(live));
      }
    });
    this.#ofServices('generation', 'Flips of the service so far', (line, { name, generation }) =>
      line(this.#of(name), generation),
    );
    this.#ofServices('inflight', 'Requests inside a pool, by kind', (line, { name, pools }) => {
      for (const color of colors) {
        for (const [kind, value] of Object.entries(pools[color]?.inside ?? {})) {
          line(`${this.#of(name, color)},${labelText('kind', kind)}`, value);
        }
      }
    });
    this.#ofServices(
      'target_up',
      '1 where probes say that the target works',
      (line, { name, pools }) => {
        for (const color of colors) {
          for (const { id, healthy } of pools[color]?.targets ?? []) {
            line(`${this.#of(name, color)},${labelText('target', id)}`, Number(healthy));
          }
        }
      },
    );
    this.#ofServices(
      'rollback_ready',
      '1 where the warm pool could take the traffic now',
      (line, { name, rollback }) => line(this.#of(name), Number(rollback.ready)),
    );
    this.#ofServices(
      'rollback_asleep',
      '1 where the warm pool is kept small or frozen, as the config wants it',
      (line, { name, rollback }) => line(this.#of(name), Number(rollback.asleep)),
    );
    this.#ofServices(
      'rollback_retired',
      '1 where nothing is kept to go back to, because the warm pool was retired',
      (line, service) => line(this.#of(service.name), Number(retired(service))),
    );
    this.#ofServices(
      'deployment_phase',
      '1 for the phase of the last deployment',
      (line, { name, deployment }) => {
        if (deployment === null) return;
        for (const phase of phases) {
          line(`${this.#of(name)},phase="${phase}"`, Number(phase === deployment.phase));
        }
      },
    );
    this.#ofServices(
      'waiting_requests',
      'Requests that wait for a place now',
      (line, { name, waiting }) => line(this.#of(name), waiting),
    );
    this.#ofServices(
      'paused',
      '1 where new requests wait until somebody resumes',
      (line, { name, paused }) => line(this.#of(name), Number(paused)),
    );
  }

  #gaugesOfProcesses(): void {
    const each =
      (of: (worker: WorkerStats) => number): Series['collect'] =>
      (line) => {
        for (const worker of this.#workers) line(`worker="${worker.worker}"`, of(worker));
      };
    this.#gauge(
      'connections',
      'Client connections',
      each(({ connections }) => connections),
    );
    this.#gauge(
      'worker_rss_bytes',
      'Memory of a worker',
      each(({ rssBytes }) => rssBytes),
    );
    this.#gauge(
      'worker_up',
      '1 for each worker that answers',
      each(() => 1),
    );
    this.#gauge('state_writable', '1 where the last save of the state went well', (line) =>
      line('', Number(this.#source.stateWritable())),
    );
    this.#gauge('config_last_reload_successful', '1 where the config on disk is active', (line) =>
      line('', Number(this.#source.configLoaded())),
    );
  }

  /** Every color of every service has a line, so that its first event is seen to be one more. */
  #fromZero(line: Line, of: (total: ColorTotals) => number): void {
    const { totals } = this.#source;
    for (const { name } of this.#services) {
      for (const color of colors) {
        const total = totals.color(name, color);
        line(this.#of(name, color), total === undefined ? 0 : of(total));
      }
    }
  }

  #histogram(name: string, help: string, of: 'duration' | 'upstream'): void {
    const collect = (line: Line): void => {
      for (const total of this.#source.totals.colors()) {
        histogramLines(line, this.#of(total.service, total.color), total[of]);
      }
    };
    this.#series.push({ name: `pointsman_${name}`, type: 'histogram', help, collect });
  }

  #counter(name: string, help: string, collect: Series['collect']): void {
    this.#series.push({ name: `pointsman_${name}`, type: 'counter', help, collect });
  }

  #gauge(name: string, help: string, collect: Series['collect']): void {
    this.#series.push({ name: `pointsman_${name}`, type: 'gauge', help, collect });
  }

  #ofServices(name: string, help: string, tell: (line: Line, one: ServiceStatus) => void): void {
    this.#gauge(name, help, (line) => {
      for (const one of this.#services) tell(line, one);
    });
  }
}

function labelled(
  label: string,
  counts: () => Readonly<Record<string, number>>,
): Series['collect'] {
  return (line) => {
    for (const [key, value] of Object.entries(counts())) line(labelText(label, key), value);
  };
}

/** Nothing where nothing was counted yet. */
function histogramLines(line: Line, labels: string, { buckets, sum }: HistogramCounts): void {
  if (buckets.every((count) => count === 0)) return;
  let below = 0;
  for (const [at, bound] of bounds.entries()) {
    below += buckets[at] ?? 0;
    line(`${labels},le="${bound}"`, below, '_bucket');
  }
  line(labels, sum, '_sum');
  line(labels, below, '_count');
}

const bounds: readonly string[] = [...durationBounds.map(String), '+Inf'];

/**
 * The last deployment took the traffic from a pool that is no more: its time was over, or somebody
 * retired it. (A deployment that failed leaves the standby empty too, and nobody wanted that.)
 */
function retired({ generation, rollback, deployment }: ServiceStatus): boolean {
  return generation > 1 && rollback.to === null && deployment?.phase === 'live';
}
