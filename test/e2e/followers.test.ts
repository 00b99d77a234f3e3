/** Many who follow the events of one Pointsman while it releases: nobody holds up the release. */
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { streamsMax } from '../../src/control/admin/streams.ts';
import { startPointsman, startReleases, until } from '../support/whole.ts';

const followers = 2_000;
/** They come in groups: a backlog is 511 connections long. */
const atOnce = 200;

test.each([0, 1])(
  `${followers} ask to follow while one deploys, workers: %i: those who may hear of each phase, and it flips`,
  async (workers) => {
    const { alder = '', birch = '' } = await startReleases(['alder', 'birch']);
    const pointsman = await startPointsman({
      workers,
      run: { static: {} },
      first: { release: 'v1', targets: [alder] },
    });
    const heard: (() => string)[] = [];
    while (heard.length < followers) {
      heard.push(
        ...(await Promise.all(Array.from({ length: atOnce }, () => follow(pointsman.adminPort)))),
      );
    }
    const follows = heard.filter((text) => text().startsWith('HTTP/1.1 200 '));
    const refused = heard.filter((text) => text().startsWith('HTTP/1.1 429 '));
    expect([follows.length, refused.length]).toEqual([streamsMax, followers - streamsMax]);

    const { json } = await pointsman.deploy('v2', { targets: [birch] });
    expect(await pointsman.flipped(json.id)).toMatchObject({ error: null });

    for (const text of follows) {
      await until('each has heard of the flip', () => /"phase":"(draining|live)"/.test(text()));
    }
    expect((await pointsman.rollback('v1')).status).toBe(200);
    expect((await pointsman.stop()).code).toBe(0);
  },
);

/** @returns what came so far, once the head of the answer did. */
function follow(port: number): Promise<() => string> {
  const socket = net.connect({ port, host: '127.0.0.1' }).setEncoding('utf8');
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.write('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`closed after ${JSON.stringify(text)}`)));
    socket.on('data', (data: string) => {
      text += data;
      if (text.includes('\r\n\r\n')) resolve(() => text);
    });
  });
}
