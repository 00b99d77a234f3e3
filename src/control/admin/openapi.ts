/**
 * The OpenAPI document, made from the routes: what each call answers and every code it refuses
 * with.
 *
 * The rule this file keeps: nothing in the document is written twice. Titles come from the one
 * table of faults, shapes from the routes.
 */
import { type FaultCode, faults } from '../../errors.ts';
import { problemType } from './problem.ts';
import { EventsQuery } from './requestSchemas.ts';
import { bugCode, refs } from './responseSchemas.ts';
import type { Route } from './routes.ts';
import { SessionState, SignInBody } from './session.ts';
import { type Shape, Type } from './shape.ts';

/** What fastify keeps with a route: for validation, and for the document. */
export interface Documented {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly params?: Shape;
  readonly querystring?: Shape;
  readonly body?: Shape;
  readonly response: Readonly<Record<string, unknown>>;
}

const everywhere: readonly FaultCode[] = [
  'CALL_INVALID',
  'UNAUTHORIZED',
  'HOST_FORBIDDEN',
  'ORIGIN_FORBIDDEN',
  'RATE_LIMITED',
  'STARTING',
];
const ofBodies: readonly FaultCode[] = ['BODY_INVALID', 'ADMIN_BODY_TOO_LARGE'];

export function documented(route: Route): Documented {
  const changes = route.method !== 'GET';
  const codes = [
    ...everywhere,
    ...(route.body ? ofBodies : []),
    ...(changes ? (['IDEMPOTENCY_MISMATCH', 'FORBIDDEN', 'CSRF_REQUIRED'] as const) : []),
    ...route.faults,
  ];
  return {
    operationId: route.id,
    summary: route.summary,
    tags: [tagOf(route.path)],
    ...(route.params && { params: route.params }),
    ...(route.query && { querystring: route.query }),
    ...(route.body && { body: route.body }),
    response: { ...responsesOf(route.responses), ...refusalsOf(codes) },
  };
}

/** For routes that do not answer JSON of a shape. */
export function documentedPlain(
  id: string,
  summary: string,
  tag: string,
  responses: Readonly<Record<number, { type: string; shape?: Shape }>>,
  open = false,
): Documented {
  const response = Object.entries(responses).map(([status, { type, shape }]) => [
    status,
    { description: 'As asked', content: { [type]: { schema: shape ?? Type.String() } } },
  ]);
  const codes: readonly FaultCode[] = open ? ['HOST_FORBIDDEN', 'ORIGIN_FORBIDDEN'] : everywhere;
  return {
    operationId: id,
    summary,
    tags: [tag],
    response: { ...refusalsOf(codes), ...Object.fromEntries(response) },
  };
}

/** The stream of events. */
export const documentedEvents: Documented = {
  ...documentedPlain(
    'followEvents',
    'What happens, as server-sent events; Last-Event-ID goes on where a reader left off.',
    'events',
    { 200: { type: 'text/event-stream' } },
  ),
  querystring: EventsQuery,
};

/** Signing in with a browser. */
export function documentedSession(id: 'getSession' | 'signIn' | 'signOut'): Documented {
  const summary = {
    getSession: 'Whether a token is needed, and what this session may do.',
    signIn: 'Show a token once; a cookie stands for it from then on.',
    signOut: 'Ends the session.',
  }[id];
  const responses = { 200: { type: 'application/json', shape: SessionState } };
  const plain = documentedPlain(id, summary, 'session', responses, id === 'getSession');
  if (id !== 'signIn') return plain;
  const codes: readonly FaultCode[] = [...everywhere, ...ofBodies];
  return { ...plain, body: SignInBody, response: { ...plain.response, ...refusalsOf(codes) } };
}

/** What the document says of the API as a whole. */
export function documentHead(version: string) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Pointsman admin API',
      version,
      description:
        'Every refusal is application/problem+json (RFC 9457) and has changed nothing; its `code` is ' +
        'stable. Services carry an ETag; send it back as If-Match, so that a call is refused where ' +
        'the service has changed since you looked.',
    },
    components: {
      securitySchemes: { token: { type: 'http' as const, scheme: 'bearer' } },
    },
    security: [{ token: [] }],
  };
}

const callHeaders = [
  header('If-Match', 'The generation the service must have, in quotes, or *. Else 412.'),
  header('Idempotency-Key', 'The same call under the same key is done once, and answered again.'),
  header('X-Pointsman-By', 'Who calls, for history.'),
];

/**
 * Adds the headers that every call that changes something takes, and frees the open calls of the
 * token.
 */
export function complete(document: object, open: readonly string[]): object {
  const paths = (document as { paths?: Record<string, Record<string, Operation>> }).paths ?? {};
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (method !== 'get') {
        operation.parameters = [...(operation.parameters ?? []), ...callHeaders];
      }
      if (open.includes(path)) operation.security = [];
    }
  }
  return document;
}

interface Operation {
  parameters?: readonly unknown[];
  security?: readonly unknown[];
}

function header(name: string, description: string): object {
  return { name, in: 'header', required: false, description, schema: { type: 'string' } };
}

function responsesOf(responses: Readonly<Record<number, Shape>>): Record<string, unknown> {
  const described = Object.entries(responses).map(([status, shape]) => [
    status,
    {
      description: status === '202' ? 'It has begun' : 'Done, or as asked',
      content: { 'application/json': { schema: shape } },
    },
  ]);
  return Object.fromEntries(described);
}

function refusalsOf(codes: readonly FaultCode[]): Record<string, unknown> {
  const lines = new Map<number, string[]>();
  for (const code of codes) {
    const { status, title } = faults[code];
    lines.set(status, [...(lines.get(status) ?? []), `\`${code}\`: ${title}`]);
  }
  lines.set(500, [...(lines.get(500) ?? []), `\`${bugCode}\`: a bug`]);
  const described = [...lines].map(([status, said]) => [
    String(status),
    { description: said.join('\n\n'), content: { [problemType]: { schema: refs.problem } } },
  ]);
  return Object.fromEntries(described);
}

function tagOf(path: string): string {
  return path.split('/')[2] ?? 'process';
}
