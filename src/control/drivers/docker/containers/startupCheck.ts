/**
 * The first moments of a container: it listens, it is slow, or it is dead already.
 *
 * The rule this file keeps: it costs a deployment nothing. It waits only while nothing listens on
 * the port, when no probe could pass; and it asks for nothing, so that what the app answers stays
 * the prober's.
 */
import { connect } from 'node:net';
import { type Clock, pause } from '../../../../clock.ts';
import { Fault } from '../../../../errors.ts';
import type { PinnedDockerRun } from '../../../model/state.ts';
import type { Engine } from '../engine/engine.ts';
import { addressOf, type Here } from './addressing.ts';
import { inspect } from './containers.ts';
import { type ContainerFacts, endOf } from './facts.ts';
import { lastOutput } from './output.ts';

/** What neither listens nor dies by then is slow; the prober and the events take over. */
const limitMs = 3_000;
const stepMs = 40;
/** The engine's own proxy accepts for an app that does not listen, and hangs up at once. */
const holdMs = 30;

/**
 * @throws Fault START_FAILED with exit code and last output where it ended, DRIVER_UNAVAILABLE,
 *   ABORTED.
 */
export async function checkStartup(
  dependencies: { readonly engine: Engine; readonly clock: Clock },
  here: Here,
  begun: ContainerFacts,
  run: PinnedDockerRun,
  signal: AbortSignal,
): Promise<void> {
  const { engine, clock } = dependencies;
  const until = clock.now() + limitMs;
  const look = async (): Promise<ContainerFacts> => {
    const facts = await inspect(engine, begun.id);
    if (facts === null) throw new Fault('START_FAILED', `${begun.name} was removed at its start.`);
    if (!facts.running) throw await failure(engine, facts);
    return facts;
  };
  while (true) {
    const address = addressOf(here, await look(), run.port);
    if (address !== null && (await listens(address, clock, look))) return;
    if (clock.now() >= until) return;
    await pause(clock, stepMs, signal);
    if (signal.aborted) throw new Fault('ABORTED');
  }
}

async function failure(engine: Engine, facts: ContainerFacts): Promise<Fault> {
  const lines = await lastOutput(engine, facts);
  const output = lines.length === 0 ? 'It wrote nothing.' : `Last output: ${lines.join(' | ')}`;
  return new Fault('START_FAILED', `${facts.name} ${endOf(facts)} at its start. ${output}`, {
    container: facts.name,
    exitCode: facts.exitCode,
    outOfMemory: facts.outOfMemory,
    output: lines,
  });
}

/**
 * Whether a connection is taken, and kept for a moment and one more look: on a busy machine the
 * engine is as late with its answer as its proxy is with hanging up.
 *
 * @throws what `look` throws.
 */
function listens(
  { host, port }: { readonly host: string; readonly port: number },
  clock: Clock,
  look: () => Promise<unknown>,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let cancel = clock.after(limitMs, () => finish(false));
    const finish = (answer: boolean): void => {
      cancel();
      socket.destroy();
      resolve(answer);
    };
    const lookAgain = (): void => {
      look().then(
        () => finish(true),
        (thrown: unknown) => {
          reject(thrown);
          finish(false);
        },
      );
    };
    socket.once('connect', () => {
      cancel();
      cancel = clock.after(holdMs, lookAgain);
    });
    // An app may greet first; it listens.
    socket.once('data', () => finish(true));
    socket.once('end', () => finish(false));
    socket.once('error', () => finish(false));
  });
}
