/**
 * A controller that only drives containers: `host <options as JSON>`. To be killed, or to be run
 * inside a container.
 *
 * The rule this file keeps: it writes `begin`, then what `start` came to for each order, then a
 * line for each event; and where it may, it asks every target that it is told runs who it is.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../../src/clock.ts';
import { dockerDriver } from '../../../src/control/drivers/docker/dockerDriver.ts';
import type {
  DriverEvent,
  RunningTarget,
  StartOrder,
} from '../../../src/control/drivers/driver.ts';
import { reasonOf } from '../../../src/errors.ts';
import { silentLog } from '../../../src/log.ts';

export interface HostOptions {
  readonly stateDir: string;
  readonly dockerHost: string;
  readonly orders: readonly Omit<StartOrder, 'signal' | 'progress'>[];
  /** Ask the targets. */
  readonly ask: boolean;
}

/** One line of its output. */
export type HostLine =
  | { readonly kind: 'begin' }
  | { readonly kind: 'started'; readonly targets: readonly RunningTarget[] }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'answer'; readonly id: string; readonly at: string; readonly name: string }
  | DriverEvent;

const options = JSON.parse(process.argv[2] ?? '{}') as HostOptions;
const { stateDir, dockerHost, orders, ask } = options;
const driver = dockerDriver({ clock: systemClock, log: silentLog, stateDir, dockerHost });
const say = (line: HostLine): void => {
  writeSync(1, `${JSON.stringify(line)}\n`);
};
const question = async (targets: readonly RunningTarget[]): Promise<void> => {
  if (!ask) return;
  for (const target of targets) {
    if (target.state !== 'running') continue;
    const at = `${target.host}:${target.port}`;
    const answer = await fetch(`http://${at}/`).then(
      (response) => response.json() as Promise<{ name: string }>,
      () => ({ name: 'nobody' }),
    );
    say({ kind: 'answer', id: target.id, at, name: answer.name });
  }
};
setInterval(() => {}, 1_000_000);
say({ kind: 'begin' });
driver.watch((event) => {
  say(event);
  if (event.kind === 'targets') void question(event.targets);
});
for (const order of orders) {
  try {
    const signal = new AbortController().signal;
    const { targets } = await driver.start({ ...order, signal, progress: () => {} });
    say({ kind: 'started', targets });
    await question(targets);
  } catch (thrown) {
    say({ kind: 'failed', reason: reasonOf(thrown) });
  }
}
