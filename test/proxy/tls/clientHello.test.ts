/**
 * The hello of a client, read before anybody has shaken hands: real ones, torn ones, and made ones.
 */
import { expect, test } from 'vitest';
import { helloBytesMax, readClientHello } from '../../../src/proxy/tls/clientHello.ts';
import { long } from '../../support/form.ts';
import { seed, seeded } from '../../support/random.ts';
import { helloOf } from '../../support/tls.ts';

const usual = { servername: 'Shop.Example', ALPNProtocols: ['acme-tls/1', 'http/1.1'] };
const said = { name: 'shop.example', protocols: ['acme-tls/1', 'http/1.1'] };

/** The same message in records of so many bytes each. */
function inRecordsOf(size: number, hello: Buffer): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'the name and the protocols of a real client of %s are read, the name in lower case',
  async (maxVersion) => {
    const hello = await helloOf({ ...usual, maxVersion });
    const bare = await helloOf({ servername: '', maxVersion });

    expect(readClientHello(hello)).toEqual(said);
    expect(readClientHello(bare)).toEqual({ name: '', protocols: [] });
  },
);

test('a hello that is torn at any byte is waited for, and one in several records is read', async () => {
  const hello = await helloOf(usual);
  const early = Array.from({ length: hello.length }, (_, at) => hello.subarray(0, at));

  expect(early.filter((part) => readClientHello(part) !== 'more')).toEqual([]);
  expect(readClientHello(inRecordsOf(100, hello))).toEqual(said);
  expect(readClientHello(Buffer.concat([hello, Buffer.from('more to come')]))).toEqual(said);
});

test('what is no hello is known by its first bytes, and one beyond all measure is not collected', async () => {
  const hello = await helloOf(usual);
  const huge = Buffer.from([22, 3, 1, 255, 255, 1, 0, 255, 255]);
  const serverHello = Buffer.from(hello);
  serverHello[5] = 2;

  expect(readClientHello(Buffer.from('GET / HTTP/1.1\r\n'))).toBeNull();
  expect(readClientHello(Buffer.from([22, 3, 1, 0, 0]))).toBeNull();
  expect(readClientHello(huge)).toBeNull();
  expect(readClientHello(serverHello)).toBeNull();
});

test('a hello in a thousand records of a byte each is none: looking at it would take a core for seconds', async () => {
  const hello = await helloOf(usual);
  const crumbs = inRecordsOf(1, hello);

  // As they come from a client that sends each byte by itself.
  let seen: ReturnType<typeof readClientHello> = 'more';
  let at = 0;
  while (seen === 'more' && at < crumbs.length) seen = readClientHello(crumbs.subarray(0, ++at));

  expect(seen).toBeNull();
  expect(at).toBeLessThan(200);
});

test('bytes of strangers lead to a name, a list or nothing, and never to an exception', async () => {
  const hello = await helloOf(usual);
  const random = seeded(seed);
  const below = (limit: number): number => Math.floor(random() * limit);

  for (let round = 0; round < (long ? 200_000 : 20_000); round++) {
    const bytes = Buffer.from(hello);
    for (let changes = 1 + below(4); changes > 0; changes--) {
      bytes[5 + below(bytes.length - 5)] = below(256);
    }
    const seen = readClientHello(bytes.subarray(0, 6 + below(bytes.length - 5)));
    if (seen === null || seen === 'more') continue;
    expect(seen.name.length).toBeLessThan(helloBytesMax);
    expect(seen.protocols.length).toBeLessThan(helloBytesMax);
  }
});
