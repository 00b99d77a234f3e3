/**
 * State on a disk: damage, migrations, locks. What kills the writer stands in `fileCrash.test.ts`.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmod,
  chown,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FileStore, fileStore } from '../../../src/control/stores/file.ts';
import { decode, encode, textsOf } from '../../../src/control/stores/format.ts';
import { jsonFaultAt } from '../../../src/control/stores/json.ts';
import { storeContract } from '../../contracts/store.ts';
import { seed, seeded } from '../../support/random.ts';
import { deploymentOf, serviceWith, stateWith } from '../../support/states.ts';

const flips = Number(process.env.POINTSMAN_BIT_FLIPS ?? 2000);

let dir: string;
let store: FileStore;
const path = (name: string): string => join(dir, name);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pointsman-store-'));
  store = await fileStore(dir);
});
afterEach(async () => {
  await store.close().catch(() => {});
  await rm(dir, { recursive: true, force: true });
});

async function reopen(): Promise<FileStore> {
  await store.close();
  store = await fileStore(dir);
  return store;
}

storeContract('the store on a disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pointsman-contract-'));
  let open = await fileStore(folder);
  return {
    store: open,
    async reopen() {
      await open.close();
      open = await fileStore(folder);
      return open;
    },
    async close() {
      await open.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
});

test('a save leaves the state, the one before it, and nothing half written', async () => {
  const first = await store.save(stateWith('blue'), '');
  await store.save(stateWith('green'), first);

  const files = (await readdir(dir)).filter((name) => !name.startsWith('lock-')).sort();
  expect(files).toEqual(['state.json', 'state.previous.json']);
  expect(decode(await readFile(path('state.json')))).toMatchObject({ state: stateWith('green') });
  expect(decode(await readFile(path('state.previous.json')))).toMatchObject({
    state: stateWith('blue'),
    revision: first,
  });
});

test('a state file cut at any byte gives the last good copy and says which byte, never nothing', async () => {
  const first = await store.save(stateWith('blue'), '');
  await store.save(stateWith('green', 1), first);
  const whole = await readFile(path('state.json'));

  for (let length = 0; length < whole.length - 1; length++) {
    await writeFile(path('state.json'), whole.subarray(0, length));
    const loaded = await store.load();
    if (loaded?.revision !== first) expect.fail(`cut at ${length}: ${JSON.stringify(loaded)}`);
    expect(loaded.recovered).toMatch(/state\.json at byte \d+: /);
    expect(loaded.state).toEqual(stateWith('blue'));
  }
});

test('kill -9 while state is written, at any byte: boots empty (kamal-proxy): it refuses to', async () => {
  await store.save(stateWith('blue'), '');
  const whole = await readFile(path('state.json'));

  for (let length = 0; length < whole.length - 1; length++) {
    await truncate(path('state.json'), length);
    await expect(store.load(), `cut at ${length}`).rejects.toMatchObject({
      code: 'STATE_UNREADABLE',
      message: expect.stringMatching(/state\.json at byte \d+: .*state\.previous\.json is missing/),
    });
    await writeFile(path('state.json'), whole);
  }
});

test('a flipped bit anywhere gives the last good copy or a refusal, never another content', () => {
  const random = seeded(seed);
  const good = encode(textsOf(stateWith('green', 3)), '7-abcd');
  const meant = { kind: 'good', state: stateWith('green', 3), revision: '7-abcd' };
  let refused = 0;

  for (let round = 0; round < flips; round++) {
    const bytes = Buffer.from(good);
    const at = Math.floor(random() * bytes.length);
    const bit = Math.floor(random() * 8);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
    const read = decode(bytes);
    if (read.kind === 'good') expect(read, `seed ${seed}, byte ${at}, bit ${bit}`).toEqual(meant);
    else refused++;
  }

  expect(refused).toBeGreaterThan(flips * 0.8);
});

test('after a recovery the damaged file is kept aside, and the good copy is not lost by the save', async () => {
  const first = await store.save(stateWith('blue'), '');
  await store.save(stateWith('green'), first);
  await writeFile(path('state.json'), 'damage');
  const loaded = await (await reopen()).load();

  await store.save(stateWith('green', 5), loaded?.revision ?? 'none');

  expect(await readFile(path('state.damaged.json'), 'utf8')).toBe('damage');
  expect(decode(await readFile(path('state.previous.json')))).toMatchObject({
    state: stateWith('blue'),
  });
  expect((await store.load())?.state).toEqual(stateWith('green', 5));
});

test('a state file that was taken away gives the last good copy, not an empty start', async () => {
  const first = await store.save(stateWith('blue'), '');
  await store.save(stateWith('green'), first);
  await rm(path('state.json'));

  const loaded = await (await reopen()).load();

  expect(loaded).toEqual({
    state: stateWith('blue'),
    revision: first,
    recovered: `${path('state.json')} is missing`,
  });
});

test('a save over a state that nobody can read is refused and overwrites nothing', async () => {
  await store.save(stateWith('blue'), '');
  await writeFile(path('state.json'), '{"format":1,');
  await reopen();

  await expect(store.save(stateWith('green'), '')).rejects.toMatchObject({
    code: 'STATE_UNREADABLE',
  });

  expect(await readFile(path('state.json'), 'utf8')).toBe('{"format":1,');
});

test('a newer format is refused, though an older copy lies beside it', async () => {
  const first = await store.save(stateWith('blue'), '');
  await store.save(stateWith('green'), first);
  await writeFile(path('state.json'), '{"format":2,"anything":"else"}');

  await expect(store.load()).rejects.toMatchObject({
    code: 'STATE_UNREADABLE',
    message: expect.stringMatching(
      /format 2, written by a newer Pointsman.*up to 1.*Run the newer/,
    ),
  });
});

test('an old state format loses services (kamal #1552): format 0 keeps them all', async () => {
  const old = (name: string, live: 'blue' | 'green'): object => {
    const { paused: _, releases: __, ...rest } = serviceWith(live, name.length);
    return rest;
  };
  const payload = { services: { shop: old('shop', 'blue'), 'the-blog': old('the-blog', 'green') } };
  const checksum = createHash('sha256')
    .update(JSON.stringify([0, '4-aa', payload]))
    .digest('hex');
  const file = { format: 0, revision: '4-aa', checksum: `sha256:${checksum}`, payload };
  await writeFile(path('state.json'), JSON.stringify(file));

  const loaded = await store.load();

  expect(loaded).toEqual({
    state: { services: { shop: serviceWith('blue', 4), 'the-blog': serviceWith('green', 8) } },
    revision: '4-aa',
    recovered: null,
  });
  await store.save(stateWith('green', 9), '4-aa');
  expect(JSON.parse(await readFile(path('state.json'), 'utf8'))).toMatchObject({ format: 1 });
});

test('white space that a person added changes nothing; a value that a person changed is refused', async () => {
  await store.save(stateWith('blue'), '');
  const file: unknown = JSON.parse(await readFile(path('state.json'), 'utf8'));
  await writeFile(path('state.json'), JSON.stringify(file, null, 8));
  expect((await store.load())?.state).toEqual(stateWith('blue'));

  const text = (await readFile(path('state.json'), 'utf8')).replace('"blue"', '"green"');
  await writeFile(path('state.json'), text);
  await expect(store.load()).rejects.toMatchObject({
    message: expect.stringContaining('the checksum is not that of the content'),
  });
});

test('where a JSON text breaks is found to the character', () => {
  const cases: [string, number][] = [
    ['{"a":1,}', 7],
    ['{"a":tru}', 5],
    ['{"a" 1}', 5],
    ['[1,2', 4],
    ['[1 2]', 3],
    ['{"a":[}]', 6],
    ['{} {}', 3],
    ['{"a":01}', 6],
    ['', 0],
    ['nonsense', 0],
    ['{"a":"b\nc"}', 5],
  ];
  for (const [text, at] of cases) {
    expect(() => JSON.parse(text)).toThrow();
    expect([text, jsonFaultAt(text)]).toEqual([text, at]);
  }
});

test('a second store on one directory is refused, and named', async () => {
  await expect(fileStore(dir)).rejects.toMatchObject({
    code: 'STATE_NOT_WRITABLE',
    message: expect.stringContaining('this very process'),
  });

  await reopen();
  await store.save(stateWith('blue'), '');
});

test('the lock of a process that ended is taken over, and so is one whose pid a stranger has now', async () => {
  await store.close();
  await writeFile(path('lock-4194303-0123456789abcdef'), '');
  await writeFile(path(`lock-${process.ppid}-0123456789abcdef`), '');

  store = await fileStore(dir);

  const locks = (await readdir(dir)).filter((name) => name.startsWith('lock-'));
  expect(locks).toHaveLength(1);
  expect(locks[0]).toMatch(new RegExp(`^lock-${process.pid}-`));
});

test('a store that was closed writes no more', async () => {
  await store.close();

  await expect(store.save(stateWith('blue'), '')).rejects.toMatchObject({
    code: 'STATE_NOT_WRITABLE',
  });
  expect(await readdir(dir)).toEqual([]);
});

test('a directory that cannot be made or written is refused before anything runs', async () => {
  await writeFile(path('file'), '');

  await expect(fileStore(path('file/state'))).rejects.toMatchObject({
    code: 'STATE_NOT_WRITABLE',
    message: expect.stringContaining('ENOTDIR'),
  });
});

test('a directory without the right to write refuses the save, and what was there stays', async () => {
  const first = await store.save(stateWith('blue'), '');
  const root = process.getuid?.() === 0;
  const nobody = 65534;
  if (root) await Promise.all([chown(dir, nobody, -1), chown(path('state.json'), nobody, -1)]);
  await chmod(dir, 0o500);

  // Root may write anywhere, so it steps down for as long as the save takes.
  if (root) process.seteuid?.(nobody);
  try {
    await expect(store.save(stateWith('green'), first)).rejects.toMatchObject({
      code: 'STATE_NOT_WRITABLE',
      message: expect.stringContaining('EACCES'),
    });
  } finally {
    if (root) process.seteuid?.(0);
    await chmod(dir, 0o700);
  }

  expect((await store.load())?.state).toEqual(stateWith('blue'));
  await store.save(stateWith('green'), first);
});

test('what a crash left half written is swept when the directory is taken again', async () => {
  await store.save(stateWith('blue'), '');
  await writeFile(path('state.json.new'), 'half');
  await link(path('state.json'), path('state.previous.json.new'));

  await reopen();

  expect((await readdir(dir)).filter((name) => name.endsWith('.new'))).toEqual([]);
  expect((await store.load())?.state).toEqual(stateWith('blue'));
});

/** What can stand where a file should, and what is said of it. */
const noFiles: readonly (readonly [string, (at: string) => Promise<unknown>, string])[] = [
  ['a folder', (at) => mkdir(join(at, 'inside'), { recursive: true }), 'it is a folder'],
  ['a link to itself', (at) => symlink(at, at), 'it is a link that leads to itself'],
  ['a pipe', async (at) => execFileSync('mkfifo', [at]), 'it is a pipe'],
  ['100 MB of `[`', (at) => writeFile(at, Buffer.alloc(100_000_000, '[')), '100000000 bytes'],
  ['a million `[`', (at) => writeFile(at, Buffer.alloc(1_000_000, '[')), 'nested deeper than'],
];

test.each(noFiles)(
  '%s where the state should be gives the last good copy at once, and stays',
  async (_, put, why) => {
    const first = await store.save(stateWith('blue'), '');
    await store.save(stateWith('green'), first);
    await rm(path('state.json'));
    await put(path('state.json'));

    const begun = performance.now();
    const loaded = await (await reopen()).load();
    // Read whole, some of these would take minutes, or for ever.
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(loaded?.state).toEqual(stateWith('blue'));
    expect(loaded?.recovered).toContain(why);

    const next = await store.save(stateWith('green'), loaded?.revision ?? '');
    expect((await (await reopen()).load())?.revision).toBe(next);
    const kept = (await readdir(dir)).filter((name) => /damaged|aside/.test(name));
    expect(kept).toHaveLength(1);
  },
);

test.each(noFiles)(
  '%s where a new state or the one before is to be written is put aside',
  async (_, put) => {
    let revision = await store.save(stateWith('blue'), '');
    for (const name of ['state.json.new', 'state.previous.json.new', 'state.previous.json']) {
      await rm(path(name), { force: true });
      await put(path(name));
      revision = await store.save(stateWith('green'), revision);
      await rm(path(name), { force: true, recursive: true });
      await put(path(name));
      await reopen();
      revision = await store.save(stateWith('blue'), revision);
    }

    expect(decode(await readFile(path('state.json')))).toMatchObject({ revision });
    expect(decode(await readFile(path('state.previous.json')))).toMatchObject({ kind: 'good' });
  },
);

test.each(noFiles.slice(0, 3))(
  '%s where the history should be is put aside, and keeps nobody waiting',
  async (_, put) => {
    await put(path('history.jsonl'));

    expect(await store.history({ limit: 10 })).toEqual({ deployments: [], unreadable: 0 });
    await store.append(deploymentOf('shop', 1));

    expect((await store.history({ limit: 10 })).deployments).toEqual([deploymentOf('shop', 1)]);
  },
);

test('a state that is larger than what would be read again is refused, and the old one stays', async () => {
  const first = await store.save(stateWith('blue'), '');
  const text = 'x'.repeat(70 * 1024 * 1024);
  const large = {
    services: { shop: { ...serviceWith('blue'), paused: text as unknown as boolean } },
  };

  await expect(store.save(large, first)).rejects.toMatchObject({ code: 'STATE_NOT_WRITABLE' });

  expect((await store.load())?.state).toEqual(stateWith('blue'));
});

test('a history line that was torn off at any byte is left out, and cut away by the next append', async () => {
  await store.append(deploymentOf('shop', 1));
  const one = await readFile(path('history.jsonl'));
  await store.append(deploymentOf('shop', 2));
  const two = await readFile(path('history.jsonl'));

  for (let length = one.length; length < two.length; length++) {
    await writeFile(path('history.jsonl'), two.subarray(0, length));
    expect(await store.history({ limit: 9 })).toEqual({
      deployments: [deploymentOf('shop', 1)],
      unreadable: 0,
    });
    await store.append(deploymentOf('shop', 3));
    expect(await store.history({ limit: 9 })).toEqual({
      deployments: [deploymentOf('shop', 3), deploymentOf('shop', 1)],
      unreadable: 0,
    });
  }
});

test('a history line that is damaged is left out and counted', async () => {
  await store.append(deploymentOf('shop', 1));
  await writeFile(path('history.jsonl'), '{"id":\n[]\n', { flag: 'a' });
  await store.append(deploymentOf('shop', 2));

  expect(await store.history({ limit: 9 })).toEqual({
    deployments: [deploymentOf('shop', 2), deploymentOf('shop', 1)],
    unreadable: 2,
  });
});

test('history is bounded: a full file becomes the older one, and both are read', async () => {
  await store.close();
  const bytes = 200_000;
  store = await fileStore(dir, { historyBytesMax: bytes });
  const why = 'w'.repeat(10_000);
  for (let number = 1; number <= 60; number++)
    await store.append(deploymentOf('shop', number, why));

  const sizes = await Promise.all(
    ['history.jsonl', 'history.previous.jsonl'].map(
      async (name) => (await readFile(path(name))).length,
    ),
  );
  expect(Math.max(...sizes)).toBeLessThanOrEqual(bytes);
  const { deployments, unreadable } = await store.history({ limit: 1000 });
  expect(unreadable).toBe(0);
  expect(deployments.length).toBeGreaterThan(19);
  expect(deployments).toEqual(deployments.map((_, index) => deploymentOf('shop', 60 - index, why)));
});
