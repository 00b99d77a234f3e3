/** A log pipe that nobody reads: traffic goes on, and what was lost is counted. */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { openLog } from '../../../src/log.ts';
import { createGeneralLane } from '../../../src/proxy/general/lane.ts';
import { Plane } from '../../../src/proxy/plane.ts';
import { ask, keepAlive } from '../../support/client.ts';
import { oneService, startOrigin } from '../../support/proxy.ts';

/** A pipe with both ends in this process; its buffer is 64 KiB, as everywhere. */
function pipe(): number {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-log-'));
  const path = join(folder, 'pipe');
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  const write = openSync(path, constants.O_RDWR);
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  onTestFinished(async () => {
    // Whoever waits to write is let go, or the process could not end.
    for (let empty = 0; empty < 20; ) {
      try {
        readSync(read, Buffer.alloc(1 << 16));
      } catch {
        empty++;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    closeSync(read);
    rmSync(folder, { recursive: true });
  });
  return write;
}

test('a log pipe nobody reads costs the traffic nothing, and the lines that are lost are counted', async () => {
  const sink = openLog('worker-1', pipe());
  const plane = new Plane({ clock: systemClock, worker: 1, sink });
  const origin = await startOrigin((_req, res) => res.end('ok'));
  const edge = {
    trustedProxies: [],
    proxyProtocol: [],
    accessLog: 'all',
    lanes: 'general',
    tls: null,
  } as const;
  plane.stage({ version: 1, edge, services: oneService(origin.port).services });
  const { server } = createGeneralLane(plane);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const agent = keepAlive(1);

  // As much as the log keeps for a reader that is behind, and more.
  for (let line = 0; line < 9_000; line++) sink.line({ filler: 'x'.repeat(512) });
  const statuses = new Set<number>();
  for (let sent = 0; sent < 200; sent++) statuses.add((await ask(port, { agent })).status);

  expect([...statuses]).toEqual([200]);
  expect(plane.stats().logLinesDropped).toBeGreaterThan(0);
});
