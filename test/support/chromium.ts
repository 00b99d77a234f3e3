/**
 * Where a Chromium is on this machine.
 *
 * The rule this file keeps: it imports no test runner, since what a run says before it begins asks
 * here too.
 */
import { existsSync } from 'node:fs';

const candidates = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

export const chromiumPath = candidates.find((path) => path !== undefined && existsSync(path));

/** Null: there is one. */
export function whyNoBrowser(): string | null {
  return chromiumPath === undefined ? 'no Chromium here; apt-get install chromium' : null;
}
