/**
 * Certificates in files: pairs and folders of them, replaced in every way people do it, on a clock
 * that stands still in between.
 */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { CertificateFiles, Config } from '../../../src/config/config.ts';
import { FileCertificates } from '../../../src/control/certificates/files.ts';
import { Authority, type Pair } from '../../support/certificates.ts';
import { eventually } from '../../support/client.ts';
import { type FakeClock, fakeClock } from '../../support/clock.ts';

const made = mkdtempSync(join(tmpdir(), 'pointsman-pairs-'));
afterAll(() => rmSync(made, { recursive: true, force: true }));
const ca = new Authority(join(made, 'ca'));
// The clock of these tests begins on 2026-01-01.
const time = { from: '20250601000000Z', until: '20290101000000Z' };
const shop = ca.sign(join(made, 'shop'), { names: ['shop.example'], ...time });
const next = ca.sign(join(made, 'next'), { names: ['shop.example'], ...time });
const blog = ca.sign(join(made, 'blog'), { names: ['blog.example'], key: 'rsa', ...time });
const past = ca.sign(join(made, 'past'), { from: '20240101000000Z', until: '20250101000000Z' });
const future = ca.sign(join(made, 'future'), { from: '20280101000000Z', until: '20290101000000Z' });

interface Source {
  readonly files: FileCertificates;
  /** What it said: level and text. */
  readonly said: string[];
  /** How often it called for its certificates to be handed on. */
  readonly changes: () => number;
  /** Lets time pass, and its looks end. */
  pass(ms: number): Promise<void>;
  reload(): Promise<void>;
  serials(): readonly string[];
  errors(): readonly (string | null)[];
}

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-folder-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function source(wanted: readonly CertificateFiles[]): Promise<Source> {
  const clock: FakeClock = fakeClock();
  const said: string[] = [];
  let changes = 0;
  const log = {
    info: (_: object, text: string) => void said.push(`info ${text}`),
    warn: (_: object, text: string) => void said.push(`warn ${text}`),
    error: (_: object, text: string) => void said.push(`error ${text}`),
  };
  const changed = async (): Promise<void> => void changes++;
  const files = new FileCertificates({ clock, log, changed });
  onTestFinished(() => files.close());
  const reload = () => files.reload({ tls: { certificates: wanted } } as unknown as Config);
  await reload();
  return {
    files,
    said,
    changes: () => changes,
    reload,
    async pass(ms) {
      for (let passed = 0; passed < ms; passed += 500) {
        clock.pass(500);
        // It sets the next look when this one has ended.
        await eventually(
          () => clock.pending,
          (pending) => pending === 1,
          60_000,
        );
      }
    },
    serials: () => files.current().certificates.map(({ serial }) => serial),
    errors: () => files.status().map(({ lastError }) => lastError),
  };
}

function put({ cert, key }: Pair, dir: string, name: string): { cert: string; key: string } {
  const files = { cert: join(dir, `${name}.pem`), key: join(dir, `${name}.key`) };
  copyFileSync(cert, files.cert);
  copyFileSync(key, files.key);
  return files;
}

test('a folder gives its pairs in the order of their names: .pem or .crt with .key, or both in one file', async () => {
  const dir = folder();
  put(blog, dir, 'b');
  copyFileSync(shop.cert, join(dir, 'a.crt'));
  copyFileSync(shop.key, join(dir, 'a.key'));
  writeFileSync(
    join(dir, 'c.pem'),
    readFileSync(next.key, 'utf8') + readFileSync(next.cert, 'utf8'),
  );
  writeFileSync(join(dir, 'README'), 'no certificate');
  writeFileSync(join(dir, '.hidden.pem'), 'no certificate');
  const { serials, errors, files } = await source([{ folder: dir }]);

  expect(serials()).toEqual([shop.serial, blog.serial, next.serial]);
  expect(errors()).toEqual([null, null, null]);
  expect(files.status().map(({ names }) => names)).toEqual([
    ['shop.example'],
    ['blog.example'],
    ['shop.example'],
  ]);
});

test('what is put into a folder is served, and what is taken out of it is not, within two seconds', async () => {
  const dir = folder();
  put(shop, dir, 'a');
  const { serials, pass } = await source([{ folder: dir }]);

  put(blog, dir, 'b');
  await pass(2_000);
  const both = serials();
  unlinkSync(join(dir, 'a.pem'));
  unlinkSync(join(dir, 'a.key'));
  await pass(2_000);

  expect(both).toEqual([shop.serial, blog.serial]);
  expect(serials()).toEqual([blog.serial]);
});

test.each([
  ['written over', (files: Pair) => put(next, join(files.cert, '..'), 'pair')],
  [
    'renamed over',
    (files: Pair) => {
      const fresh = put(next, join(files.cert, '..'), 'fresh');
      renameSync(fresh.key, files.key);
      renameSync(fresh.cert, files.cert);
    },
  ],
])('a pair that is %s is served within two seconds, once', async (_, swap) => {
  const pair = put(shop, folder(), 'pair');
  const { serials, pass, changes } = await source([pair]);
  const before = changes();

  swap({ ...pair, serial: '' });
  await pass(2_000);

  expect(serials()).toEqual([next.serial]);
  expect(changes()).toBe(before + 1);
});

test('a link to a folder that is pointed at another one is followed, as orchestrators swap secrets', async () => {
  const dir = folder();
  for (const [name, pair] of Object.entries({ one: shop, two: next })) {
    mkdirSync(join(dir, name));
    put(pair, join(dir, name), 'tls');
  }
  symlinkSync('one', join(dir, 'now'));
  const { serials, pass } = await source([
    { cert: join(dir, 'now', 'tls.pem'), key: join(dir, 'now', 'tls.key') },
  ]);

  symlinkSync('two', join(dir, 'later'));
  renameSync(join(dir, 'later'), join(dir, 'now'));
  await pass(2_000);

  expect(serials()).toEqual([next.serial]);
});

test.each([
  [
    'the key of another one',
    (pair: Pair) => copyFileSync(blog.key, pair.key),
    /key of another one/,
  ],
  ['cut off', (pair: Pair) => writeFileSync(pair.cert, '-----BEGIN CERTIFICATE-----'), /in PEM/],
  ['gone', (pair: Pair) => unlinkSync(pair.key), /a file that can be read/],
  ['huge', (pair: Pair) => writeFileSync(pair.cert, Buffer.alloc(300_000, 65)), /256 KiB/],
  ['past', (pair: Pair) => put(past, join(pair.cert, '..'), 'pair'), /ended 2025-01-01/],
  ['not yet', (pair: Pair) => put(future, join(pair.cert, '..'), 'pair'), /begins 2028-01-01/],
])(
  'a pair that is bad (%s) is never served, and said once; the good one goes on',
  async (_, spoil, why) => {
    const pair = put(shop, folder(), 'pair');
    const { serials, errors, pass, said, changes, files } = await source([pair]);
    const before = changes();

    spoil({ ...pair, serial: '' });
    await pass(5_000);
    const refused = [serials(), errors()[0], changes()];
    put(next, join(pair.cert, '..'), 'pair');
    await pass(2_000);

    expect(refused).toEqual([[shop.serial], expect.stringMatching(why), before]);
    expect(said.filter((line) => /^error .*the last good one is served/.test(line))).toHaveLength(
      1,
    );
    expect(serials()).toEqual([next.serial]);
    expect(files.status()).toMatchObject([{ lastError: null, lastErrorAt: null }]);
    // Nothing of a key is said.
    const secret = readFileSync(blog.key, 'utf8').split('\n')[1] ?? '';
    expect(said.join()).not.toContain(secret);
  },
);

test('a pair that is caught between its two files is waited for, and nothing is said of it', async () => {
  const pair = put(shop, folder(), 'pair');
  const { serials, errors, pass, said } = await source([pair]);

  copyFileSync(next.cert, pair.cert);
  await pass(500);
  const between = [serials(), errors()];
  copyFileSync(next.key, pair.key);
  await pass(1_000);

  expect(between).toEqual([[shop.serial], [null]]);
  expect(serials()).toEqual([next.serial]);
  expect(said.filter((line) => line.startsWith('error'))).toEqual([]);
});

test('a folder that is away for a while costs nothing but a word, and is looked into again', async () => {
  const dir = join(folder(), 'pairs');
  mkdirSync(dir);
  put(shop, dir, 'a');
  const { serials, errors, pass } = await source([{ folder: dir }]);

  renameSync(dir, `${dir}.away`);
  await pass(2_000);
  const away = [serials(), errors()];
  renameSync(`${dir}.away`, dir);
  await pass(2_000);

  expect(away[0]).toEqual([shop.serial]);
  expect(away[1]).toContainEqual(expect.stringContaining('wanted a folder of certificates'));
  expect(serials()).toEqual([shop.serial]);
  expect(errors()).toEqual([null]);
});

test('a key that everybody may read is said once, and served', async () => {
  const pair = put(shop, folder(), 'pair');
  chmodSync(pair.key, 0o644);
  const { serials, said, pass } = await source([pair]);
  await pass(2_000);

  expect(serials()).toEqual([shop.serial]);
  expect(said.filter((line) => line.startsWith('warn'))).toEqual([
    expect.stringContaining('chmod 600'),
  ]);
});

test('a reload looks at once, and believes what it sees', async () => {
  const pair = put(shop, folder(), 'pair');
  const { serials, errors, reload } = await source([pair]);

  copyFileSync(blog.key, pair.key);
  await reload();
  const bad = errors()[0];
  put(next, join(pair.cert, '..'), 'pair');
  await reload();

  expect(bad).toMatch(/key of another one/);
  expect(serials()).toEqual([next.serial]);
});
