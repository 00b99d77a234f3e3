/** Who counts as slow: by a clock of our own, so that an upload of five minutes takes none. */
import { expect, test } from 'vitest';
import type { ClientsTurn, Cut, Lease } from '../../src/proxy/balancing/lease.ts';
import { Service } from '../../src/proxy/service.ts';
import { fakeClock } from '../support/clock.ts';
import { oneService, policy as plain } from '../support/proxy.ts';

const policy = { ...plain, idleMs: 60_000, bytesPerSecondMin: 240, connectionsPerTargetMax: 8 };

function setUp() {
  const clock = fakeClock();
  const [entry] = oneService(1, policy).services;
  if (entry === undefined) throw new Error('there is no service');
  const service = new Service(entry, clock);
  /** A request inside that waits for its client, as `turn` says. */
  const hold = (turn: () => ClientsTurn | null): { lease: Lease; cut: () => Cut | null } => {
    const lease = service.claim();
    if (lease === null) throw new Error('nothing could be claimed');
    lease.heldBy({ cut: () => {}, clientsTurn: turn });
    return { lease, cut: () => lease.wasCut };
  };
  return { clock, service, hold };
}

function from(client: string): ClientsTurn['exchange'] {
  return { clientKey: () => client };
}

test('uploads of five minutes pass, be they steady or in bursts; one that trickles or stops does not', () => {
  const { clock, hold } = setUp();
  const bytes = { steady: 0, bursts: 0, trickles: 0, stopped: 500_000 };
  const leases = Object.entries(bytes).map(([name]) =>
    hold(() => ({
      to: 'send',
      bytes: bytes[name as keyof typeof bytes],
      exchange: from(name),
    })),
  );
  const cutAt = leases.map(() => 0);
  for (let second = 1; second <= 300; second++) {
    bytes.steady += 300;
    if (second % 45 === 0) bytes.bursts += 20_000;
    if (second % 2 === 0) bytes.trickles += 1;
    clock.pass(1_000);
    for (const [at, lease] of leases.entries()) {
      if (lease.cut() !== null && cutAt[at] === 0) cutAt[at] = second;
    }
  }

  expect(leases.map((lease) => lease.cut())).toEqual([null, null, 'slow', 'slow']);
  for (const second of cutAt.slice(2)) expect(second).toBeGreaterThan(59);
  for (const second of cutAt.slice(2)) expect(second).toBeLessThan(70);
});

test('nobody is slow for whom nothing waits, for whom the target is slow, or in a tunnel', () => {
  const { clock, hold } = setUp();
  const idle = hold(() => null);
  const tunnel = hold(() => ({ to: 'take', bytes: 0, exchange: from('a') }));
  tunnel.lease.become('upgrade');
  const stream = hold(() => null);
  stream.lease.become('sse');

  clock.pass(3_600_000);

  expect([idle, tunnel, stream].map((one) => one.cut())).toEqual([null, null, null]);
});

test('an address keeps every slow place while nobody waits, and its share where somebody does', () => {
  const { clock, service, hold } = setUp();
  const slow = (client: string) => hold(() => ({ to: 'take', bytes: 0, exchange: from(client) }));
  const one = Array.from({ length: 5 }, () => slow('one'));
  const other = Array.from({ length: 2 }, () => slow('other'));
  let sent = 0;
  const quick = hold(() => ({ to: 'take', bytes: sent, exchange: from('one') }));
  const cuts = (of: typeof one) => of.map((each) => each.cut()).filter((why) => why !== null);

  const tick = (): void => {
    for (let second = 0; second < 20; second++) {
      sent += 100_000;
      clock.pass(1_000);
    }
  };
  tick();
  const alone = cuts([...one, ...other, quick]);
  const got: boolean[] = [];
  service.wait(() => got.push(true));
  clock.pass(2_000);

  expect(alone).toEqual([]);
  expect(cuts(one)).toEqual(['crowding', 'crowding', 'crowding']);
  expect(cuts([...other, quick])).toEqual([]);
  expect(got).toEqual([true]);
});

test('while nothing is inside nothing ticks', () => {
  const { clock, hold } = setUp();
  const { lease } = hold(() => null);
  const ticking = clock.pending;
  lease.release('finished');

  clock.pass(10_000);

  expect([ticking, clock.pending]).toEqual([1, 0]);
});
