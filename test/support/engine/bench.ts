/**
 * What a test of the docker driver works with: drivers that are closed after it, orders, and events
 * to wait for.
 *
 * The rule this file keeps: nothing waits for time. `until` looks again at each event, and at short
 * steps for what no event tells.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { type Clock, systemClock } from '../../../src/clock.ts';
import {
  type DockerDriver,
  dockerDriver,
} from '../../../src/control/drivers/docker/dockerDriver.ts';
import type { DriverEvent, RunningTarget } from '../../../src/control/drivers/driver.ts';
import { silentLog } from '../../../src/log.ts';
import { engineMark } from '../dockerd.ts';
import type { TestEngine } from '../engine.ts';
import { patienceMs } from '../form.ts';

export interface Watched {
  readonly driver: DockerDriver;
  readonly stateDir: string;
  /** All that it has told so far. */
  readonly events: readonly DriverEvent[];
  /** Resolves when the last thing told of the pool's targets is so. */
  told(poolId: string, wanted: (targets: readonly RunningTarget[]) => boolean): Promise<void>;
  /** Resolves when an event was told. */
  heard(wanted: (event: DriverEvent) => boolean): Promise<void>;
}

export interface Opening {
  /** Of a driver that died, to be the same Pointsman again. */
  readonly stateDir?: string;
  /** The socket of the engine unless said. */
  readonly dockerHost?: string;
  readonly clock?: Clock;
}

export interface Workbench {
  open(more?: Opening): Promise<Watched>;
  /** A folder that is removed after the test. */
  folder(): Promise<string>;
  clear(): Promise<void>;
}

export function workbench(engine: () => TestEngine): Workbench {
  const drivers: DockerDriver[] = [];
  const folders: string[] = [];
  const folder = async (): Promise<string> => {
    const made = await mkdtemp(join(tmpdir(), 'pointsman-docker-'));
    folders.push(made);
    return made;
  };
  return {
    folder,
    async open({ stateDir: given, dockerHost = engine().host, clock = systemClock } = {}) {
      const stateDir = given ?? (await folder());
      const driver = dockerDriver({ clock, log: silentLog, stateDir, dockerHost });
      drivers.push(driver);
      const events: DriverEvent[] = [];
      driver.watch((event) => events.push(event));
      return {
        driver,
        stateDir,
        events,
        heard: (wanted) => until(() => events.some(wanted)),
        told: (poolId, wanted) =>
          until(() => {
            const last = events.findLast(
              (event) => event.kind === 'targets' && event.poolId === poolId,
            );
            return last?.kind === 'targets' && wanted(last.targets);
          }),
      };
    },
    async clear() {
      for (const one of drivers.splice(0)) one.close();
      await engine().clear();
      for (const one of folders.splice(0)) await rm(one, { recursive: true, force: true });
    },
  };
}

/** Resolves once it is so. @throws where a test hangs: engines and ssh take their time. */
export async function until(wanted: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!(await wanted())) {
    if (performance.now() > end) throw new Error(`not so within ${patienceMs} ms: ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface Answer {
  readonly version: string;
  readonly name?: string;
  readonly mark?: string;
  readonly engine?: string;
}

/** What the app at an address says of itself; null: nobody of this engine is there. */
export async function answerOf(
  target: Pick<RunningTarget, 'host' | 'port'>,
): Promise<Answer | null> {
  const response = await fetch(`http://${target.host}:${target.port}/`);
  const answer = (await response.json()) as Answer;
  return answer.engine === engineMark ? answer : null;
}

/** What the app behind a target says of itself, once it listens. */
export async function ask(
  target: Pick<RunningTarget, 'host' | 'port'> | undefined,
): Promise<Answer> {
  if (target === undefined) throw new Error('there is no target to ask');
  let answer: Answer | null = null;
  let wrong: unknown = null;
  const answered = until(async () => {
    try {
      answer = await answerOf(target);
    } catch (thrown) {
      wrong = thrown;
    }
    return answer !== null;
  });
  await answered.catch((cause: unknown) => {
    const why = inspect(wrong, { depth: 3 });
    throw new Error(`${target.host}:${target.port} did not answer: ${why}`, { cause });
  });
  if (answer === null) throw new Error('unreachable');
  return answer;
}
