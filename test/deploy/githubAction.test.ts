/**
 * The action's step, as a runner would run it, on a real Pointsman; and its inputs, each of which
 * comes to the script as a variable.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { read, root } from '../support/source.ts';
import { mainFile, startPointsman, startReleases } from '../support/whole.ts';

interface Action {
  readonly inputs: Readonly<Record<string, { readonly default?: string }>>;
  readonly outputs: Readonly<Record<string, { readonly value: string }>>;
  readonly runs: {
    readonly steps: readonly {
      readonly env: Readonly<Record<string, string>>;
      readonly run: string;
    }[];
  };
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly outputs: string;
  readonly summary: string;
}

/** Runs the step in an environment that has nothing else in it. */
function step(env: Readonly<Record<string, string>>): Promise<Ran> {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-action-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const [outputs, summary] = [join(dir, 'outputs'), join(dir, 'summary')];
  for (const file of [outputs, summary]) writeFileSync(file, '');
  const child = spawn('bash', [join(root, 'deploy/github-action/deploy.sh')], {
    env: {
      PATH: process.env.PATH,
      POINTSMAN: `${process.execPath} ${mainFile}`,
      GITHUB_OUTPUT: outputs,
      GITHUB_STEP_SUMMARY: summary,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  return new Promise((resolve) => {
    child.once('close', (code) => {
      const text = (file: string): string => readFileSync(file, 'utf8');
      resolve({ code, out, outputs: text(outputs), summary: text(summary) });
    });
  });
}

test('every input reaches the script as a variable, and none as a part of it', () => {
  const action = parse(read('deploy/github-action/action.yml')) as Action;
  const script = read('deploy/github-action/deploy.sh');
  const [{ env, run } = { env: {}, run: '' }] = action.runs.steps;
  const given = Object.values(env).join(' ');

  for (const input of Object.keys(action.inputs)) expect(given).toContain(`inputs.${input} }}`);
  for (const name of Object.keys(env)) {
    if (!name.startsWith('POINTSMAN_')) expect(script).toContain(name);
  }
  expect(run).not.toContain('${{');
  for (const output of Object.keys(action.outputs)) expect(script).toContain(`${output}=`);
});

test('a deployment, the same again, one that gets nowhere, and a name that would be a command', async () => {
  const { alder = '', birch = '' } = await startReleases(['alder', 'birch']);
  const pointsman = await startPointsman({
    workers: 0,
    run: { static: {} },
    first: { release: 'v1', targets: [alder] },
    service: { deploy: { timeout: '1s' } },
  });
  const common = { POINTSMAN_ADMIN: `http://127.0.0.1:${pointsman.adminPort}`, SERVICE: 'shop' };
  const why = { BY: 'ada', WHY: 'the "new" cart; $(touch owned) `touch owned`' };

  const first = await step({
    ...common,
    ...why,
    RELEASE: 'v2',
    TARGETS: ` ${birch} `,
    CONFIRM_WITHIN: '10m',
  });
  expect(first.code).toBe(0);
  expect(first.outputs).toBe('generation=2\ndeployment=shop-2\n');
  expect(first.summary).toMatch(
    /^\*\*shop\*\*: v2 is live\. The flip held requests for \d+\.\d ms\.\n$/,
  );
  expect(JSON.parse(first.out)).toMatchObject({
    by: 'ada',
    why: why.WHY,
    confirmWithinMs: 600_000,
  });

  const again = await step({ ...common, RELEASE: 'v2', TARGETS: birch });
  expect([again.code, again.outputs]).toEqual([0, 'generation=2\ndeployment=\n']);
  const { status } = await pointsman.call('POST', '/v1/services/shop/confirm', {
    headers: { 'if-match': '"2"' },
    body: {},
  });
  expect(status).toBe(200);

  const broken = await step({ ...common, RELEASE: 'v3', TARGETS: '127.0.0.1:1' });
  expect(broken.code).toBe(5);
  expect(broken.outputs).toBe('generation=\ndeployment=shop-3\n');
  expect(broken.summary).toMatch(/^\*\*shop\*\*: v3 is not live \(exit code 5\)\. \S/);
  expect((await step({ ...common, RELEASE: '$(touch owned)', TARGETS: birch })).code).toBe(2);
  expect((await step({ ...common, RELEASE: '' })).code).not.toBe(0);
  expect(
    (await step({ ...common, POINTSMAN_ADMIN: 'http://127.0.0.1:1', RELEASE: 'v4' })).code,
  ).toBe(4);
});
