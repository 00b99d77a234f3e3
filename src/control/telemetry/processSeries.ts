/**
 * What the Prometheus page says of the processes: each worker, and what the controller could last
 * do with its state and its config.
 *
 * The rule this file keeps: a worker has a line only while it answers, so that what is missing
 * shows.
 */
import type { WorkerStats } from '../../wire.ts';
import { gauge, type Series } from './exposition.ts';

/** What is asked of the controller itself. */
export interface ControllerHealth {
  /** Whether the last save of the state, and the last reload of the config, went well. */
  stateWritable(): boolean;
  configLoaded(): boolean;
}

/** @param workers what those said that answered this scrape. */
export function processSeries(
  workers: () => readonly WorkerStats[],
  controller: ControllerHealth,
): readonly Series[] {
  const each =
    (of: (worker: WorkerStats) => number): Series['collect'] =>
    (line) => {
      for (const worker of workers()) line(`worker="${worker.worker}"`, of(worker));
    };
  return [
    gauge(
      'connections',
      'Client connections',
      each(({ connections }) => connections),
    ),
    gauge(
      'worker_rss_bytes',
      'Memory of a worker',
      each(({ rssBytes }) => rssBytes),
    ),
    gauge(
      'worker_up',
      '1 for each worker that answers',
      each(() => 1),
    ),
    gauge('state_writable', '1 where the last save of the state went well', (line) =>
      line('', Number(controller.stateWritable())),
    ),
    gauge('config_last_reload_successful', '1 where the config on disk is active', (line) =>
      line('', Number(controller.configLoaded())),
    ),
  ];
}
