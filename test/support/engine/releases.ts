/** Docker releases with every option at its default. */
import type { PinnedDockerRun, Release } from '../../../src/control/model/state.ts';

export function dockerRelease(name: string, more: Partial<PinnedDockerRun> = {}): Release {
  const run: PinnedDockerRun = {
    kind: 'docker',
    image: `shop:${name}`,
    digest: null,
    port: 3000,
    replicas: 1,
    env: {},
    envFile: null,
    volumes: [],
    network: null,
    command: null,
    user: null,
    labels: {},
    memoryBytes: null,
    cpus: null,
    stopMs: 10_000,
    stopSignal: null,
    readOnly: false,
    capDrop: [],
    init: false,
    pull: 'missing',
    discover: false,
    keepImages: 5,
    ...more,
  };
  return { name, run };
}
