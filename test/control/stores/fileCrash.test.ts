/**
 * What kills the writer of the state, or fills its disk: the state file is the old one or the new
 * one.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { fileStore } from '../../../src/control/stores/file.ts';
import { bundle } from '../../support/bundle.ts';
import { seed, seeded } from '../../support/random.ts';
import { deploymentOf, stateWith } from '../../support/states.ts';

const rounds = Number(process.env.POINTSMAN_KILL_ROUNDS ?? 50);

let writer: string;
let dir: string;

beforeAll(async () => {
  writer = await bundle(join(import.meta.dirname, '../../support/writer.ts'));
});
afterAll(() => rm(dirname(writer), { recursive: true, force: true }));
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pointsman-crash-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/**
 * Runs a writer and kills it some lines and milliseconds after it began to save.
 * @returns its lines.
 */
async function killed(lines: number, delayMs: number): Promise<string[]> {
  const child = spawn(process.execPath, [writer, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  const said: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    said.push(line);
    if (said.length !== lines) continue;
    // The moment of the kill is what this test is about; nothing is waited for.
    if (delayMs > 0) await delay(delayMs);
    child.kill('SIGKILL');
  }
  await gone;
  return said;
}

function lastOf(said: readonly string[], word: string): number {
  const line = said.findLast((one) => one.startsWith(`${word} `));
  return line === undefined ? 0 : Number(line.slice(word.length + 1));
}

test(`a writer that is killed at a random moment leaves the old or the new state (${rounds} rounds)`, async () => {
  const random = seeded(seed);
  let appended = 0;

  for (let round = 1; round <= rounds; round++) {
    const said = await killed(1 + Math.floor(random() * 9), Math.floor(random() * 4));
    const hint = `seed ${seed}, round ${round}, ${said.join(', ')}`;

    // The directory is free at once: the next controller does not wait for a lock of the dead.
    const store = await fileStore(dir);
    const loaded = await store.load();
    const history = await store.history({ limit: 10_000 });
    await store.close();

    const fill = (loaded?.state.services.shop?.generation ?? 1) - 1;
    expect(fill, hint).toBeGreaterThanOrEqual(lastOf(said, 'end'));
    expect(fill, hint).toBeLessThanOrEqual(lastOf(said, 'begin'));
    if (fill > 0) expect(loaded, hint).toMatchObject({ state: stateWith('green', fill) });
    expect(loaded?.recovered ?? null, hint).toBeNull();
    appended = Math.max(appended, lastOf(said, 'appended'));
    expect(history.unreadable, hint).toBe(0);
    const ids = new Set(history.deployments.map((deployment) => deployment.id));
    for (let number = 1; number <= appended; number++) {
      // What was killed between its save and its append was never told as appended.
      if (said.includes(`appended ${number}`)) expect(ids, hint).toContain(`shop-${number}`);
    }
  }
  expect(appended).toBeGreaterThan(rounds / 2);
});

test('a directory that a living controller has is refused to a second one, which names its pid', async () => {
  const child = spawn(process.execPath, [writer, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(child, 'exit');
  await once(child.stdout, 'data');
  child.stdout.resume();

  await expect(fileStore(dir)).rejects.toMatchObject({
    code: 'STATE_NOT_WRITABLE',
    detail: { dir, pid: child.pid },
  });

  child.kill('SIGKILL');
  await gone;
  await (await fileStore(dir)).close();
});

test('two controllers that start at once: never both have the directory', async () => {
  for (let round = 0; round < 5; round++) {
    const children = [1, 2, 3].map(() =>
      spawn(process.execPath, [writer, dir, '20'], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    const outputs = await Promise.all(
      children.map(async (child) => {
        const said: string[] = [];
        for await (const line of createInterface(child.stdout)) said.push(line);
        return said;
      }),
    );

    // Had two of them saved side by side, one would have met a revision that is not its own.
    for (const said of outputs.filter((one) => one.at(-1)?.startsWith('failed'))) {
      expect(said).toEqual([
        expect.stringMatching(/^failed STATE_NOT_WRITABLE .*belongs to process/),
      ]);
    }
    const began = outputs.flat().filter((line) => line.startsWith('begin'));
    expect(new Set(began).size).toBe(began.length);
  }
});

const canMount = tmpfs(join(tmpdir(), `pointsman-mount-${process.pid}`));

test.skipIf(!canMount)(
  'disk full: a save on a full 64 KB tmpfs is refused, the old state stays (skipped where mounting tmpfs is not allowed)',
  async () => {
    const small = join(dir, 'small');
    await mkdir(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]);
    try {
      const store = await fileStore(small);
      const first = await store.save(stateWith('blue', 100), '');

      await expect(store.save(stateWith('green', 80_000), first)).rejects.toMatchObject({
        code: 'STATE_NOT_WRITABLE',
        message: expect.stringContaining('ENOSPC'),
      });
      expect((await store.load())?.state).toEqual(stateWith('blue', 100));
      expect((await readdir(small)).filter((name) => name.endsWith('.new'))).toEqual([]);

      await store.append(deploymentOf('shop', 1));
      await expect(store.append(deploymentOf('shop', 2, 'x'.repeat(80_000)))).rejects.toMatchObject(
        {
          code: 'STATE_NOT_WRITABLE',
        },
      );
      await store.append(deploymentOf('shop', 3));
      expect(await store.history({ limit: 9 })).toEqual({
        deployments: [deploymentOf('shop', 3), deploymentOf('shop', 1)],
        unreadable: 0,
      });

      const second = await store.save(stateWith('green', 200), first);
      expect(await store.load()).toMatchObject({
        state: stateWith('green', 200),
        revision: second,
      });
      await store.close();
    } finally {
      execFileSync('umount', ['-l', small]);
    }
  },
);

const canTrace = spawnSync('strace', ['-e', 'trace=none', 'true']).status === 0;

// strace counts calls by thread, so there is to be one.
const oneThread = { ...process.env, UV_THREADPOOL_SIZE: '1' };

// The system calls of a save in their order; the second fsync is that of the folder.
const faults = [
  'fsync:error=ENOSPC',
  'fsync:error=EIO:when=2',
  '/^link:error=EIO',
  '/^rename:error=EIO:when=1',
  '/^rename:error=EIO:when=2',
];

for (const fault of faults) {
  test.skipIf(!canTrace)(
    `a save in which ${fault} is refused, and the old state stays (skipped where strace is missing)`,
    async () => {
      const before = await fileStore(dir);
      const revision = await before.save(
        stateWith('green', 1),
        await before.save(stateWith('blue'), ''),
      );
      await before.close();

      const traced = spawnSync(
        'strace',
        [
          '-f',
          '-qq',
          '-o',
          '/dev/null',
          '-e',
          `inject=${fault}`,
          process.execPath,
          writer,
          dir,
          '1',
        ],
        { encoding: 'utf8', env: oneThread },
      );

      expect(traced.stdout).toMatch(/^begin 2\nfailed STATE_NOT_WRITABLE .*(ENOSPC|EIO)/);
      const after = await fileStore(dir);
      expect(await after.load()).toEqual({
        state: stateWith('green', 1),
        revision,
        recovered: null,
      });
      expect((await readdir(dir)).filter((name) => name.endsWith('.new'))).toEqual([]);
      expect(await readFile(join(dir, 'state.json'), 'utf8')).toContain(revision);
      await after.close();
    },
  );
}

// What file systems over a network and in user space answer: no hard links, no sync of a folder.
const lacks = [
  '/^link:error=EPERM',
  '/^link:error=EOPNOTSUPP',
  '/^link:error=EXDEV',
  // Each time one call is that of the folder: of a first save, the file comes before it.
  'fsync:error=EINVAL:when=2',
  'fsync:error=ENOSYS:when=2',
];

for (const lack of lacks) {
  test.skipIf(!canTrace)(
    `a file system that answers ${lack} keeps state all the same (skipped where strace is missing)`,
    async () => {
      const inject = ['-f', '-qq', '-o', '/dev/null', '-e', `inject=${lack}`];
      const traced = spawnSync('strace', [...inject, process.execPath, writer, dir, '3'], {
        encoding: 'utf8',
        env: oneThread,
      });

      expect(traced.stdout).not.toContain('failed');
      const files = await readdir(dir);
      expect(files).toContain('state.json');
      expect(files).toContain('state.previous.json');
      expect(files.filter((name) => name.endsWith('.new'))).toEqual([]);
      const after = await fileStore(dir);
      expect(await after.load()).toMatchObject({ recovered: null });
      await after.close();
    },
  );
}

test.skipIf(!canMount)(
  'a file system that is mounted read-only, or turns so, refuses saves in these words, and its state is read (skipped where mounting tmpfs is not allowed)',
  async () => {
    const turning = join(dir, 'turning');
    await mkdir(turning);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', turning]);
    const turn = (how: string): unknown =>
      execFileSync('mount', ['-o', `remount,${how}`, 'tmpfs', turning]);
    const words = {
      code: 'STATE_NOT_WRITABLE',
      message: expect.stringMatching(/EROFS.*The file system is read-only/),
    };
    try {
      const store = await fileStore(turning);
      const first = await store.save(stateWith('blue', 1), '');

      turn('ro');
      await expect(store.save(stateWith('green', 2), first)).rejects.toMatchObject(words);
      await expect(store.append(deploymentOf('shop', 1))).rejects.toMatchObject(words);
      await expect(store.load()).resolves.toMatchObject({ state: stateWith('blue', 1) });
      turn('rw');
      await store.save(stateWith('green', 2), first);
      await store.close();

      turn('ro');
      await expect(fileStore(turning)).rejects.toMatchObject({
        code: 'STATE_NOT_WRITABLE',
        message: expect.stringContaining('EROFS'),
      });
    } finally {
      execFileSync('umount', ['-l', turning]);
    }
  },
);

test.skipIf(!canTrace)('a save costs two fsyncs (skipped where strace is missing)', async () => {
  const out = join(dir, 'trace');
  const count = async (saves: number): Promise<number> => {
    spawnSync('strace', [
      '-f',
      '-qq',
      '-o',
      out,
      '-e',
      'trace=fsync',
      process.execPath,
      writer,
      dir,
      String(saves),
    ]);
    const calls = await readFile(out, 'utf8');
    return calls.split('\n').filter((line) => /fsync\(/.test(line)).length;
  };
  await count(1);

  // Each round of the writer is a save, and an append that costs one.
  expect((await count(6)) - (await count(2))).toBe(4 * (2 + 1));
});

function tmpfs(probe: string): boolean {
  const script = `mkdir -p ${probe} && mount -t tmpfs -o size=64k tmpfs ${probe} && umount ${probe}`;
  const done = spawnSync('sh', ['-c', script], { stdio: 'ignore' }).status === 0;
  spawnSync('rmdir', [probe], { stdio: 'ignore' });
  return done;
}
