/** The client of the admin API by itself. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Client } from '../../src/cli/client.ts';
import { systemClock } from '../../src/clock.ts';
import { serveAdmin } from '../support/admin.ts';

test('a stream that is opened and not yet read outlives the garbage collector', async () => {
  const served = await serveAdmin();
  const stop = new AbortController();
  const client = new Client({
    url: served.url,
    token: null,
    clock: systemClock,
    stop: stop.signal,
    raw: false,
  });
  const stream = await client.open({ after: null, follow: true });
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;

  for (let i = 0; i < 20; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  served.control.events.emit({ type: 'service', service: 'shop', what: 'heard' });

  expect((await stream.events.next()).value).toMatchObject({ what: 'heard' });
  stream.end();
  await served.close();
});
