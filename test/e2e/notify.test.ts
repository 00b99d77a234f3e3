/**
 * Others are told of what happens: by a real Pointsman, whose receiver is down meanwhile, and which
 * is killed before it could tell.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startReceiver } from '../support/receiver.ts';
import { freePort, preparePointsman, startReleases, until } from '../support/whole.ts';

const secret = 'whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cyBhbG9uZQ==';

test('a receiver that is down, and kill -9 of everything between: each event arrives, once, in order', async () => {
  const { alder = '', birch = '' } = await startReleases(['alder', 'birch']);
  const port = await freePort();
  const pointsman = await preparePointsman({
    workers: 1,
    run: { static: {} },
    first: { release: 'v1', targets: [alder] },
    service: { deploy: { timeout: '1s' } },
    top: {
      notify: [
        { url: `http://127.0.0.1:${port}/T0/hidden`, private: true, secretFile: 'notify.secret' },
        { url: `http://127.0.0.1:${port}/failures`, private: true, on: ['failure'] },
        { url: `http://localhost:${port}/never` },
      ],
    },
  });
  writeFileSync(join(pointsman.dir, 'notify.secret'), secret, { mode: 0o600 });
  await pointsman.start();
  const deployed = async (release: string, target: string): Promise<void> => {
    const { json } = await pointsman.deploy(release, { targets: [target] });
    await pointsman.flipped(json.id);
  };

  await deployed('v2', birch);
  expect((await pointsman.rollback('v1')).status).toBe(200);
  await deployed('v3', '127.0.0.1:1');
  await pointsman.crash();
  const receiver = await startReceiver(port);
  await pointsman.start();
  const at = (path: string): readonly { readonly id: string; readonly text: string }[] =>
    receiver.told.filter((one) => one.path === path).map(({ body }) => JSON.parse(body));
  await until('all have arrived', () => at('/T0/hidden').length >= 4);
  await deployed('v4', birch);
  await until('it is told of v4', () => at('/T0/hidden').length >= 5);
  await until('all has left', async () => {
    const { text } = await pointsman.call('GET', '/metrics');
    return !/^pointsman_notifications_pending\{.*\} [1-9]/m.test(text);
  });

  expect(at('/T0/hidden').map(({ text }) => text)).toEqual([
    expect.stringMatching(/^shop: v1 is live, by /),
    expect.stringMatching(/^shop: v2 is live \(before: v1\), by /),
    expect.stringMatching(/^shop: back to v1 \(before: v2\), by /),
    expect.stringMatching(/^shop: the deployment of v3 failed: /),
    expect.stringMatching(/^shop: v4 is live \(before: v1\), by /),
  ]);
  expect(new Set(at('/T0/hidden').map(({ id }) => id)).size).toBe(5);
  expect(at('/failures')).toHaveLength(1);
  expect(at('/never')).toEqual([]);
  expect(receiver.told[0]?.headers['webhook-signature']).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
  expect(pointsman.output).toContain('private: true');
  const { text } = await pointsman.call('GET', '/metrics');
  for (const shown of [pointsman.output, text]) {
    expect(shown).not.toContain('hidden');
    expect(shown).not.toContain(secret.slice(6));
  }
  const kept = join(pointsman.stateDir, 'notify');
  for (const file of readdirSync(kept)) {
    expect(statSync(join(kept, file)).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(kept, file), 'utf8')).not.toContain(secret.slice(6));
  }
  expect((await pointsman.stop()).code).toBe(0);
});

test('a secret that is too short or missing is refused by the start, in words', async () => {
  const pointsman = await preparePointsman({
    workers: 0,
    run: { static: {} },
    first: { release: 'v1', targets: ['127.0.0.1:1'] },
    top: { notify: [{ url: 'https://a.example/', secretFile: 'short' }] },
  });
  for (const [text, said] of [
    [null, /notify: .*short cannot be read \(ENOENT\)/],
    ['short', /wanted a secret of at least 16 bytes, got 5/],
  ] as const) {
    if (text !== null) writeFileSync(join(pointsman.dir, 'short'), text);
    pointsman.launch();
    const { code, output } = await pointsman.ended;
    expect(code).toBe(3);
    expect(output).toMatch(said);
  }
});
