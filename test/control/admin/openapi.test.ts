/** The OpenAPI document says everything the admin API does. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { routes } from '../../../src/control/admin/routes.ts';
import { type FaultCode, faults } from '../../../src/errors.ts';
import { type Answered, type Served, serveAdmin } from '../../support/admin.ts';

let served: Served;
let document: Answered['json'];

beforeAll(async () => {
  served = await serveAdmin();
  document = (await served.call('GET', '/openapi.json')).json;
});

afterAll(() => served.close());

/** Faults that never answer a call: the data plane's, and those a process starts or ends with. */
const elsewhere: readonly FaultCode[] = [
  'PORT_IN_USE',
  'STATE_UNREADABLE',
  'REVISION_STALE',
  'START_FAILED',
  'GATE_TIMEOUT',
  'HOOK_FAILED',
  'FLIP_FENCED',
  // In the status of a certificate, and in the log.
  'CERTIFICATE_INVALID',
  'AUTHORITY_UNREACHABLE',
  'AUTHORITY_REFUSED',
  'AUTHORITY_LIMITED',
  'AUTHORITY_MALFORMED',
  'CHALLENGE_FAILED',
  'INTERRUPTED',
  'ABORTED',
];

test('every route is in the document, with its name', () => {
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    expect(document.paths[path]?.[route.method.toLowerCase()]?.operationId).toBe(route.id);
  }
  for (const path of ['/v1/events', '/healthz', '/readyz', '/metrics', '/openapi.json']) {
    expect(document.paths[path]?.get?.operationId).toBeTruthy();
  }
});

test('every code that an operator can meet stands at some call, under its own status', () => {
  const codes = Object.keys(faults) as FaultCode[];
  const dataPlane = codes.slice(0, codes.indexOf('BODY_INVALID'));
  const wanted = codes.filter((code) => !dataPlane.includes(code) && !elsewhere.includes(code));

  const told = new Map<string, Set<string>>();
  for (const operations of Object.values<Answered['json']>(document.paths)) {
    for (const operation of Object.values<Answered['json']>(operations)) {
      for (const [status, answer] of Object.entries<Answered['json']>(operation.responses)) {
        for (const [, code = ''] of answer.description.matchAll(/`([A-Z_]+)`/g)) {
          told.set(code, (told.get(code) ?? new Set()).add(status));
        }
      }
    }
  }

  for (const code of wanted) {
    // NOT_FOUND answers what is no call at all, so it stands only in the list of codes.
    if (code === 'NOT_FOUND') continue;
    expect([code, [...(told.get(code) ?? [])]]).toEqual([code, [String(faults[code].status)]]);
  }
});

test('the list of codes in a problem is the one table, and the code of a bug', () => {
  const listed = document.components.schemas.Problem.properties.code.enum;

  expect(listed).toEqual([...Object.keys(faults), 'INTERNAL']);
});

test('every answer has a shape, and every reference leads somewhere', () => {
  const text = JSON.stringify(document);
  const used = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, n]) => n);

  expect(new Set(used)).toContain('Deployment');
  for (const name of used) expect(document.components.schemas).toHaveProperty(name ?? '');
  expect(text).not.toMatch(/"\$ref":"(?!#\/components)/);
  for (const operations of Object.values<Answered['json']>(document.paths)) {
    for (const operation of Object.values<Answered['json']>(operations)) {
      for (const answer of Object.values<Answered['json']>(operation.responses)) {
        expect(Object.keys(answer.content ?? {})).toHaveLength(1);
      }
    }
  }
});

test('calls that change something take If-Match, Idempotency-Key and X-Pointsman-By', () => {
  const deploy = document.paths['/v1/services/{service}/deployments'].post;
  const names = deploy.parameters.map((p: { name: string }) => p.name);

  expect(names).toEqual(
    expect.arrayContaining(['service', 'If-Match', 'Idempotency-Key', 'X-Pointsman-By']),
  );
  expect(document.paths['/v1/services/{service}'].get.parameters).toHaveLength(1);
});

test('the documents page works with the policy it is served with: no inline script, nothing foreign', async () => {
  const page = await served.call('GET', '/docs/');
  const scripts = [...page.text.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)];

  expect(page.status).toBe(200);
  expect(page.headers['content-security-policy']).toContain("default-src 'self'");
  expect(scripts.length).toBeGreaterThan(0);
  for (const [, attributes, inside] of scripts) {
    expect(attributes).toMatch(/src="\.?\//);
    expect(inside?.trim()).toBe('');
  }
  const script = await served.call('GET', '/docs/static/swagger-ui-bundle.js');
  expect(script.status).toBe(200);
  expect(script.headers['content-type']).toContain('javascript');
});
