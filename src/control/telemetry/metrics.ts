/**
 * The Prometheus page: the only importer of prom-client.
 *
 * The rule this file keeps: label values are bounded (a service, a color, a target, a fixed list;
 * never a path), a counter never falls while the controller lives, and a scrape costs the data
 * plane one message. What has few lines is counted here; what has one a service or a worker is
 * text, by concern (`requestSeries`, `serviceSeries`, `processSeries`).
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { WorkerStats } from '../../wire.ts';
import type { PointsmanEvent, ServiceStatus } from '../model/api.ts';
import type { CertificateStatus } from '../model/certificates.ts';
import type { Direction, Receipt } from '../model/state.ts';
import type { NotifierStatus } from '../notify/notifier.ts';
import { certificateSeries } from './certificateSeries.ts';
import { type Series, seriesText, serviceLabels } from './exposition.ts';
import { notificationSeries } from './notificationSeries.ts';
import { type ControllerHealth, processSeries } from './processSeries.ts';
import { requestSeries } from './requestSeries.ts';
import { serviceSeries } from './serviceSeries.ts';
import type { Totals } from './totals.ts';

/** What the page is made from, asked for once a scrape. */
export interface MetricsSource extends ControllerHealth {
  readonly version: string;
  readonly totals: Totals;
  /** Fresh numbers of all workers; they are in `totals` by the time it resolves. */
  stats(): Promise<readonly WorkerStats[]>;
  services(): readonly ServiceStatus[];
  certificates(): readonly CertificateStatus[];
  notifier(): readonly NotifierStatus[];
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #source: MetricsSource;
  readonly #flips: Counter;
  readonly #hold: Histogram;
  readonly #takenBack: Counter;
  readonly #restarts: Counter;
  readonly #series: readonly Series[];
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
    this.#takenBack = new Counter({
      name: 'pointsman_automatic_rollbacks_total',
      help: 'Releases that were taken back by themselves',
      labelNames: ['service'],
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
    const services = () => this.#services;
    const of = serviceLabels();
    this.#series = [
      ...requestSeries(source.totals, services, of),
      ...serviceSeries(services, of),
      ...certificateSeries(source.totals, () => source.certificates()),
      ...notificationSeries(() => source.notifier()),
      ...processSeries(() => this.#workers, source),
    ];
  }

  heard(event: PointsmanEvent): void {
    if (event.type === 'flip') this.flipped(event.receipt);
    if (event.type !== 'deployment') return;
    const { cause, direction, error, phase } = event.deployment;
    if (cause !== undefined && phase === 'draining') this.takenBack(event.service);
    if (error?.code === 'HOLD_TIMEOUT') this.flipAborted(event.service, direction);
  }

  flipped(receipt: Receipt): void {
    const { service, direction } = receipt;
    this.#flips.inc({ service, direction, result: 'committed' });
    this.#hold.observe(receipt.holdMs / 1000);
  }

  flipAborted(service: string, direction: Direction): void {
    this.#flips.inc({ service, direction, result: 'aborted' });
  }

  takenBack(service: string): void {
    this.#takenBack.inc({ service });
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
      this.#takenBack.inc({ service }, 0);
      for (const direction of ['deploy', 'rollback']) {
        for (const result of ['committed', 'aborted']) {
          this.#flips.inc({ service, direction, result }, 0);
        }
      }
    }
  }
}
