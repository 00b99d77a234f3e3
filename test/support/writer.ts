/**
 * A process that saves without end, to be killed at a bad moment: `writer <dir> [how many saves]`.
 *
 * The rule this file keeps: it tells on stdout of every save before and after it, one line each, so
 * that whoever killed it knows which states may be found.
 */
import { writeSync } from 'node:fs';
import { fileStore } from '../../src/control/stores/file.ts';
import { reasonOf } from '../../src/errors.ts';
import { deploymentOf, stateWith } from './states.ts';

const [dir = '.', count = 'Infinity'] = process.argv.slice(2);
const say = (line: string): number => writeSync(1, `${line}\n`);

try {
  const store = await fileStore(dir);
  const loaded = await store.load();
  let revision = loaded?.revision ?? '';
  let fill = (loaded?.state.services.shop?.generation ?? 1) - 1;
  for (let left = Number(count); left > 0; left--) {
    fill++;
    say(`begin ${fill}`);
    revision = await store.save(stateWith('green', fill), revision);
    say(`end ${fill}`);
    await store.append(deploymentOf('shop', fill));
    say(`appended ${fill}`);
  }
} catch (caught) {
  say(`failed ${(caught as { code?: string }).code} ${reasonOf(caught)}`);
  process.exitCode = 1;
}
