/** A run of the suite says before it begins what it leaves out; and leaves out nothing else. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { areNamed, longOnly, slowest } from '../support/form.ts';
import { formText } from '../support/formText.ts';
import { read, root } from '../support/source.ts';

test('the short form says how long it takes, and each thing it leaves out with the reason', () => {
  const noEngine = 'starting dockerd takes root';
  const text = formText({ long: false, longOnly, noEngine, noBrowser: 'no Chromium here' });

  expect(text).toMatch(/^The short form: about \w+ minutes on two idle cores; CI=true/);
  expect(text).toContain('skipped: what needs a Docker Engine: starting dockerd takes root');
  expect(text).toContain('skipped: what needs a browser: no Chromium here');
  for (const [file, what] of Object.entries(longOnly)) expect(text).toContain(`${what} (${file})`);
});

test('the long form leaves out nothing, and says at once what will fail for want of something', () => {
  const text = formText({ long: true, longOnly, noEngine: 'no dockerd', noBrowser: null });

  expect(text).not.toMatch(/left out|skipped:/);
  expect(text).toContain('fails: what needs a Docker Engine: no dockerd');
});

test('every file of the long form exists, and one that is asked for by name is run in any case', () => {
  const named = [...Object.keys(longOnly), ...slowest];
  expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  expect(areNamed(['run'])).toBe(false);
  expect(areNamed(['run', '--reporter', 'dot'])).toBe(false);
  expect(areNamed(['run', 'test/e2e/package.test.ts'])).toBe(true);
  expect(read('.ci/run')).toContain('export CI=true');
});
