/** As many services as a large house has, behind one Pointsman. */
import { expect, test } from 'vitest';
import type { Deployment } from '../../src/control/model/state.ts';
import { long } from '../support/form.ts';
import { preparePointsman, startReleases, until } from '../support/whole.ts';

const services = long ? 1_000 : 250;
// Patience, not a promise: with the machine to itself it is a quarter of that.
const testMs = 400_000;

interface Seen {
  readonly services: readonly {
    readonly name: string;
    readonly generation: number;
    readonly deployment: Deployment | null;
  }[];
}

test(
  `${services} services start together, and are released together: every one gets there`,
  async () => {
    const { alder = '', birch = '' } = await startReleases(['alder', 'birch']);
    const options = {
      workers: 2,
      run: { static: {} },
      first: { release: 'v1', targets: [alder] },
    };
    const pointsman = await preparePointsman(options);
    const { shop, ...others } = Object(pointsman.config(options)).services;
    // As shipped: a probe of each twice a second would be all that one process can do.
    const health = { interval: '2s', rise: 1 };
    const names = Array.from({ length: services }, (_, n) => `shop-${n}`);
    const all = names.map((name) => [name, { ...shop, health, hosts: [`${name}.example`] }]);
    pointsman.configure({
      ...pointsman.config(options),
      services: { ...others, ...Object.fromEntries(all) },
    });
    const behind = async (generation: number): Promise<Seen['services']> => {
      const { json } = await pointsman.call('GET', '/v1/services');
      return (json as Seen).services.filter((service) => service.generation !== generation);
    };

    await pointsman.start();
    expect(await behind(1)).toEqual([]);

    const release = async (name: string): Promise<void> => {
      const body = { release: 'v2', targets: [birch] };
      const path = `/v1/services/${name}/deployments`;
      expect((await pointsman.call('POST', path, { body })).status).toBe(202);
    };
    await Promise.all(names.map(release));
    const arrived = async (): Promise<boolean> => {
      // A list of a thousand costs the controller something: it is not asked without a break.
      await new Promise((resolve) => setTimeout(resolve, 500));
      const left = await behind(2);
      const failed = left.filter(({ deployment }) => deployment?.phase === 'failed');
      // The one reason there may be on a machine that is full: a worker did not get to run in time.
      const reasons = new Set(failed.map(({ deployment }) => deployment?.error?.code));
      expect([...reasons].filter((code) => code !== 'HOLD_TIMEOUT')).toEqual([]);
      await Promise.all(failed.map(({ name }) => release(name)));
      return left.length === 0;
    };
    await until('all are at v2', arrived, testMs);
  },
  testMs,
);
