/**
 * Nobody confirms a release, and whatever is killed around its deadline, real processes go back from
 * it once; what was confirmed stays.
 */
import { expect, test } from 'vitest';
import { type ServiceStatus, sidesOf } from '../../src/control/model/api.ts';
import { kill, type Pointsman, startPointsman, startReleases, until } from '../support/whole.ts';

const withinMs = 5_000;

/** v1 is warm, v2 live and to be confirmed. */
async function unconfirmed(): Promise<{ pointsman: Pointsman; status: ServiceStatus }> {
  const { v1 = '', v2 = '' } = await startReleases(['v1', 'v2']);
  const pointsman = await startPointsman({
    workers: 2,
    run: { static: {} },
    first: { release: 'v1', targets: [v1] },
  });
  const { json } = await pointsman.deploy('v2', {
    targets: [v2],
    confirmWithin: `${withinMs}ms`,
  });
  expect((await pointsman.flipped(json.id)).error).toBeNull();
  return { pointsman, status: await pointsman.status() };
}

async function returned(pointsman: Pointsman): Promise<void> {
  await until('v1 is live again', async () => {
    const status = await pointsman.status();
    return sidesOf(status).live?.release === 'v1' && status.deployment?.endedAt !== null;
  });
  const status = await pointsman.status();
  expect(status).toMatchObject({ generation: 3, confirm: null });
  const back = (await pointsman.history()).filter(({ cause, receipt }) => cause && receipt);
  expect(back).toHaveLength(1);
  expect(back[0]).toMatchObject({ by: 'pointsman', cause: { kind: 'unconfirmed', release: 'v2' } });
}

test.each(['before', 'at', 'after'] as const)(
  'kill -9 of the controller %s the deadline: it is gone back from, exactly once',
  async (when) => {
    const { pointsman, status } = await unconfirmed();
    const deadline = Date.parse(status.confirm?.until ?? '');
    const aroundMs = { before: -1_000, at: 3, after: 60 }[when];

    await until('the moment has come', () => Date.now() >= deadline + aroundMs);
    const { controller } = pointsman.pids();
    kill(controller ?? 0, 'SIGKILL');

    await returned(pointsman);
  },
);

test('kill -9 of everything before the deadline, and a start after it: it goes back by itself', async () => {
  const { pointsman, status } = await unconfirmed();
  await pointsman.crash();
  const deadline = Date.parse(status.confirm?.until ?? '');
  await until('the deadline has passed', () => Date.now() > deadline);

  await pointsman.start();

  await returned(pointsman);
});

test('what was confirmed stays, over a kill -9 and its deadline', async () => {
  const { pointsman, status } = await unconfirmed();
  const said = await pointsman.call('POST', '/v1/services/shop/confirm', {
    headers: { 'if-match': `"${status.generation}"` },
    body: {},
  });
  await pointsman.crash();
  const deadline = Date.parse(status.confirm?.until ?? '');
  await until('the deadline has passed', () => Date.now() > deadline + 500);

  await pointsman.start();

  expect(said.status).toBe(200);
  const after = await until('the warm pool is ready', async () => {
    const now = await pointsman.status();
    return now.rollback.ready ? now : null;
  });
  expect(after).toMatchObject({ generation: 2, confirm: null });
  expect(sidesOf(after).live?.release).toBe('v2');
});
