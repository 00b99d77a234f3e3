/**
 * All three roles in one process (`workers: 0`): for a laptop, the tests, a small box.
 *
 * The rule this file keeps: the same controller and the same data plane as with workers; only what
 * stands between them is a call in place of a message.
 */
import { systemClock } from './clock.ts';
import type { Config } from './config/config.ts';
import { Controller } from './control/controller.ts';
import { Fault } from './errors.ts';
import { descriptorsMax, type GivenListener, holdListeners } from './listener.ts';
import { openLog } from './log.ts';
import { LocalDataPlane } from './proxy/localDataPlane.ts';
import { Plane } from './proxy/plane.ts';
import { createEntrances } from './proxy/serving/entrances.ts';
import { Listener } from './proxy/serving/listener.ts';
import type { SupervisorOptions } from './supervisor.ts';

/**
 * Descriptors for files and operators, and the share of the others for clients: the rest goes to
 * targets.
 */
const descriptorsKept = 64;
const clientShare = 0.6;

/**
 * @param given sockets that are bound already.
 * @param up is told where it listens, once it does.
 * @returns the exit code, when it was told to end.
 * @throws Fault of the start: config, state, ports
 */
export async function runAlone(
  config: Config,
  configFile: string,
  given: readonly GivenListener[],
  up: SupervisorOptions['up'],
): Promise<number> {
  const log = openLog('pointsman');
  const plane = new Plane({ clock: systemClock, worker: 0, sink: log });
  const listener = new Listener(plane, createEntrances(plane), null);
  // Whoever cannot connect must not keep the operator out as well.
  listener.limit(Math.floor((descriptorsMax() - descriptorsKept) * clientShare));
  const { listen, tls, admin } = config;
  const all = await holdListeners([...listen, ...(tls?.listen ?? []), admin.listen], given);
  const held = all.slice(0, -1);
  const controller = await Controller.start({
    config,
    configFile,
    plane: new LocalDataPlane(plane),
    clock: systemClock,
    log,
    adminSocket: all.at(-1)?.handle ?? null,
    onBug: (thrown) => {
      log.error({ stack: thrown instanceof Error ? thrown.stack : null }, `bug: ${thrown}`);
      void log.written().then(() => process.exit(1));
    },
  });
  // Not before it has a table and certificates: until then the kernel keeps whoever comes.
  for (const [at, one] of held.entries()) await listener.listen(one, at >= listen.length);
  const bound = held.map(({ address }) => address);
  up({
    plain: bound.slice(0, listen.length),
    secure: bound.slice(listen.length),
    admin: controller.adminAddress,
  });
  process.on('SIGHUP', () => {
    controller.reload().catch((thrown: unknown) => {
      if (!(thrown instanceof Fault)) throw thrown;
    });
  });
  const signal = await new Promise<string>((resolve) => {
    for (const one of ['SIGTERM', 'SIGINT'] as const) process.once(one, () => resolve(one));
  });
  const endNow = (): void => void log.written().then(() => process.exit(1));
  for (const one of ['SIGTERM', 'SIGINT'] as const) process.once(one, endNow);
  log.info({ signal, limitMs: config.shutdownMs }, 'stopping: what is in flight may end');
  controller.stopping();
  await listener.close(config.shutdownMs);
  await controller.close();
  await log.written();
  return 0;
}
