/** A pid together with the moment its process began. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { identityFrom, identityNow, identityOf, parseStat } from '../src/processIdentity.ts';

const line = (name: string, state: string, threads: number): string =>
  `77 (${name}) ${state} 1 70 70 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 ${threads} 0 987654 1 2 3`;

test('a process is told from every other one, and keeps its identity', async () => {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const pid = child.pid ?? 0;

  const identity = await identityOf(pid);

  expect(identity).not.toBeNull();
  expect(identityNow(pid)).toBe(identity);
  expect(await identityOf(process.pid)).not.toBe(identity);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect([await identityOf(pid), identityNow(pid)]).toEqual([null, null]);
});

test('a name with spaces and brackets shifts no field', () => {
  for (const name of ['node', 'a b', ') Z 1 (', 'x) S 9 9 9']) {
    const stat = parseStat(line(name, 'S', 7));
    expect(stat).toEqual({ state: 'S', group: 70, threads: 7, startTicks: '987654' });
  }
});

test.skipIf(process.platform !== 'linux')(
  'a zombie has ended, but not while threads of it are left, which hold its ports (skipped without /proc)',
  () => {
    expect(identityFrom(parseStat(line('node', 'Z', 1)))).toBeNull();
    expect(identityFrom(parseStat(line('node', 'Z', 0)))).toBeNull();
    expect(identityFrom(parseStat(line('node', 'X', 0)))).toBeNull();
    expect(identityFrom(parseStat(line('node', 'Z', 4)))).toMatch(/\/987654$/);
  },
);
