/**
 * The HTTP side of the admin API: routes, checks and answers put on fastify.
 *
 * The rule this file keeps: it is the only importer of fastify and its plugins, and every request
 * walks the same checks in the same order before anything reads its body: Host, Origin, token.
 * Proxies in front are not believed (`trustProxy` is off), and nothing is shared with other origins
 * (there is no CORS).
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import fastifyStatic from '@fastify/static';
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Clock } from '../../clock.ts';
import { Fault, reasonOf } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Control } from '../model/api.ts';
import type { Identity } from './authenticator.ts';
import { browserHeaders, plainPage } from './browser.ts';
import { callOf, idempotencyKeyOf } from './call.ts';
import { afterAnswer, answerNonsense, mayDestroy, Strangers } from './connections.ts';
import { Idempotency } from './idempotency.ts';
import {
  complete,
  documented,
  documentedEvents,
  documentedPlain,
  documentedSession,
  documentHead,
} from './openapi.ts';
import { checkHost, checkOrigin } from './origin.ts';
import { faultOf, problemOf, problemType } from './problem.ts';
import type { EventsQuery } from './requestSchemas.ts';
import { namedShapes } from './responseSchemas.ts';
import { type Answer, type Route, routes } from './routes.ts';
import { type SecureServer, serverOptions } from './secureServer.ts';
import { Readiness } from './selfSchemas.ts';
import type { Caller, Sessions, SignInBody } from './session.ts';
import { type Of, validatorCompiler } from './shape.ts';
import { afterOf, type Streams } from './streams.ts';

/** Admin bodies are small; 64 KiB holds 256 targets with room to spare. */
const bodyBytesMax = 65_536;

/** Calls that answer without a token: they say whether Pointsman is up, and nothing else. */
const openPaths = ['/healthz', '/readyz'];

export interface AppParts {
  readonly control: Control;
  readonly clock: Clock;
  readonly log: Log;
  readonly sessions: Sessions;
  readonly streams: Streams;
  /**
   * Names that a Host header may carry; asked for at every request, since a reload may change them.
   */
  names(): ReadonlySet<string>;
  /** Absolute path of the built page, or null. */
  readonly pageDir: string | null;
  /** Left out: plain HTTP. */
  readonly secure?: SecureServer | null;
  onBug(thrown: unknown): void;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before any handler of a route that is not open. */
    identity: Identity | null;
  }
  interface FastifyContextConfig {
    /** Answers without a token: the files of the page, and signing in. */
    open?: boolean;
  }
}

export type App = FastifyInstance;

/** Builds it, not yet listening. */
export async function buildApp(parts: AppParts): Promise<App> {
  const app = fastify({
    bodyLimit: bodyBytesMax,
    trustProxy: false,
    forceCloseConnections: 'idle',
    ...serverOptions(parts.secure ?? null),
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    clientErrorHandler: answerNonsense,
    frameworkErrors: (thrown, req, reply) => refuse(parts, thrown, req, reply),
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.decorateRequest('identity', null);
  app.setErrorHandler((thrown, req, reply) => refuse(parts, thrown, req, reply));
  app.setNotFoundHandler((req, reply) => {
    const fault = new Fault('NOT_FOUND', `There is no ${req.method} ${req.url.slice(0, 200)}.`);
    return refuse(parts, fault, req, reply);
  });
  addParsers(app);
  addChecks(app, parts);
  await addDocuments(app, parts);
  await app.register(async (inner) => {
    const calls = new Idempotency<Answer>(parts.clock);
    for (const route of routes) addRoute(inner, route, parts, calls);
    addEvents(inner, parts);
    addSession(inner, parts.sessions);
    addProcess(inner, parts);
  });
  await addPage(app, parts.pageDir);
  return app;
}

function addParsers(app: App): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (req, body, done) => {
    if (body === '') return done(null, undefined);
    return parseJson(req, String(body), done);
  });
}

function addChecks(app: App, parts: AppParts): void {
  const strangers = new Strangers(parts.clock);
  app.server.on('connection', (socket: Socket) => strangers.admit(socket));
  app.addHook('onRequest', async (req, reply) => {
    reply.headers({ 'x-request-id': req.id, ...browserHeaders(req.url) });
    checkHost(req.raw.url ?? '', req.raw.rawHeaders, parts.names(), req.socket.localAddress);
    checkOrigin(req.method, req.headers);
    const { url = '', config } = req.routeOptions;
    if (openPaths.includes(url) || config?.open) return;
    req.identity = parts.sessions.identify(callerOf(req));
    strangers.know(req.socket);
  });
  // A call whose body may be left out altogether is held against its shape all the same.
  app.addHook('preValidation', async (req) => {
    if (req.routeOptions.schema?.body) req.body ??= {};
  });
  app.addHook('onSend', async ({ raw, socket }) => mayDestroy(socket, raw.complete));
  app.addHook('onResponse', async ({ raw, socket }) => afterAnswer(raw, socket, parts.clock));
}

function addRoute(app: App, route: Route, parts: AppParts, calls: Idempotency<Answer>): void {
  app.route({
    method: route.method,
    url: route.path,
    schema: documented(route),
    handler: async (req, reply) => {
      const attribution = (req.body ?? {}) as { by?: string; why?: string };
      const call = callOf(req.headers, attribution);
      const ask = {
        params: req.params as Record<string, string>,
        query: req.query,
        body: req.body,
        call,
      };
      const changes = route.method !== 'GET';
      const key = changes ? idempotencyKeyOf(req.headers) : null;
      const same = [route.method, req.url, call.generation, req.body];
      const answer = await calls.once(key, same, () => route.handle(parts.control, ask));
      if (changes) {
        const { by, why } = call;
        parts.log.info({ request: req.id, call: route.id, ...ask.params, by, why }, 'called');
      }
      return reply
        .code(answer.status)
        .headers(answer.headers)
        .type('application/json')
        .send(answer.body);
    },
  });
}

function addEvents(app: App, parts: AppParts): void {
  app.get('/v1/events', { schema: documentedEvents, exposeHeadRoute: false }, (req, reply) => {
    const query = req.query as Of<typeof EventsQuery>;
    const after = afterOf(req.headers, query);
    parts.streams.admit(req.identity?.role ?? 'reader');
    reply.hijack();
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      // Some proxies hold a stream back until it ends unless they are told.
      'x-accel-buffering': 'no',
    });
    const { service = null, follow = true, samples = false } = query;
    parts.streams.open(reply.raw, { after, service, follow, samples });
  });
}

/** Signing in and out, for the page. */
function addSession(app: App, sessions: Sessions): void {
  const url = '/v1/session';
  const config = { open: true };
  const answer = (reply: FastifyReply, given: ReturnType<Sessions['state']>): FastifyReply => {
    if (given.cookie !== null) reply.header('set-cookie', given.cookie);
    return reply.send(given.state);
  };
  app.get(url, { config, schema: documentedSession('getSession') }, (req, reply) =>
    answer(reply, sessions.state(callerOf(req))),
  );
  app.post(url, { config, schema: documentedSession('signIn') }, (req, reply) => {
    const { token } = req.body as Of<typeof SignInBody>;
    return answer(reply, sessions.signIn(token, callerOf(req)));
  });
  app.delete(url, { config, schema: documentedSession('signOut') }, (req, reply) =>
    answer(reply, sessions.signOut(callerOf(req))),
  );
}

function callerOf(req: FastifyRequest): Caller {
  const { method, headers, ip: address, socket } = req;
  const secure = 'encrypted' in socket;
  return { method, headers, address, port: socket.localPort ?? 0, secure };
}

/** What monitoring asks of the process. */
function addProcess(app: App, parts: AppParts): void {
  const json = { type: 'application/json', shape: Readiness };
  const summary = 'Is the process up? It is, if it answers.';
  const healthz = documentedPlain(
    'healthz',
    summary,
    'process',
    { 200: { type: 'text/plain' } },
    true,
  );
  app.get('/healthz', { schema: healthz }, (_req, reply) => reply.type('text/plain').send('ok\n'));

  const readiness = { 200: json, 503: json };
  const ready = 'Can it take traffic and calls? If not: why.';
  const readyz = documentedPlain('readyz', ready, 'process', readiness, true);
  app.get('/readyz', { schema: readyz }, (_req, reply) => {
    const { ready, reasons } = parts.control.health();
    return reply.code(ready ? 200 : 503).send({ ready, reasons });
  });

  const page = 'Metrics for Prometheus, summed over the workers.';
  const metrics = documentedPlain('metrics', page, 'process', { 200: { type: 'text/plain' } });
  app.get('/metrics', { schema: metrics }, async (_req, reply) => {
    const { type, text } = await parts.control.metrics();
    // Already text: the serializer of JSON must not quote it.
    return reply.header('content-type', type).serializer(String).send(text);
  });
}

async function addDocuments(app: App, parts: AppParts): Promise<void> {
  for (const shape of namedShapes) app.addSchema(shape);
  await app.register(fastifySwagger, {
    openapi: documentHead(parts.control.health().version),
    refResolver: {
      buildLocalReference: (json, _uri, _fragment, i) => String(json.$id ?? `def-${i}`),
    },
    transformObject: (given) => {
      if (!('openapiObject' in given)) return given.swaggerObject;
      return complete(given.openapiObject, openPaths);
    },
  });
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    uiConfig: { deepLinking: false, validatorUrl: null },
    // Links hold under a prefix of another proxy too, with the slash behind `docs` and without.
    indexPrefix: '.',
  });
  const summary = 'This document.';
  const schema = documentedPlain('openapi', summary, 'process', {
    200: { type: 'application/json' },
  });
  app.get('/openapi.json', { schema }, () => app.swagger());
}

async function addPage(app: App, pageDir: string | null): Promise<void> {
  if (pageDir !== null) {
    await app.register(async (inner) => {
      inner.addHook('onRoute', (route) => {
        route.config = { ...route.config, open: true };
      });
      // One route for each file: what is no file of the page is not open.
      await inner.register(fastifyStatic, {
        root: pageDir,
        prefix: '/',
        dotfiles: 'ignore',
        decorateReply: false,
        wildcard: false,
      });
    });
    return;
  }
  app.get('/', { schema: { hide: true } as object }, (_req, reply) =>
    reply.type('text/html; charset=utf-8').send(plainPage),
  );
}

function refuse(
  parts: AppParts,
  thrown: unknown,
  req: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const fault = faultOf(thrown, bodyBytesMax);
  const problem = problemOf(fault, req.id);
  const fields = { request: req.id, method: req.method, url: req.url.slice(0, 300) };
  if (!fault) {
    parts.log.error({ ...fields, err: thrown }, `a bug: ${reasonOf(thrown)}`);
    reply.raw.once('close', () => parts.onBug(thrown));
  } else if (req.method !== 'GET' && req.method !== 'HEAD') {
    parts.log.warn({ ...fields, code: fault.code, address: req.ip }, `refused: ${fault.message}`);
  }
  const wait = fault?.detail.retryAfterSeconds;
  if (problem.status === 429 || problem.status === 503) {
    reply.header('retry-after', typeof wait === 'number' ? wait : 1);
  }
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="pointsman"');
  // Fastify asks to close where a body was not read; see `afterAnswer`.
  reply.removeHeader('connection');
  return reply
    .code(problem.status)
    .header('content-type', problemType)
    .serializer(JSON.stringify)
    .send(problem);
}
