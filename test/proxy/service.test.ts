/** The flip as one worker does it: what is live changes in one turn, and everybody is counted. */
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { Fault } from '../../src/errors.ts';
import type { Cut, Lease } from '../../src/proxy/balancing/lease.ts';
import { WaitingBytes, waitingBytesMax } from '../../src/proxy/queue.ts';
import { Service } from '../../src/proxy/service.ts';
import type { Color, Policy, PoolEntry, ServiceEntry } from '../../src/wire.ts';
import { type FakeClock, fakeClock } from '../support/clock.ts';

const policy: Policy = {
  connectMs: 100,
  responseMs: 100,
  idleMs: 100,
  queueMs: 1_000,
  bodyBytesMax: 1,
  headerBytesMax: 1,
  responseHeaderBytesMax: 64 * 1024,
  queueMax: 3,
  connectionsPerTargetMax: 100,
  bytesPerSecondMin: 240,
  drainMs: 5_000,
  retryAfterSeconds: 1,
  hstsSeconds: 0,
};

function filled(id: string, targets = 1): PoolEntry {
  const hosts = Array.from({ length: targets }, (_, at) => `${id}.${at}`);
  return {
    id,
    release: id,
    targets: hosts.map((host) => ({ id: host, host, port: 80, healthy: true })),
  };
}

const blue = filled('shop.blue.1');
const green = filled('shop.green.2');

function at(generation: number, live: Color, change: Partial<ServiceEntry> = {}): ServiceEntry {
  return {
    name: 'shop',
    hosts: [],
    paths: ['/'],
    generation,
    live,
    pools: { blue, green },
    policy,
    tls: { mode: 'default', healthPath: '/up' },
    edge: null,
    via: { request: 'pointsman-1-shop', probe: 'pointsman-1-probe' },
    paused: false,
    pausePage: false,
    ...change,
  };
}

function setUp(entry = at(1, 'blue')): { clock: FakeClock; service: Service } {
  const clock = fakeClock();
  return { clock, service: new Service(entry, clock) };
}

function claimed(service: Service): Lease {
  const lease = service.claim();
  if (lease === null) throw new Error('nothing could be claimed');
  return lease;
}

/** Waits for a place, and remembers what came of it. */
function waiting(service: Service, name: string, into: string[], uploading = false): () => void {
  return service.wait(
    (got) => {
      into.push(got instanceof Fault ? `${name} ${got.code}` : `${name} ${got.pool.color}`);
    },
    { raw: [], stay: '', uploading },
  );
}

function flip(service: Service, to: ServiceEntry): void {
  service.stage(to);
  service.hold(to.generation);
  service.commit(to.generation, true);
}

test('a staged generation moves nothing, a held one lets nobody in, and the commit lets all in, in order', () => {
  const { clock, service } = setUp();
  const into: string[] = [];

  service.stage(at(2, 'green'));
  const staged = claimed(service).pool.color;
  service.hold(2);
  const held = service.claim();
  for (const name of ['a', 'b', 'c']) {
    waiting(service, name, into);
    clock.pass(10);
  }
  const before = [...into];
  const committed = service.commit(2, true);

  expect([staged, held, before]).toEqual(['blue', null, []]);
  expect(into).toEqual(['a green', 'b green', 'c green']);
  expect(committed).toEqual({
    heldMs: 30,
    waited: 3,
    waitedMsMax: 30,
    inflight: { http: 1, sse: 0, upgrade: 0 },
  });
  expect(claimed(service).pool.color).toBe('green');
});

test('a flip that is called off lets everybody in where they were', () => {
  const { service } = setUp();
  const into: string[] = [];

  service.stage(at(2, 'green'));
  service.hold(2);
  waiting(service, 'a', into);
  service.commit(2, false);

  expect(into).toEqual(['a blue']);
  expect(service.stats()).toMatchObject({
    generation: 1,
    live: 'blue',
    staged: null,
    holding: false,
  });
});

test('an order of another flip is not obeyed, and changes nothing', () => {
  const { service } = setUp();
  service.stage(at(3, 'green'));

  const fenced = expect.objectContaining({ code: 'FLIP_FENCED' });
  expect(() => service.hold(2)).toThrow(fenced);
  expect(() => service.commit(3, true)).toThrow(fenced);
  service.hold(3);
  expect(() => service.commit(2, true)).toThrow(fenced);

  expect(service.stats()).toMatchObject({ generation: 1, staged: 3, holding: true });
  service.commit(3, true);
  expect(service.commit(3, true)).toBeNull();
  service.stage(at(2, 'blue'));
  expect(service.stats()).toMatchObject({ generation: 3, live: 'green' });
});

test('what was inside is counted as it ends, and the counts add up at every moment', () => {
  const { clock, service } = setUp();
  const [done, left, stays, socket] = [1, 2, 3, 4].map(() => claimed(service));
  stays?.become('sse');
  socket?.become('upgrade');
  const drained = () => service.stats().pools[0]?.drained;
  const sums: number[] = [];
  const sum = () => {
    const now = drained();
    if (now) sums.push(now.finished + now.clientAborted + now.cut + now.stillOpen);
  };

  flip(service, at(2, 'green'));
  sum();
  done?.release('finished');
  sum();
  left?.release('clientAborted');
  sum();
  const beforeLimit = drained();
  clock.pass(policy.drainMs);
  sum();

  expect(sums).toEqual([4, 4, 4, 4]);
  expect(beforeLimit).toMatchObject({
    finished: 1,
    clientAborted: 1,
    cut: 0,
    stillOpen: 2,
    done: false,
  });
  expect(drained()).toEqual({
    inflight: { http: 2, sse: 1, upgrade: 1 },
    finished: 1,
    clientAborted: 1,
    cut: 1,
    stillOpen: 1,
    done: true,
  });
  expect([stays?.wasCut, socket?.wasCut]).toEqual(['drain', null]);
});

test('a rollback in the middle of a drain calls the drain off', () => {
  const { clock, service } = setUp();
  const slow = claimed(service);

  flip(service, at(2, 'green'));
  clock.pass(1_000);
  flip(service, at(3, 'blue'));
  clock.pass(60_000);

  expect(slow.wasCut).toBeNull();
  expect(service.stats().pools[0]?.drained).toBeNull();
  expect(claimed(service).pool).toBe(slow.pool);
});

test('upstream connections are kept for one stretch of being live, and closed when its drain ends', () => {
  const { service } = setUp();
  const key = Symbol('test');
  const events: string[] = [];
  const make = (name: string) => () => ({
    forget: () => void events.push(`forget ${name}`),
    close: () => void events.push(`close ${name}`),
  });
  const lease = claimed(service);
  lease.pool.upstreams(key, make('first'));
  lease.pool.upstreams(key, make('never made'));

  flip(service, at(2, 'green'));
  const whileInside = [...events];
  lease.release('finished');
  const afterDrain = [...events];
  flip(service, at(3, 'blue'));
  claimed(service).pool.upstreams(key, make('second'));
  service.stage(at(3, 'blue', { pools: { blue: { ...blue, targets: [] }, green } }));

  expect([whileInside, afterDrain, events.slice(1)]).toEqual([
    [],
    ['close first'],
    ['forget second'],
  ]);
});

test('what is inside a candidate stays inside at its flip; tunnels of the pool it displaces are closed', () => {
  const candidate = filled('shop.blue.3');
  const { service, clock } = setUp(at(1, 'blue'));
  const tunnel = claimed(service);
  tunnel.become('upgrade');
  let cut: Cut | null = null;
  tunnel.heldBy({
    cut: (why) => {
      cut = why;
      tunnel.release('finished');
    },
    clientsTurn: () => null,
  });
  service.stage(at(2, 'green'));
  service.hold(2);
  service.commit(2, true);
  service.stage(at(2, 'green', { candidate }));
  const proved = service.pools().find(({ id }) => id === candidate.id);
  const preview = proved?.claim(2, 100);

  service.stage(at(3, 'blue', { pools: { blue: candidate, green } }));
  service.hold(3);
  service.commit(3, true);
  clock.pass(5_000);

  expect(service.live).toBe(proved);
  expect(preview?.wasCut).toBeNull();
  expect(service.live?.inside.http).toBe(1);
  expect(cut).toBe('retired');
  expect(service.pools().map(({ id }) => id)).toEqual([candidate.id, green.id]);
});

test('tunnels outlive drains, and a retired pool closes them one after the other', () => {
  const { clock, service } = setUp();
  const tunnels = Array.from({ length: 30 }, () => claimed(service));
  const closed: number[] = [];
  for (const tunnel of tunnels) {
    tunnel.become('upgrade');
    const cut = (why: Cut): void => {
      expect(why).toBe('retired');
      closed.push(clock.now());
      tunnel.release('finished');
    };
    tunnel.heldBy({ cut, clientsTurn: () => null });
  }

  flip(service, at(2, 'green'));
  clock.pass(60_000);
  const whileWarm = closed.length;
  const since = clock.now();
  service.stage(at(2, 'green', { pools: { blue: null, green } }));
  clock.pass(1_500);
  const half = closed.length;
  clock.pass(1_500);

  expect(whileWarm).toBe(0);
  expect(half).toBeGreaterThan(10);
  expect(half).toBeLessThan(20);
  expect(closed).toHaveLength(30);
  expect((closed.at(-1) ?? 0) - since).toBeLessThanOrEqual(3_000);
  expect(service.stats().pools.map((pool) => pool.id)).toEqual([green.id]);
});

test('options and targets change together, with the flip (kamal-proxy)', () => {
  const { service } = setUp();
  service.stage(at(2, 'green', { policy: { ...policy, bodyBytesMax: 99 } }));
  service.hold(2);
  const before = service.policy.bodyBytesMax;

  service.commit(2, true);

  expect([before, service.policy.bodyBytesMax]).toEqual([1, 99]);
});

test('paused with a page, a service turns away who comes and who waits, and resumed it serves', () => {
  const { service } = setUp(at(1, 'blue', { paused: true }));
  const into: string[] = [];

  waiting(service, 'a', into);
  service.stage(at(1, 'blue', { paused: true, pausePage: true }));
  waiting(service, 'b', into);
  service.stage(at(1, 'blue'));

  expect(into).toEqual(['a SERVICE_PAUSED', 'b SERVICE_PAUSED']);
  expect(claimed(service).pool.color).toBe('blue');
});

test("the queue has a number and a time, and a place that is given back is nobody else's loss", () => {
  const { clock, service } = setUp(at(1, 'blue', { paused: true }));
  const into: string[] = [];

  waiting(service, 'a', into);
  const leaves = waiting(service, 'b', into);
  waiting(service, 'c', into);
  waiting(service, 'd', into);
  leaves();
  clock.pass(999);
  waiting(service, 'e', into);
  clock.pass(1);
  service.stage(at(1, 'blue'));

  expect(into).toEqual(['d QUEUE_FULL', 'a QUEUE_TIMEOUT', 'c QUEUE_TIMEOUT', 'e blue']);
  expect(service.stats()).toMatchObject({ waiting: 0, held: 4 });
});

test('when every place is taken, requests wait in order, and one that comes later does not overtake', () => {
  const one = { ...policy, connectionsPerTargetMax: 1 };
  const { service } = setUp(at(1, 'blue', { policy: one }));
  const into: string[] = [];
  const first = claimed(service);

  waiting(service, 'a', into);
  waiting(service, 'b', into);
  const overtaking = service.claim();
  first.release('finished');

  expect(overtaking).toBeNull();
  expect(into).toEqual(['a blue']);
});

test('uploads hold half of the places and of the queue: who has sent all goes by, they wait in order', () => {
  const four = { ...policy, connectionsPerTargetMax: 4, queueMax: 4 };
  const { clock, service } = setUp(at(1, 'blue', { policy: four }));
  const into: string[] = [];
  const slow = [service.claim(undefined, '', true), service.claim(undefined, '', true)];

  for (const name of ['a', 'b', 'c']) waiting(service, name, into, true);
  clock.pass(1);
  const beside = [service.claim(), service.claim()];
  const third = service.claim();
  waiting(service, 'whole', into);
  slow[0]?.uploaded();
  const whileFull = [...into];
  beside[0]?.release('finished');
  beside[1]?.release('finished');
  slow[1]?.release('clientAborted');

  expect([...slow, ...beside]).not.toContain(null);
  expect(third).toBeNull();
  expect(whileFull).toEqual(['c QUEUE_FULL']);
  expect(into).toEqual(['c QUEUE_FULL', 'a blue', 'whole blue', 'b blue']);
});

test('five thousand requests at one instant are all served in the end, as the config is by default', () => {
  const config = parseConfig('state: s\nservices: { shop: { run: { static: {} } } }\n', 'p.yaml');
  const byDefault = config.services[0]?.policy ?? policy;
  const { service } = setUp(at(1, 'blue', { policy: byDefault }));
  const got: (Lease | Fault)[] = [];

  for (let asked = 0; asked < 5_000; asked++) {
    const lease = service.claim();
    if (lease === null) service.wait((taken) => got.push(taken));
    else got.push(lease);
  }
  for (const one of got) if (!(one instanceof Fault)) one.release('finished');

  expect(got).toHaveLength(5_000);
  expect(got.filter((one) => one instanceof Fault)).toEqual([]);
});

test('what waits is bounded by its memory, of all services of a worker together', () => {
  const clock = fakeClock();
  const bytes = new WaitingBytes();
  const held = (name: string): Service =>
    new Service(
      at(1, 'blue', { name, paused: true, policy: { ...policy, queueMax: 10 } }),
      clock,
      bytes,
    );
  const [one, other] = [held('one'), held('other')];
  const raw = ['cookie', 'x'.repeat(waitingBytesMax / 4 - 8 * 1024)];
  const got: string[] = [];
  const wait = (service: Service, of = raw): (() => void) =>
    service.wait((taken) => got.push(taken instanceof Fault ? taken.code : 'in'), {
      raw: of,
      stay: '',
      uploading: false,
    });

  const leave = [wait(one), wait(other), wait(one), wait(other)];
  expect(bytes.held).toBeGreaterThan(waitingBytesMax * 0.9);
  wait(one);
  expect(got).toEqual(['QUEUE_FULL']);
  // Whoever leaves, twice even, makes room for one.
  leave[0]?.();
  leave[0]?.();
  wait(other);
  wait(one);
  expect(got).toEqual(['QUEUE_FULL', 'QUEUE_FULL']);
  one.close('retired', 1_000);
  clock.pass(policy.queueMs);

  expect(got.slice(2)).toEqual([
    'SHUTTING_DOWN',
    'QUEUE_TIMEOUT',
    'QUEUE_TIMEOUT',
    'QUEUE_TIMEOUT',
  ]);
  expect(bytes.held).toBe(0);
});

test('bodies that have come whole make room for other uploads, and are counted once', () => {
  const four = { ...policy, connectionsPerTargetMax: 4 };
  const { service } = setUp(at(1, 'blue', { policy: four }));
  const first = service.claim(undefined, '', true);
  const second = service.claim(undefined, '', true);

  first?.uploaded();
  first?.uploaded();
  first?.release('finished');
  const third = service.claim(undefined, '', true);
  const fourth = service.claim(undefined, '', true);

  expect([second, third]).not.toContain(null);
  expect(fourth).toBeNull();
});

test.each(['sse', 'upgrade'] as const)(
  '%s takes no place: requests go on beside it, and it lets one in that waits',
  (kind) => {
    const one = { ...policy, connectionsPerTargetMax: 1 };
    const { service } = setUp(at(1, 'blue', { policy: one }));
    const into: string[] = [];
    const lasting = claimed(service);
    waiting(service, 'a', into);

    lasting.become(kind);
    waiting(service, 'b', into);
    lasting.release('finished');

    // One place, which a has: what never took one gives none back.
    expect(into).toEqual(['a blue']);
    expect(service.claim()).toBeNull();
  },
);

test('a service without a release says so at once', () => {
  const { service } = setUp(at(0, 'blue', { pools: { blue: null, green: null } }));
  const into: string[] = [];

  expect(service.claim()).toBeNull();
  waiting(service, 'a', into);

  expect(into).toEqual(['a POOL_EMPTY']);
});

test('a service that goes away answers who waits, drains, and closes its tunnels', () => {
  const { clock, service } = setUp(at(1, 'blue', { paused: false }));
  const into: string[] = [];
  const inside = claimed(service);
  const tunnel = claimed(service);
  tunnel.become('upgrade');
  tunnel.heldBy({ cut: () => tunnel.release('finished'), clientsTurn: () => null });
  service.stage(at(1, 'blue', { paused: true }));
  waiting(service, 'a', into);

  service.close('shutdown', 1_000);
  clock.pass(500);
  const early = [inside.wasCut, tunnel.wasCut];
  clock.pass(500);

  expect(into).toEqual(['a SHUTTING_DOWN']);
  expect(early).toEqual([null, 'shutdown']);
  expect([inside.wasCut, service.idle]).toEqual(['drain', true]);
});
