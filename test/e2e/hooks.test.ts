/**
 * Hooks with real processes: whatever becomes of them and of who started them, the live pool is
 * untouched, the reason is one sentence, and nothing of them runs on.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { marked } from '../support/processes.ts';
import { kill, type Pointsman, preparePointsman, startReleases, until } from '../support/whole.ts';

/** Says that it was begun, and then does as the file `fate` says. */
const hook = `
const { appendFileSync, existsSync, readFileSync } = require('node:fs');
appendFileSync('begun', process.env.POINTSMAN_DEPLOYMENT + ' ' + process.env.POINTSMAN_HOOK + '\\n');
const fate = readFileSync('fate', 'utf8');
console.log('the fate is', fate);
if (fate === 'hang') {
  process.on('SIGTERM', () => {});
  setInterval(() => {}, 1e6);
} else process.exitCode = Number(fate);
`;

async function withHook(fate: string): Promise<Pointsman> {
  const { v1 = '', v2 = '' } = await startReleases(['v1', 'v2']);
  const command = { run: [process.execPath, '-e', hook], timeout: '120s' };
  const pointsman = await preparePointsman({
    workers: 1,
    run: { static: {} },
    first: { release: 'v1', targets: [v1] },
    service: { smoke: '/', hooks: { beforeFlip: [{ command }], onFailure: [{ command }] } },
  });
  writeFileSync(join(pointsman.dir, 'fate'), '0');
  writeFileSync(join(pointsman.dir, 'v2'), v2);
  await pointsman.start();
  await until('v1 is live', async () => (await pointsman.status()).live !== null);
  writeFileSync(join(pointsman.dir, 'fate'), fate);
  writeFileSync(join(pointsman.dir, 'begun'), '');
  return pointsman;
}

async function deploy(pointsman: Pointsman): Promise<string> {
  const v2 = readFileSync(join(pointsman.dir, 'v2'), 'utf8');
  const { json } = await pointsman.deploy('v2', { targets: [v2] });
  return json.id;
}

const begun = (pointsman: Pointsman): readonly string[] =>
  readFileSync(join(pointsman.dir, 'begun'), 'utf8').trimEnd().split('\n').filter(Boolean);

const running = async (pointsman: Pointsman): Promise<number> =>
  (await marked(join(pointsman.stateDir, 'hooks'))).length;

async function untouched(pointsman: Pointsman): Promise<void> {
  const status = await pointsman.status();
  expect(status).toMatchObject({ generation: 1, live: 'blue' });
  expect(status.pools.blue).toMatchObject({ release: 'v1', healthy: 1 });
  const answer = await fetch(`http://127.0.0.1:${pointsman.port}/`);
  expect(await answer.text()).toContain('v1');
}

test('exit 1: the deployment fails with the reason and the output, and what is wanted then is done once', async () => {
  const pointsman = await withHook('1');

  const id = await deploy(pointsman);

  const failed = await pointsman.flipped(id);
  expect(failed.error).toMatchObject({
    code: 'HOOK_FAILED',
    message: expect.stringMatching(
      /^v2 has not passed .*: it ended with 1\. Last output: the fate is 1$/,
    ),
  });
  await until('onFailure is over', async () => {
    const { json } = await pointsman.call('GET', `/v1/deployments/${id}`);
    const { moment, phase } = json.checks.at(-1);
    return moment === 'onFailure' && phase === 'failed';
  });
  expect(begun(pointsman)).toEqual([`${id} beforeFlip`, `${id} onFailure`]);
  await untouched(pointsman);
}, 60_000);

test('kill -9 of the controller in the middle: INTERRUPTED, its command is ended, nothing is made again', async () => {
  const pointsman = await withHook('hang');
  const id = await deploy(pointsman);
  await until('the command runs', () => begun(pointsman).length === 1);

  kill(pointsman.pids().controller ?? 0, 'SIGKILL');

  const failed = await until('it is said to be over', async () => {
    const { json } = await pointsman.call('GET', `/v1/deployments/${id}`);
    return json?.endedAt ? json : null;
  });
  expect(failed.error).toMatchObject({ code: 'INTERRUPTED' });
  expect(failed.checks).toMatchObject([
    { name: 'GET /', phase: 'passed' },
    { phase: 'stopped', result: 'Pointsman was restarted before the flip.' },
  ]);
  await until('nothing of it runs', async () => (await running(pointsman)) === 0);
  expect(begun(pointsman)).toHaveLength(1);
  await untouched(pointsman);
}, 60_000);

test('SIGTERM of Pointsman in the middle leaves nothing of it running', async () => {
  const pointsman = await withHook('hang');
  await deploy(pointsman);
  await until('the command runs', () => begun(pointsman).length === 1);

  await pointsman.stop();

  expect(await running(pointsman)).toBe(0);
}, 60_000);
