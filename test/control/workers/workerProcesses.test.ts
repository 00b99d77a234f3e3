/**
 * The barrier over many workers against the contract, and how tables travel to them; the workers
 * are real, their processes are played.
 */
import { expect, test } from 'vitest';
import { Workers } from '../../../src/control/workers/workerProcesses.ts';
import type { FromController } from '../../../src/ipc.ts';
import { Plane } from '../../../src/proxy/plane.ts';
import type { Order, ServiceEntry, Table, TableChange } from '../../../src/wire.ts';
import { dataPlaneContract } from '../../contracts/dataplane.ts';
import { fakeClock } from '../../support/clock.ts';
import { workersHarness } from '../../support/planes.ts';
import { entry, pool } from '../../support/proxy.ts';

dataPlaneContract('the barrier over workers', workersHarness, 'many');

const edge = {
  trustedProxies: [],
  proxyProtocol: [],
  accessLog: 'off',
  lanes: 'auto',
  tls: null,
} as const;
const entryFor = (name: string): ServiceEntry => {
  const pools = { blue: pool(`${name}.blue.1`, [3001]), green: null };
  return entry({ name, hosts: [`${name}.example`], pools });
};
const tableOf = (version: number, ...names: readonly string[]): Table => ({
  version,
  edge,
  services: names.map((name) => entryFor(name)),
});

/** Workers 1 and 2, and every order as it would travel. */
function twoWorkers() {
  const clock = fakeClock();
  const sink = { line: () => {}, dropped: 0 };
  const planes = [1, 2].map((worker) => new Plane({ clock, worker, sink }));
  const orders: { readonly workers: readonly number[]; readonly order: Order }[] = [];
  const send = (message: FromController): void => {
    if (message.kind !== 'order') return;
    orders.push(message);
    for (const slot of message.workers) {
      const reply = planes[slot - 1]?.obey(message.order);
      if (reply) queueMicrotask(() => workers.replied(slot, reply));
    }
  };
  const infos = [1, 2].map((worker) => ({ worker, pid: 100 + worker }));
  const workers = new Workers(send, clock, { up() {}, down() {} }, infos, 0);
  const travelled = (): readonly (readonly [readonly number[], TableChange])[] =>
    orders.flatMap(({ workers: to, order }) =>
      order.kind === 'stage' ? [[to, order.table] as const] : [],
    );
  return { clock, sink, planes, workers, travelled };
}

test('a table travels whole once, then as what is different in it', async () => {
  const { workers, planes, travelled } = twoWorkers();

  await workers.stage(tableOf(1, 'cart', 'shop', 'till'));
  await workers.stage(tableOf(2, 'cart', 'shop', 'wiki'));

  const sent = travelled().map(([to, { base, services, gone }]) => ({
    to,
    base,
    services: services.map(({ name }) => name),
    gone,
  }));
  expect(sent).toEqual([
    { to: [1, 2], base: null, services: ['cart', 'shop', 'till'], gone: [] },
    { to: [1, 2], base: 1, services: ['wiki'], gone: ['till'] },
  ]);
  for (const plane of planes) {
    const found = ['cart', 'shop', 'till', 'wiki'].map((name) => plane.service(name)?.name);
    expect(found).toEqual(['cart', 'shop', undefined, 'wiki']);
    expect(plane.match('shop.example', '/')?.name).toBe('shop');
  }
});

test('a worker that has another table than a change builds on is given the whole one', async () => {
  const { workers, planes, clock, sink, travelled } = twoWorkers();
  await workers.stage(tableOf(1, 'cart', 'shop'));
  planes[1] = new Plane({ clock, worker: 2, sink });

  await workers.stage(tableOf(2, 'cart', 'shop', 'till'));

  expect(travelled().map(([to, { base }]) => [to, base])).toEqual([
    [[1, 2], null],
    [[1, 2], 1],
    [[2], null],
  ]);
  expect(planes.map((plane) => [plane.version, plane.service('shop')?.name])).toEqual([
    [2, 'shop'],
    [2, 'shop'],
  ]);
});

test('a worker that starts gets the whole table, and so does everyone the next time', async () => {
  const { workers, planes, clock, sink, travelled } = twoWorkers();
  await workers.stage(tableOf(1, 'cart', 'shop'));
  workers.down({ worker: 2, pid: 102 }, 'killed by the test');
  planes[1] = new Plane({ clock, worker: 2, sink });

  workers.up({ worker: 2, pid: 202 });
  await workers.stage(tableOf(2, 'cart', 'shop'));
  await workers.stage(tableOf(3, 'cart', 'shop'));

  expect(travelled().map(([to, { base, services }]) => [to, base, services.length])).toEqual([
    [[1, 2], null, 2],
    [[2], null, 2],
    [[1, 2], null, 2],
    [[1, 2], 2, 0],
  ]);
});

test('a worker that has answered before is ended after 5 s, and one on its way up after 30 s', async () => {
  const clock = fakeClock();
  const sent: FromController[] = [];
  const info = { worker: 1, pid: 101 };
  const workers = new Workers(
    (message) => void sent.push(message),
    clock,
    { up() {}, down() {} },
    [info],
    0,
  );
  const ended = () => sent.filter(({ kind }) => kind === 'end').length;
  const lastOrder = (): Order => {
    const orders = sent.flatMap((message) => (message.kind === 'order' ? [message.order] : []));
    return orders.at(-1) ?? expect.fail('nothing was ordered');
  };
  const passing = async (ms: number): Promise<void> => {
    clock.pass(ms);
    clock.pass(10);
    await new Promise((resolve) => setImmediate(resolve));
  };

  void workers.stage(tableOf(1, 'shop')).catch(() => {});
  await passing(29_000);
  expect(ended()).toBe(0);
  const plane = new Plane({ clock, worker: 1, sink: { line: () => {}, dropped: 0 } });
  workers.replied(1, plane.obey(lastOrder()));
  await passing(0);
  void workers.stage(tableOf(2, 'shop')).catch(() => {});
  await passing(5_000);
  expect(ended()).toBe(1);

  // Another in its place.
  workers.down(info, 'signal SIGKILL');
  workers.up({ worker: 1, pid: 102 });
  await passing(29_000);
  expect(ended()).toBe(1);
  await passing(1_000);
  expect(ended()).toBe(2);
});
