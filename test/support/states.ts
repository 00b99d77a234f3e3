/**
 * States and deployments for tests of whatever keeps them. The rule: small, whole, and of the
 * present format.
 */
import type { Deployment, Release, ServiceState, State } from '../../src/control/model/state.ts';
import type { Color } from '../../src/wire.ts';

/** One service, live on `live`; `fill` makes it longer and different. */
export function stateWith(live: Color, fill = 0): State {
  return { services: { shop: serviceWith(live, fill) } };
}

export function serviceWith(live: Color, fill = 0): ServiceState {
  const release: Release = {
    name: `v${fill}`,
    run: {
      kind: 'process',
      command: ['node', 'server.js', 'ünïcödé "quoted"'],
      replicas: 2,
      env: { FILL: 'x'.repeat(fill) },
      cwd: '/srv/shop',
      stopMs: 10_000,
    },
  };
  const pool = {
    id: `shop.${live}.1`,
    release,
    filledAt: '2026-01-01T00:00:00.000Z',
    liveSince: '2026-01-01T00:00:01.000Z',
    warmSince: null,
  };
  return {
    generation: fill + 1,
    live,
    intent: null,
    pools: live === 'blue' ? { blue: pool, green: null } : { blue: null, green: pool },
    fills: 1,
    deployments: 1,
    paused: false,
    deployment: null,
    releases: [release],
  };
}

export function deploymentOf(service: string, number: number, why = 'because'): Deployment {
  return {
    id: `${service}-${number}`,
    service,
    direction: 'deploy',
    from: { color: 'blue', release: `v${number - 1}` },
    to: { color: 'green', release: `v${number}` },
    phase: 'live',
    by: 'test',
    why,
    startedAt: '2026-01-01T00:00:00.000Z',
    endedAt: '2026-01-01T00:00:09.000Z',
    error: null,
    receipt: null,
  };
}
