/**
 * Every call of the admin API over a real socket: what it asks of `Control`, and what it answers.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Deployment } from '../../../src/control/admin/deploymentSchemas.ts';
import { namedShapes, Problem, ServiceStatus } from '../../../src/control/admin/responseSchemas.ts';
import type { Of } from '../../../src/control/admin/shape.ts';
import type * as control from '../../../src/control/model/api.ts';
import type * as state from '../../../src/control/model/state.ts';
import { Fault } from '../../../src/errors.ts';
import { type Served, serveAdmin } from '../../support/admin.ts';
import { fakeControl, fakeService } from '../../support/fakeControl.ts';

let served: Served;

beforeEach(async () => {
  const services = [fakeService('shop'), fakeService('api', { live: 'green' })];
  served = await serveAdmin({ control: fakeControl({ services }) });
});

afterEach(() => served.close());

const order = { release: 'v2', targets: ['127.0.0.1:4001', '[::1]:4002'] };
const deploy = (body: object = order, headers: Record<string, string> = {}) =>
  served.call('POST', '/v1/services/shop/deployments', { body, headers });

test('a deployment begins with 202, says where to follow it, and names who and why', async () => {
  const answer = await deploy({ ...order, flip: 'manual', by: 'ada', why: 'a new basket' });

  expect(answer.status).toBe(202);
  expect(answer.headers.location).toBe('/v1/deployments/shop-1');
  expect(answer.json).toMatchObject({ id: 'shop-1', phase: 'starting', by: 'ada' });
  expect(served.control.calls).toEqual([
    {
      what: 'deploy',
      call: { by: 'ada', why: 'a new basket', generation: null },
      order: {
        release: 'v2',
        image: null,
        targets: [
          { host: '127.0.0.1', port: 4001 },
          { host: '::1', port: 4002 },
        ],
        flip: 'manual',
        dryRun: false,
      },
    },
  ]);
});

test('a dry run answers 200 and leads nowhere', async () => {
  const answer = await deploy({ ...order, dryRun: true });

  expect(answer.status).toBe(200);
  expect(answer.headers.location).toBeUndefined();
  expect((await served.call('GET', '/v1/deployments')).json.deployments).toEqual([]);
});

test('a target that is no host:port is refused by its place, and Control is not asked', async () => {
  const answer = await deploy({ release: 'v2', targets: ['127.0.0.1:4001', 'http://10.0.0.1/'] });

  expect(answer.status).toBe(422);
  expect(answer.json.code).toBe('TARGET_INVALID');
  expect(answer.json.detail).toContain('targets.1');
  expect(served.control.calls).toEqual([]);
});

test('no address of a deployment comes from anywhere but its targets', async () => {
  await deploy(order, {
    'x-forwarded-host': 'evil.example:80',
    'x-forwarded-for': '203.0.113.9',
    forwarded: 'host=evil.example',
    'x-target': 'evil.example:80',
  });

  expect(JSON.stringify(served.control.calls)).not.toMatch(/evil|203\.0\.113/);
});

test('a flip and a rollback answer with the receipt of the commit, and the new generation', async () => {
  await deploy({ ...order, flip: 'manual' });
  served.control.enter('shop-1', 'ready');

  const flip = await served.call('POST', '/v1/services/shop/flip');
  served.control.drain('shop-1');
  const back = await served.call('POST', '/v1/services/shop/rollback', { body: { to: 'v1' } });

  expect(flip.status).toBe(200);
  expect(flip.headers.etag).toBe('"4"');
  expect(flip.json.receipt).toMatchObject({ generation: 4, waited: 7, drained: null });
  expect(back.status).toBe(200);
  expect(back.headers.etag).toBe('"5"');
  expect(back.json).toMatchObject({ direction: 'rollback', to: { color: 'blue', release: 'v1' } });
});

test('a rollback that names neither a release nor a generation is refused: it is no toggle', async () => {
  const bare = await served.call('POST', '/v1/services/shop/rollback');
  const any = await served.call('POST', '/v1/services/shop/rollback', {
    headers: { 'if-match': '*' },
  });

  expect([bare.status, any.status]).toEqual([400, 400]);
  expect(bare.json.code).toBe('CALL_INVALID');
  expect(served.control.calls).toEqual([]);
});

test('a double click on rollback does not return to the bad version', async () => {
  const seen = (await served.call('GET', '/v1/services/shop')).headers.etag ?? '';
  const click = () =>
    served.call('POST', '/v1/services/shop/rollback', { headers: { 'if-match': seen } });

  const [first, second] = [await click(), await click()];

  expect(first.status).toBe(200);
  expect(second.status).toBe(412);
  expect(second.json).toMatchObject({ code: 'GENERATION_STALE', generation: 4 });
  expect(served.control.service('shop').live).toBe('green');
});

test('a time to confirm is a duration in words, within bounds, or nothing is asked of Control', async () => {
  const answers = [];
  for (const confirmWithin of ['10m', '4s', '8d', '10', 10]) {
    answers.push((await deploy({ ...order, confirmWithin, dryRun: true })).status);
  }
  const confirm = await served.call('POST', '/v1/services/shop/confirm', {
    headers: { 'if-match': '"3"' },
    body: { within: '1s' },
  });

  expect(answers).toEqual([200, 400, 400, 400, 400]);
  expect(confirm).toMatchObject({ status: 400, json: { code: 'BODY_INVALID' } });
  expect(served.control.calls).toHaveLength(1);
});

test('why going back is unsafe is a sentence, and a rollback repeats it', async () => {
  const answers = [];
  for (const rollbackUnsafe of [
    '  the schema moved on ',
    '',
    '   ',
    'two\nlines',
    'x'.repeat(501),
  ]) {
    answers.push((await deploy({ ...order, rollbackUnsafe, dryRun: true })).status);
  }
  const back = { to: 'v0', unsafe: 'the schema moved on' };
  const rollback = await served.call('POST', '/v1/services/shop/rollback', { body: back });

  expect(answers).toEqual([200, 400, 400, 400, 400]);
  expect(rollback.status).toBe(200);
  expect(served.control.calls.map((call) => call.order)).toEqual([
    expect.objectContaining({ rollbackUnsafe: 'the schema moved on' }),
    back,
  ]);
});

test('abort, retire, wake, pause, resume and reload answer 200 with what is now', async () => {
  await deploy();

  const abort = await served.call('DELETE', '/v1/deployments/shop-1', { body: { why: 'wrong' } });
  const retire = await served.call('DELETE', '/v1/services/shop/standby');
  const wake = await served.call('POST', '/v1/services/shop/wake');
  const pause = await served.call('POST', '/v1/services/shop/pause', { body: {} });
  const resume = await served.call('POST', '/v1/services/shop/resume');
  const reload = await served.call('POST', '/v1/config/reload');

  expect(abort.json).toMatchObject({ phase: 'aborted', error: { code: 'ABORTED' } });
  expect(retire.json.pools.green).toBeNull();
  expect(retire.headers.etag).toBe('"3"');
  expect(pause.json.paused).toBe(true);
  expect(resume.json.paused).toBe(false);
  expect(reload.json).toMatchObject({ changed: ['shop'] });
  expect(wake.json.rollback).toMatchObject({ ready: true, asleep: false });
  expect([abort, retire, wake, pause, resume, reload].map(({ status }) => status)).toEqual(
    new Array(6).fill(200),
  );
});

test('history is newest first, of one service or all, and bounded', async () => {
  await deploy();
  served.control.fail('shop-1', 'GATE_TIMEOUT', 'It did not become healthy.');
  await deploy();

  const all = await served.call('GET', '/v1/deployments?service=shop');
  const one = await served.call('GET', '/v1/deployments?limit=1');
  const wrong = await served.call('GET', '/v1/deployments?limit=1001');
  const nobody = await served.call('GET', '/v1/deployments?service=nope');

  expect(all.json.deployments.map((d: { id: string }) => d.id)).toEqual(['shop-2', 'shop-1']);
  expect(one.json.deployments).toHaveLength(1);
  expect(wrong.json).toMatchObject({ status: 400, code: 'CALL_INVALID' });
  expect(wrong.json.detail).toContain('limit');
  expect(nobody.json.code).toBe('SERVICE_UNKNOWN');
});

test('readyz says why not, and the process is up all the same', async () => {
  served.control.setReady(['Worker 2 has no table yet.']);

  const ready = await served.call('GET', '/readyz');
  const health = await served.call('GET', '/healthz');

  expect(ready.status).toBe(503);
  expect(ready.json).toEqual({ ready: false, reasons: ['Worker 2 has no table yet.'] });
  expect([health.status, health.text]).toEqual([200, 'ok\n']);
});

test('metrics are the page of Control, byte for byte', async () => {
  const answer = await served.call('GET', '/metrics');

  expect(answer.text).toBe('pointsman_live{service="shop",color="blue"} 1\n');
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
});

test('a refusal is problem+json with code, request and whether to try again', async () => {
  const answer = await served.call('GET', '/v1/services/nope');

  expect(answer.headers['content-type']).toBe('application/problem+json');
  expect(answer.json).toEqual({
    type: 'urn:pointsman:error:SERVICE_UNKNOWN',
    title: 'There is no such service',
    status: 404,
    detail: 'There is no service nope.',
    code: 'SERVICE_UNKNOWN',
    instance: `urn:uuid:${answer.headers['x-request-id']}`,
    retry: false,
    service: 'nope',
  });
});

test('the details of a fault never overwrite the members of a problem', async () => {
  served.control.failNext(new Fault('DRIVER_UNAVAILABLE', 'The engine is away.', { status: 'x' }));

  const answer = await deploy();

  expect(answer.json.status).toBe(503);
  expect(answer.headers['retry-after']).toBe('1');
});

test('a bug is 500 without its stack, is logged, and is handed to the policy of the process', async () => {
  served.control.failNext(new TypeError('secret is not a function'));

  const answer = await deploy();

  expect(answer.status).toBe(500);
  expect(answer.json.code).toBe('INTERNAL');
  expect(answer.text).not.toContain('secret');
  expect(served.logged).toContainEqual(
    expect.objectContaining({ level: 'error', message: expect.stringContaining('secret') }),
  );
  await expect.poll(() => served.bugs).toEqual([expect.any(TypeError)]);
});

test.each([
  'GET /v1/nope',
  'POST /v1/services',
  'PUT /v1/services/shop',
  'GET /v1/services/__proto__',
  'GET /v1/services/constructor',
])('%s is not found, and says so as a problem', async (line) => {
  const [method = '', path = ''] = line.split(' ');

  const answer = await served.call(method, path);

  expect(answer.status).toBe(404);
  expect(answer.json.code).toMatch(/^(NOT_FOUND|SERVICE_UNKNOWN)$/);
});

test('what is answered has the documented shape', async () => {
  const ajv = new Ajv2020({ strict: false });
  for (const shape of namedShapes) ajv.addSchema(JSON.parse(JSON.stringify(shape)));
  const holds = (shape: { $id: string }, value: unknown) => {
    ajv.validate(shape.$id, value);
    return ajv.errors ?? [];
  };
  await deploy();
  served.control.flipNow('shop-1');

  const list = await served.call('GET', '/v1/services');
  const one = await served.call('GET', '/v1/deployments/shop-1');
  const problem = await served.call('GET', '/v1/deployments/nope');

  expect(list.json.services.flatMap((s: unknown) => holds(ServiceStatus, s))).toEqual([]);
  expect(holds(Deployment, one.json)).toEqual([]);
  expect(holds(Problem, problem.json)).toEqual([]);
  expect(holds(Deployment, { ...one.json, more: 1 })).not.toEqual([]);
});

// Documented shapes are the types of control.ts and state.ts: the compiler says when they drift.
const sameDeployment: (shape: Of<typeof Deployment>) => state.Deployment = (d) => d;
const sameService: (shape: Of<typeof ServiceStatus>) => control.ServiceStatus = (s) => s;

test('documented shapes are assignable to the types they describe', () => {
  expect([sameDeployment, sameService]).toHaveLength(2);
});
