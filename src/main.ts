#!/usr/bin/env node
/**
 * From argv to a command, and from the environment to a role: every process of Pointsman starts here.
 *
 * The rule this file keeps: it imports nothing before it knows which part of the program is wanted, so
 * that the supervisor stays small and the CLI starts fast.
 */
import { childEnv } from './ipc.ts';

const role = process.env[childEnv.role];
// What Pointsman starts (releases, an editor, itself) must not take itself for a part of it.
delete process.env[childEnv.role];

if (role === 'worker') {
  const { runWorker } = await import('./proxy/worker.ts');
  runWorker();
} else if (role === 'controller') {
  const { runController } = await import('./control/process.ts');
  await runController();
} else {
  const { main } = await import('./cli/main.ts');
  const { run } = await import('./run.ts');
  process.exitCode = await main(process.argv.slice(2), { run });
}
