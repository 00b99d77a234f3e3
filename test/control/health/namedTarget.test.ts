/** Targets that are names, as probes see them: one works where one of its addresses does. */
import { expect, test } from 'vitest';
import type { Health } from '../../../src/config/config.ts';
import { Prober } from '../../../src/control/health/prober.ts';
import type { Known } from '../../../src/control/names/names.ts';
import { fakeClock } from '../../support/clock.ts';
import { systemTls } from '../../support/targetTls.ts';

const health: Health = {
  path: '/up',
  host: null,
  port: null,
  intervalMs: 2_000,
  timeoutMs: 2_000,
  rise: 2,
  fall: 3,
  status: { from: 200, to: 299 },
  tls: systemTls,
};
const pool = { poolId: 'shop.blue.1', service: 'shop', color: 'blue' as const };
const target = {
  id: 'app.test:3000',
  host: 'app.test',
  port: 3000,
  state: 'running' as const,
  detail: '',
};

function probing(addresses: readonly string[]) {
  const clock = fakeClock();
  const known: { now: Known } = { now: { addresses, problem: null, since: null } };
  const dead = new Set<string>();
  const refused = new Set<string>();
  const asked: string[] = [];
  let moves = 0;
  const prober = new Prober(
    clock,
    () => 0.5,
    async ({ address = '' }) => {
      asked.push(address);
      const passed = !dead.has(address);
      const error = passed ? null : `connection refused: nothing listens on ${address}`;
      return { at: '', ms: 1, passed, status: passed ? 200 : null, error, body: null };
    },
    {
      names: { use: () => {}, of: () => known.now, settled: async () => {} },
      refusal: (_service, _target, address) => (refused.has(address) ? 'wanted another' : null),
      moved: () => void moves++,
    },
    { changed: () => {}, probed: () => {} },
  );
  prober.watch(pool, health, false, () => false);
  prober.targets(pool.poolId, [target]);
  const view = () => {
    const [one] = prober.view(pool.poolId);
    return { healthy: one?.healthy, used: one?.named?.used, error: one?.last?.error ?? null };
  };
  const status = () => prober.view(pool.poolId)[0]?.named?.status();
  const become = (now: Partial<Known>) => {
    known.now = { ...known.now, ...now };
    prober.renamed('app.test');
  };
  return { clock, dead, refused, asked, view, status, become, moved: () => moves };
}

test('all addresses are asked; one that fails three times is left out while another works, and comes back at once', async () => {
  const { clock, dead, asked, view, status, moved } = probing(['10.0.0.1', '10.0.0.2']);
  await clock.passAsync(4_000);
  expect(view()).toEqual({ healthy: true, used: ['10.0.0.1', '10.0.0.2'], error: null });
  expect(new Set(asked)).toEqual(new Set(['10.0.0.1', '10.0.0.2']));

  dead.add('10.0.0.2');
  const before = moved();
  await clock.passAsync(6_000);
  expect(view()).toEqual({ healthy: true, used: ['10.0.0.1'], error: null });
  expect(moved()).toBe(before + 1);
  expect(status()).toContainEqual({
    address: '10.0.0.2',
    used: false,
    error: 'connection refused: nothing listens on 10.0.0.2',
  });

  dead.add('10.0.0.1');
  await clock.passAsync(6_000);
  expect(view()).toMatchObject({
    healthy: false,
    used: ['10.0.0.1', '10.0.0.2'],
    error: 'connection refused: nothing listens on 10.0.0.1; its other address fails too',
  });

  dead.clear();
  await clock.passAsync(2_000);
  expect(view()).toMatchObject({ used: ['10.0.0.1', '10.0.0.2'] });
});

test('an address that never passed is left out at its first failure: an application listens on one family', async () => {
  const { clock, dead, view } = probing(['127.0.0.1', '::1']);
  dead.add('127.0.0.1');
  await clock.passAsync(2_000);
  expect(view().used).toEqual(['::1']);

  dead.delete('127.0.0.1');
  dead.add('::1');
  await clock.passAsync(2_000);
  expect(view().used).toEqual(['127.0.0.1', '::1']);
});

test('a name that moves is gone to at once, stays as healthy as it was, and is asked at once', async () => {
  const { clock, asked, view, become, moved } = probing(['10.0.0.1']);
  await clock.passAsync(4_000);
  asked.length = 0;
  const before = moved();

  become({ addresses: ['10.0.0.9'] });

  expect(view()).toMatchObject({ healthy: true, used: ['10.0.0.9'] });
  expect(moved()).toBe(before + 1);
  await clock.passAsync(0);
  expect(asked).toEqual(['10.0.0.9']);
});

test('an address that no target may have is not gone to by a name either, however late it comes', async () => {
  const { clock, refused, asked, view, status, become } = probing(['10.0.0.1']);
  await clock.passAsync(4_000);
  refused.add('169.254.169.254');
  become({ addresses: ['10.0.0.1', '169.254.169.254'] });
  asked.length = 0;
  await clock.passAsync(2_000);
  expect([view().used, new Set(asked)]).toEqual([['10.0.0.1'], new Set(['10.0.0.1'])]);
  expect(status()).toContainEqual({
    address: '169.254.169.254',
    used: false,
    error: 'wanted another',
  });

  become({ addresses: ['169.254.169.254'] });
  expect(view().used).toEqual([]);
  await clock.passAsync(6_000);
  expect(view()).toMatchObject({
    healthy: false,
    error: 'app.test:3000 leads nowhere: it stands for 169.254.169.254: wanted another',
  });
});

test('a name that nobody can resolve says so in the words of its probe', async () => {
  const { clock, view, become } = probing([]);
  become({ addresses: null, problem: 'there is no such name as app.test', since: '2026-01-01' });
  await clock.passAsync(2_000);

  expect(view()).toEqual({
    healthy: false,
    used: [],
    error: 'app.test:3000 leads nowhere: there is no such name as app.test',
  });
});
