/**
 * gRPC, seen from outside: a real Pointsman by TLS, targets that speak nothing but HTTP/2, and flips
 * to and fro among calls of all four kinds.
 *
 * The rule this file keeps: its clients never try again, so any call that a flip touched is seen.
 */
import { expect, test } from 'vitest';
import { long } from '../support/form.ts';
import { ShopClient, startGrpc, status } from '../support/grpc.ts';
import { startHttps } from '../support/https.ts';

test('one message and three kinds of streams pass through flips, and none of them fails', async () => {
  const origins = [await startGrpc('alder'), await startGrpc('birch')];
  const targets = (at: number) => [`127.0.0.1:${origins[at % 2]?.port}`];
  const { pointsman, where } = await startHttps({
    workers: 2,
    tls: { http2: true },
    service: { protocol: 'h2', health: { grpc: 'test.Shop' } },
    first: { release: 'r0', targets: targets(0) },
  });
  const first = await pointsman.deploy('r1', { targets: targets(1) });
  expect((await pointsman.flipped(first.json.id)).error).toBeNull();
  const failed: unknown[] = [];
  let stopped = false;
  let answered = 0;
  const load = Array.from({ length: 4 }, async () => {
    const client = new ShopClient(where);
    while (!stopped) {
      const all = await Promise.all([
        client.say('x'),
        client.count(4),
        client.join(['a', 'b', 'c']),
        client.talk(['a', 'b', 'c']),
      ]);
      for (const got of all) {
        const right = 'code' in got ? got.code === status.OK : got.length >= 3;
        if (right) answered++;
        else failed.push(got);
      }
    }
  });

  for (let flips = 0; flips < (long ? 50 : 8); ) {
    const before = answered;
    const { status: said, json } = await pointsman.rollback(`r${flips % 2}`);
    if (said === 200) flips++;
    // On a machine that stands still a flip is undone, or the warm pool not seen healthy in time.
    else expect(['HOLD_TIMEOUT', 'ROLLBACK_NOT_READY']).toContain(json.code);
    while (answered < before + 16) await new Promise((resolve) => setImmediate(resolve));
  }
  stopped = true;
  await Promise.all(load);

  expect(failed).toEqual([]);
});
