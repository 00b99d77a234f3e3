/**
 * Warming up, against real targets. The rule: each of them is asked until it is quick, or for its
 * time; it fails nothing, and the figures say what it did.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/clock.ts';
import type { WarmUpHook } from '../../../src/config/hook.ts';
import { warmUpGate } from '../../../src/control/gates/warmUpGate.ts';
import { subjectAt } from '../../support/fakeGates.ts';
import { systemTls } from '../../support/targetTls.ts';

const hook: WarmUpHook = {
  kind: 'warmUp',
  paths: ['/', '/products'],
  requests: 10,
  p95Ms: null,
  host: null,
  tls: systemTls,
  timeoutMs: 60_000,
};
const never = new AbortController().signal;

/** Time passes by what targets say that it does. */
function toldClock(): { readonly clock: Clock; pass(ms: number): void } {
  let now = 0;
  return {
    // No answer is late by the clock on the wall.
    clock: { ...systemClock, now: () => now, after: () => () => {} },
    pass: (ms) => {
      now += ms;
    },
  };
}

/** @param ask is told of each request, and says the status of its answer; null: none comes. */
async function target(ask: (req: IncomingMessage) => number | null): Promise<number> {
  const server = createServer((req, res) => {
    const status = ask(req);
    if (status !== null) res.writeHead(status).end('fine');
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

test('every target is asked for every path so often, and no more', async () => {
  const seen: string[] = [];
  const ports = await Promise.all(
    ['a', 'b'].map((name) => target(({ url }) => seen.push(`${name} ${url}`) && 200)),
  );

  const verdict = await warmUpGate(hook, systemClock, 'v').check(
    subjectAt(...ports),
    never,
    () => {},
  );

  const counts = new Map<string, number>();
  for (const one of seen) counts.set(one, (counts.get(one) ?? 0) + 1);
  expect(Object.fromEntries(counts)).toEqual({
    'a /': 10,
    'a /products': 10,
    'b /': 10,
    'b /products': 10,
  });
  expect(verdict).toEqual({
    passed: true,
    result: expect.stringMatching(/^40 requests to 2 targets in [\d.]+ s; p95 [\d.]+ ms$/),
  });
});

test('with a limit rounds are made until the answers of one keep it, and both figures are told', async () => {
  const { clock, pass } = toldClock();
  let asked = 0;
  const port = await target(() => {
    // Slow 45 times, which is into the third round.
    pass(++asked <= 45 ? 100 : 2);
    return 200;
  });

  const { passed, result } = await warmUpGate({ ...hook, p95Ms: 5 }, clock, 'v').check(
    subjectAt(port),
    never,
    () => {},
  );

  expect(asked).toBe(80);
  expect([passed, result]).toEqual([
    true,
    '80 requests to 1 target in 4.6 s; p95 100 ms, then 2.0 ms',
  ]);
});

test('its time ends it, and it goes on all the same, saying what was wanted', async () => {
  const { clock, pass } = toldClock();
  const port = await target(() => {
    pass(100);
    return 503;
  });

  const { passed, result } = await warmUpGate(
    { ...hook, p95Ms: 5, timeoutMs: 2_500 },
    clock,
    'v',
  ).check(subjectAt(port), never, () => {});

  expect(passed).toBe(true);
  expect(result).toBe(
    '25 requests to 1 target in 2.5 s; p95 100 ms, then 100 ms; 25 failed; 5.0 ms were wanted within 2.5 s',
  );
});

test('one that is given up has not passed, and asks nobody any more', async () => {
  const giveUp = new AbortController();
  let asked = 0;
  const port = await target(() => {
    if (++asked === 5) giveUp.abort();
    return 200;
  });

  const verdict = await warmUpGate(hook, systemClock, 'v').check(
    subjectAt(port),
    giveUp.signal,
    () => {},
  );

  expect(verdict.passed).toBe(false);
  expect(asked).toBe(5);
});

test('a target that is gone counts as failed, and holds up nothing', async () => {
  const port = await target(() => 200);

  const { passed, result } = await warmUpGate({ ...hook, requests: 2 }, systemClock, 'v').check(
    subjectAt(port, 1),
    never,
    () => {},
  );

  expect(passed).toBe(true);
  expect(result).toContain('8 requests to 2 targets');
  expect(result).toContain('4 failed');
});
