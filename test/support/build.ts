/**
 * Before any test: what end-to-end tests start is built from what is tested.
 *
 * The rule this file keeps: the same script that `npm start` runs, so that the tests prove it as
 * well.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../deploy/setup.mjs', import.meta.url));

export default function build(): void {
  // For an engineer who builds in another terminal.
  if (process.env.POINTSMAN_BUILT !== undefined) return;
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed: run "npm run build" to see why');
}
