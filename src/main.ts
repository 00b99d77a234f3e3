#!/usr/bin/env node
/**
 * From argv to a command, and from the environment to a role: every process of Pointsman starts
 * here.
 *
 * The rule this file keeps: it imports nothing before it knows which part of the program is wanted,
 * so that the supervisor stays small and the CLI starts fast.
 */
import { readFileSync } from 'node:fs';
import { catchTrigger } from './handover/trigger.ts';
import { childEnv } from './ipc.ts';

catchTrigger();

const role = process.env[childEnv.role];
// What Pointsman starts (releases, an editor, itself) must not take itself for a part of it.
delete process.env[childEnv.role];

if (role !== undefined) (await import('./priority.ts')).raisePriority();

if (role === 'worker') {
  const { runWorker } = await import('./proxy/serving/worker.ts');
  runWorker();
} else if (role === 'controller') {
  const { runController } = await import('./control/controllerProcess.ts');
  await runController();
} else {
  const [{ main }, { processIo }, { run }] = await Promise.all([
    import('./cli/main.ts'),
    import('./cli/io.ts'),
    import('./run.ts'),
  ]);
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  process.exitCode = await main(
    process.argv.slice(2),
    processIo(version, (file) => run(file, version)),
  );
}
