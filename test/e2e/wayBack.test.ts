/**
 * The way back while a release is proved, with real workers and replicas, under load: clients that
 * keep their connections and never retry.
 *
 * The rule this file keeps: what is warm stays ready until the flip of the next release, whoever is
 * killed meanwhile, and nothing is left running of one that did not get there.
 */
import { expect, test } from 'vitest';
import { Load } from '../support/clients.ts';
import { long } from '../support/form.ts';
import { marked } from '../support/processes.ts';
import { kill, type Pointsman, releaseFile, startPointsman, until } from '../support/whole.ts';

const run = { process: { command: [process.execPath, releaseFile], replicas: 1 } };

/** v1 warm on blue, v2 live on green. */
async function twoReleases(service: object = {}): Promise<Pointsman> {
  const pointsman = await startPointsman({ workers: 2, run, first: { release: 'v1' }, service });
  const { json } = await pointsman.deploy('v2');
  if (json.phase !== undefined) await pointsman.flipped(json.id);
  await until('v1 is warm', async () => (await pointsman.status()).rollback.ready);
  return pointsman;
}

/** The releases of the replicas that run now. */
async function running(pointsman: Pointsman): Promise<readonly string[]> {
  return (await marked(pointsman.stateDir)).map(({ mark }) => mark?.release ?? '').sort();
}

test('a broken release is deployed under load and fails, then the live one is left: ready all the time, no error', async () => {
  const pointsman = await twoReleases({ deploy: { timeout: '3s' } });
  const load = new Load(pointsman.port, { get: 6, post: 3, slow: 2 });
  await load.answered('v2', 50);

  const { json } = await pointsman.deploy('v3-broken');
  const looks: boolean[] = [];
  const beside = new Set<string>();
  const failed = await until('it has failed', async () => {
    const { rollback, candidate, deployment } = await pointsman.status();
    looks.push(rollback.ready);
    if (candidate !== null) beside.add(candidate.release);
    return deployment?.id === json.id && deployment?.phase === 'failed' ? deployment : null;
  });
  const back = await pointsman.rollback('v1');
  await load.answered('v1', 50);
  await load.stop();

  expect(failed.error?.code).toBe('GATE_TIMEOUT');
  expect([...beside]).toEqual(['v3-broken']);
  expect(looks.filter((ready) => !ready)).toEqual([]);
  expect(back.json.receipt).toMatchObject({ generation: 3, to: { color: 'blue', release: 'v1' } });
  expect([load.errors, load.closed]).toEqual([[], []]);
  await until('only those on record run', async () => `${await running(pointsman)}` === 'v1,v2');
});

test('a rollback while the next release is proved goes back at once, and stops that one', async () => {
  const pointsman = await twoReleases();
  const load = new Load(pointsman.port, { get: 6, post: 3, slow: 2 });
  await load.answered('v2', 20);
  const { json } = await pointsman.deploy('v3-broken');
  await until('it is proved', async () => (await pointsman.status()).candidate !== null);

  const back = await pointsman.rollback('v1');
  const asked = performance.now();
  await load.answered('v1', 50);
  await load.stop();

  expect(back.json.receipt).toMatchObject({ generation: 3, to: { release: 'v1' } });
  expect((await pointsman.flipped(json.id)).phase).toBe('aborted');
  expect(load.exchanges.filter(({ start, by }) => start > asked && by !== 'v1')).toEqual([]);
  expect([load.errors, load.closed]).toEqual([[], []]);
  await until('only those on record run', async () => `${await running(pointsman)}` === 'v1,v2');
});

test('kill -9 in each phase of a deployment beside the warm pool leaves the way back, and nothing behind', async () => {
  const pointsman = await twoReleases({ deploy: { timeout: '60s', flip: 'auto' } });
  const victims = long ? (['controller', 'everything'] as const) : (['controller'] as const);
  for (const victim of victims) {
    for (const phase of ['starting', 'probing', 'ready']) {
      const release = phase === 'ready' ? `${victim}-${phase}` : `${victim}-${phase}-broken`;
      const { json } = await pointsman.deploy(release, { flip: 'manual' });
      const told = `${victim} while ${phase}`;
      // `starting` is over with the next turn of the platform: then it is the one after it.
      if (phase !== 'starting') {
        await until(told, async () => (await pointsman.status()).deployment?.phase === phase);
      }
      if (victim === 'everything') {
        await pointsman.crash();
        pointsman.launch();
      } else kill(pointsman.pids().controller ?? 0, 'SIGKILL');

      const after = await until(`${told}: it is over`, async () => {
        const status = await pointsman.status();
        const { deployment, rollback } = status;
        const over = deployment?.id === json.id && deployment?.phase === 'failed';
        return over && rollback.ready ? status : null;
      });
      expect(after, told).toMatchObject({
        generation: 2,
        candidate: null,
        deployment: { error: { code: 'INTERRUPTED' } },
        rollback: { to: { release: 'v1' } },
      });
      await until(`${told}: nothing is left`, async () => {
        return `${await running(pointsman)}` === 'v1,v2';
      });
    }
  }

  const { json } = await pointsman.deploy('v9');
  await pointsman.flipped(json.id);
  await until('what was warm is gone', async () => `${await running(pointsman)}` === 'v2,v9');
  expect(await pointsman.status()).toMatchObject({
    generation: 3,
    rollback: { to: { release: 'v2' } },
  });
  expect(pointsman.output).not.toContain('bug:');
});
