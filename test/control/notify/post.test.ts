/** One notification and one receiver: what it is sent, and what each of its answers means. */
import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Notification } from '../../../src/control/notify/notification.ts';
import { post, type Receiver } from '../../../src/control/notify/post.ts';
import { isPublic } from '../../../src/control/notify/publicAddress.ts';
import { fakeClock, settled } from '../../support/clock.ts';
import { startReceiver } from '../../support/receiver.ts';

const notification: Notification = {
  id: 'shop-7.flip',
  at: '2026-01-01T00:00:00.000Z',
  kind: 'flip',
  service: 'shop',
  text: 'shop: v2 is live (before: v1), by anna: a <quick> fix & more',
  deployment: 'shop-7',
  from: 'v1',
  to: 'v2',
  generation: 8,
  by: 'anna',
  why: 'a <quick> fix & more',
  error: null,
};

function sender(clock = fakeClock()): Parameters<typeof post>[2] {
  return { clock, version: '1', signal: new AbortController().signal };
}

function at(port: number, change: Partial<Receiver> = {}): Receiver {
  const url = `http://127.0.0.1:${port}/hooks/secret`;
  return { url, format: 'json', secret: null, private: true, ...change };
}

test('it is sent whole, with its id, and signed so that the receiver can check it', async () => {
  const receiver = await startReceiver();
  const secret = Buffer.from('a key of the two of us');

  const outcome = await post(at(receiver.port, { secret }), notification, sender());

  expect(outcome).toEqual({ kind: 'taken' });
  const [{ path, headers, body } = { path: '', headers: {}, body: '' }] = receiver.told;
  expect(path).toBe('/hooks/secret');
  expect(JSON.parse(body)).toEqual(notification);
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'webhook-id': 'shop-7.flip',
    'webhook-timestamp': String(Date.UTC(2026, 0, 1) / 1000),
  });
  const signed = `shop-7.flip.${headers['webhook-timestamp']}.${body}`;
  const mac = createHmac('sha256', secret).update(signed).digest('base64');
  expect(headers['webhook-signature']).toBe(`v1,${mac}`);
});

test('Slack gets the sentence, with what would be markup there as text', async () => {
  const receiver = await startReceiver();

  await post(at(receiver.port, { format: 'slack' }), notification, sender());

  expect(JSON.parse(receiver.told[0]?.body ?? '')).toEqual({
    text: 'shop: v2 is live (before: v1), by anna: a &lt;quick&gt; fix &amp; more',
  });
});

test.each([
  [200, 'taken'],
  [302, 'refused'],
  [404, 'refused'],
  [408, 'again'],
  [410, 'refused'],
  [425, 'again'],
  [429, 'again'],
  [500, 'again'],
  [503, 'again'],
])('an answer of %i: %s, and no redirect is followed', async (status, kind) => {
  const receiver = await startReceiver();
  receiver.status = status;

  expect(await post(at(receiver.port), notification, sender())).toMatchObject({ kind });
  expect(receiver.told).toHaveLength(1);
});

test('one that does not answer, or is not there, is asked again', async () => {
  const clock = fakeClock();
  const receiver = await startReceiver();
  receiver.status = null;
  const silent = post(at(receiver.port), notification, sender(clock));
  await expect.poll(() => receiver.told.length).toBe(1);
  clock.pass(10_000);

  expect(await silent).toEqual({ kind: 'again', why: 'no answer within 10 s' });
  await receiver.close();
  expect(await post(at(receiver.port), notification, sender())).toMatchObject({ kind: 'again' });
  await settled();
  expect(clock.pending).toBe(0);
});

test.each(['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0'])(
  'a receiver at %s is refused unless the config allows it, and gets nothing',
  async (host) => {
    const receiver = await startReceiver();
    const url = `http://${host}:${receiver.port}/`;

    const outcome = await post(at(receiver.port, { url, private: false }), notification, sender());

    expect(outcome).toMatchObject({ kind: 'refused' });
    expect(outcome).toMatchObject({ why: expect.stringContaining('private: true') });
    expect(receiver.told).toEqual([]);
  },
);

test('which addresses are public', () => {
  const of = (...addresses: readonly string[]): readonly string[] => addresses.filter(isPublic);

  expect(of('1.1.1.1', '172.15.0.1', '172.32.0.1', '192.167.0.1', '2606:4700::1111')).toHaveLength(
    5,
  );
  expect(
    of(
      ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.9.9.9', '169.254.169.254', '172.16.0.1'],
      ...['192.168.1.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '::', '::1'],
      ...['fe80::1', 'fd00:ec2::254', 'fc00::1', 'ff02::1', '::ffff:10.0.0.1', 'no address'],
    ),
  ).toEqual([]);
});
