/** The processes around a contender: the origin and the load, on a core of their own. */
import { execFileSync, fork } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onPath } from './contenders.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/** @returns {Promise<{ port: number, pid: number, stop(): void }>} */
/** @param addresses so many of 127.0.0.1, 127.0.0.2 and so on it listens on. */
export async function startOrigin(addresses = 1) {
  const child = forkAside('origin.mjs', [String(addresses)]);
  const port = await new Promise((resolve) => child.once('message', resolve));
  return { port, pid: child.pid, stop: () => child.kill('SIGKILL') };
}

/** @returns {{ run(order: object): Promise<object>, stop(): void }} HTTP clients */
export function startLoad() {
  return startClient('load.mjs');
}

/** @returns {{ run(order: object): Promise<object>, stop(): void }} clients of HTTP/2 at a steady pace */
export function startPaced() {
  return startClient('paced.mjs');
}

/** @returns {{ run(order: object): Promise<object>, stop(): void }} WebSocket clients */
export function startChatter() {
  return startClient('chatter.mjs');
}

function startClient(file) {
  const child = forkAside(file);
  const run = (order) =>
    new Promise((resolve) => {
      child.once('message', resolve);
      child.send(order);
    });
  return { run, stop: () => child.kill('SIGKILL') };
}

function forkAside(file, args = []) {
  const child = fork(join(here, file), args, { execArgv: ['--max-semi-space-size=64'] });
  if (onPath('taskset')) execFileSync('taskset', ['-pc', '1', String(child.pid)]);
  return child;
}
