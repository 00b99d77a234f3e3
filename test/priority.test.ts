/** Who gets the CPU first: ours, where the system allows it, and never what we start for others. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { expect, test } from 'vitest';
import { asGiven, raisePriority } from '../src/priority.ts';

test('a process takes priority where it may, and gives what it begins only what it was given', async () => {
  const before = getPriority();

  const raised = raisePriority();
  const child = asGiven(() => spawn('sleep', ['60'], { stdio: 'ignore' }));
  await once(child, 'spawn');

  expect(getPriority()).toBe(raised ? Math.max(before - 5, -20) : before);
  expect(getPriority(child.pid)).toBe(before);
  const threads = readdirSync('/proc/self/task').map(Number);
  expect(new Set(threads.map((thread) => getPriority(thread)))).toEqual(new Set([getPriority()]));
  child.kill('SIGKILL');
  for (const thread of threads) setPriority(thread, before);
});

test('a process that may not take priority goes on as it is', () => {
  const before = getPriority();
  const root = process.getuid?.() === 0;
  if (root) process.seteuid?.(65534);
  try {
    expect(raisePriority()).toBe(false);
    expect(getPriority()).toBe(before);
  } finally {
    if (root) process.seteuid?.(0);
  }
});
