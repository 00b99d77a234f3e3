/**
 * Draws the tokens of the admin API where there are none yet: one to act with, one to look with.
 *
 * The rule this file keeps: what is there is left alone, and each file is readable by those who
 * need it and by nobody else: the operator's by Pointsman, the reader's by Prometheus beside.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, writeFileSync } from 'node:fs';

const pointsman = 1000;
/** The group of Prometheus' image. */
const nobody = 65534;
for (const [file, mode, group] of [
  ['/run/secrets/pointsman-operator', 0o400, pointsman],
  ['/run/secrets/pointsman-reader', 0o440, nobody],
]) {
  if (existsSync(file)) continue;
  writeFileSync(file, `${randomBytes(32).toString('base64url')}\n`, { mode });
  chmodSync(file, mode);
  chownSync(file, pointsman, group);
}
