/**
 * Before any test: it is said what will run, and what end-to-end tests start is built from what is
 * tested.
 *
 * The rule this file keeps: the same script that `npm start` runs, so that the tests prove it as
 * well.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { whyNoBrowser } from './chromium.ts';
import { whyNoEngine } from './dockerd.ts';
import { areNamed, long, longOnly } from './form.ts';
import { formText } from './formText.ts';

const script = fileURLToPath(new URL('../../deploy/setup.mjs', import.meta.url));

export default function build(): void {
  if (!areNamed(process.argv.slice(2))) {
    const plain = process.env.POINTSMAN_TESTS === 'plain' ? 'POINTSMAN_TESTS=plain' : null;
    const noEngine = plain ?? whyNoEngine();
    const text = formText({ long, longOnly, noEngine, noBrowser: whyNoBrowser() });
    process.stderr.write(`${text}\n\n`);
  }
  // For an engineer who builds in another terminal.
  if (process.env.POINTSMAN_BUILT !== undefined) return;
  const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed: run "npm run build" to see why');
}
