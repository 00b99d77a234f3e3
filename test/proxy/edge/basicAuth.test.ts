/** Names and passwords: known at once where they were seen, found out slowly and by few where not. */
import { expect, test, vi } from 'vitest';
import { BasicAuth } from '../../../src/proxy/edge/basicAuth.ts';
import { passwordHash } from '../../support/proxy.ts';

/** What takes time, or must not depend on what is compared: in turn, with its cost. */
const work: string[] = [];
vi.mock('node:crypto', async (original) => {
  const crypto = await original<typeof import('node:crypto')>();
  const scrypt = (...all: Parameters<typeof crypto.scrypt>) => {
    work.push(`scrypt ${JSON.stringify(all[3])}`);
    crypto.scrypt(...all);
  };
  const timingSafeEqual: typeof crypto.timingSafeEqual = (one, other) => {
    work.push(`compared in constant time, ${one.byteLength} bytes`);
    return crypto.timingSafeEqual(one, other);
  };
  return { ...crypto, scrypt, timingSafeEqual };
});

const hash = passwordHash('open sesame');

const made = () => new BasicAuth({ realm: 'shop', users: [{ name: 'ali', hash }] });

const header = (text: string) => ['Authorization', `Basic ${Buffer.from(text).toString('base64')}`];

test('what was found right or wrong is known at once from then on', async () => {
  const auth = made();

  const before = [auth.look(header('ali:open sesame')), auth.look(header('ali:x'))];
  const found = [
    await auth.find(header('ali:open sesame'), '192.0.2.1'),
    await auth.find(header('ali:x'), '192.0.2.1'),
    await auth.find(header('baba:open sesame'), '192.0.2.1'),
  ];

  expect(before).toEqual([undefined, undefined]);
  expect(found).toEqual(['right', 'wrong', 'wrong']);
  expect(auth.look(header('ali:open sesame'))).toBe('right');
  expect(auth.look(header('ali:x'))).toBe('wrong');
  expect(auth.look(header('baba:open sesame'))).toBe('wrong');
});

test('a wrong password and a name that is not there cost the same, and as much as what is right', async () => {
  const costs: (readonly string[])[] = [];
  for (const text of ['ali:open sesame', 'ali:x', 'ali:', 'baba:open sesame', ':']) {
    work.length = 0;
    await made().find(header(text), '192.0.2.1');
    costs.push([...work]);
  }

  expect(costs[0]).toEqual([
    expect.stringMatching(/^scrypt /),
    'compared in constant time, 32 bytes',
  ]);
  expect(new Set(costs.map((one) => one.join()))).toHaveProperty('size', 1);
});

test('a password may have colons and letters of any kind', async () => {
  const auth = new BasicAuth({
    realm: 'shop',
    users: [{ name: 'älí', hash: passwordHash('a:b:ü'.normalize('NFC')) }],
  });

  expect(await auth.find(header('älí:a:b:ü'.normalize('NFC')), '')).toBe('right');
});

test('one address that guesses waits for itself, and others still get their turn', async () => {
  const auth = made();

  const guesses = Array.from({ length: 20 }, (_, n) => auth.find(header(`ali:${n}`), '192.0.2.1'));
  const other = auth.find(header('ali:open sesame'), '192.0.2.2');
  const verdicts = await Promise.all(guesses);

  expect(verdicts.filter((verdict) => verdict === 'busy')).toHaveLength(16);
  expect(verdicts.filter((verdict) => verdict === 'wrong')).toHaveLength(4);
  expect(await other).toBe('right');
});

test('of many addresses so many wait, and no more', async () => {
  const auth = made();

  const guesses = Array.from({ length: 80 }, (_, n) =>
    auth.find(header(`ali:${n}`), `192.0.2.${n}`),
  );
  const verdicts = await Promise.all(guesses);

  expect(verdicts.filter((verdict) => verdict === 'busy')).toHaveLength(16);
  expect(await auth.find(header('ali:open sesame'), '192.0.2.1')).toBe('right');
});

test('the same credentials are found out once, however many bring them', async () => {
  const auth = made();

  const many = Array.from({ length: 30 }, () => auth.find(header('ali:open sesame'), '192.0.2.1'));

  expect(new Set(await Promise.all(many))).toEqual(new Set(['right']));
});
