/**
 * Every call of the admin API, one entry each: its path, what it takes, what it answers, what it
 * refuses with.
 *
 * The rule this file keeps: an entry knows nothing of HTTP libraries. It turns a request that has
 * the right shape into one call of `Control`, and what comes back into a status and a body; the
 * OpenAPI document is made from the same entries. The only addresses that any call names are the
 * `targets` of a deployment.
 */

import { parseTarget } from '../../config/address.ts';
import type { TargetAddress } from '../../config/config.ts';
import { Fault, type FaultCode } from '../../errors.ts';
import type { Call, Control } from '../model/api.ts';
import type { Deployment } from '../model/state.ts';
import { etagOf } from './call.ts';
import {
  Attribution,
  ConfirmBody,
  confirmMsOf,
  DeployBody,
  DeploymentParams,
  DeploymentsQuery,
  PauseBody,
  RollbackBody,
  ServiceParams,
} from './requestSchemas.ts';
import {
  CertificateList,
  DeploymentList,
  refs,
  SampleList,
  ServiceList,
} from './responseSchemas.ts';
import { Health, LastHandover, Reloaded } from './selfSchemas.ts';
import type { Of, Shape } from './shape.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** With parameters as `:name`. */
  readonly path: string;
  /** Stable, for generated clients. */
  readonly id: string;
  readonly summary: string;
  readonly params: Shape | null;
  readonly query: Shape | null;
  readonly body: Shape | null;
  readonly responses: Readonly<Record<number, Shape>>;
  readonly faults: readonly FaultCode[];
  handle(control: Control, ask: Ask): Promise<Answer>;
}

/** A request after its shape was found right. */
interface Ask {
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
  readonly call: Call;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

const service = { params: ServiceParams, query: null };
const none = { params: null, query: null, body: null };
const ofFlip = [
  'SERVICE_UNKNOWN',
  'GENERATION_STALE',
  'HOLD_TIMEOUT',
  'STATE_NOT_WRITABLE',
] as const;

export const routes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/services',
    id: 'listServices',
    summary: 'All services: what is live, the pools, and whether a rollback is ready.',
    ...none,
    responses: { 200: ServiceList },
    faults: [],
    handle: async (control) => ok({ services: control.services() }),
  },
  {
    method: 'GET',
    path: '/v1/services/:service',
    id: 'getService',
    summary: 'One service. Its ETag is the generation that If-Match takes.',
    ...service,
    body: null,
    responses: { 200: refs.service },
    faults: ['SERVICE_UNKNOWN'],
    handle: async (control, ask) => ofService(control.service(nameOf(ask))),
  },
  {
    method: 'GET',
    path: '/v1/certificates',
    id: 'listCertificates',
    summary: 'Every certificate that is served or wanted: until when, and what is wrong with it.',
    ...none,
    responses: { 200: CertificateList },
    faults: [],
    handle: async (control) => ok({ certificates: control.certificates() }),
  },
  {
    method: 'GET',
    path: '/v1/services/:service/samples',
    id: 'listSamples',
    summary: 'The live figures of the last quarter of an hour, oldest first, for a chart.',
    ...service,
    body: null,
    responses: { 200: SampleList },
    faults: ['SERVICE_UNKNOWN'],
    handle: async (control, ask) => {
      const { name } = control.service(nameOf(ask));
      return ok({ samples: control.samples?.recent(name) ?? [] });
    },
  },
  {
    method: 'POST',
    path: '/v1/services/:service/deployments',
    id: 'deploy',
    summary:
      'Begin a deployment. 202: follow it by its Location and by the events; 200: a dry run.',
    ...service,
    body: DeployBody,
    responses: { 200: refs.deployment, 202: refs.deployment },
    faults: [
      'SERVICE_UNKNOWN',
      'DEPLOYMENT_IN_PROGRESS',
      'RELEASE_TAKEN',
      'RELEASE_LIVE',
      'RELEASE_WARM',
      'LATCHED',
      'FROZEN',
      'CONFIRM_PENDING',
      'CONFIRM_REFUSED',
      'GENERATION_STALE',
      'RELEASE_INVALID',
      'TARGET_INVALID',
      'STATE_NOT_WRITABLE',
      'DRIVER_UNAVAILABLE',
    ],
    handle: deploy,
  },
  {
    method: 'POST',
    path: '/v1/services/:service/flip',
    id: 'flip',
    summary:
      'Flip a deployment that is ready and waits for a person. Answers right after the commit.',
    ...service,
    body: Attribution,
    responses: { 200: refs.deployment },
    faults: [...ofFlip, 'FLIP_NOT_READY', 'FROZEN'],
    handle: async (control, ask) => flipped(await control.flip(nameOf(ask), ask.call)),
  },
  {
    method: 'POST',
    path: '/v1/services/:service/rollback',
    id: 'rollback',
    summary:
      'Flip back to the warm pool. It names where it goes: a release, or the generation to leave.',
    ...service,
    body: RollbackBody,
    responses: { 200: refs.deployment },
    faults: [...ofFlip, 'ROLLBACK_NOT_READY', 'ROLLBACK_UNSAFE', 'DEPLOYMENT_IN_PROGRESS'],
    handle: rollback,
  },
  {
    method: 'POST',
    path: '/v1/services/:service/pause',
    id: 'pause',
    summary: 'New requests of the service wait, or are answered at once with a 503.',
    ...service,
    body: PauseBody,
    responses: { 200: refs.service },
    faults: ['SERVICE_UNKNOWN', 'GENERATION_STALE', 'STATE_NOT_WRITABLE'],
    handle: pause,
  },
  {
    method: 'POST',
    path: '/v1/services/:service/resume',
    id: 'resume',
    summary: 'Requests that wait go on.',
    ...service,
    body: Attribution,
    responses: { 200: refs.service },
    faults: ['SERVICE_UNKNOWN', 'GENERATION_STALE', 'STATE_NOT_WRITABLE'],
    handle: async (control, ask) => ofService(await control.resume(nameOf(ask), ask.call)),
  },
  {
    method: 'POST',
    path: '/v1/services/:service/acknowledge',
    id: 'acknowledge',
    summary: 'Say that a release which was taken back by itself is known of; deployments go on.',
    ...service,
    body: Attribution,
    responses: { 200: refs.service },
    faults: ['SERVICE_UNKNOWN', 'GENERATION_STALE', 'STATE_NOT_WRITABLE'],
    handle: async (control, ask) => ofService(await control.acknowledge(nameOf(ask), ask.call)),
  },
  {
    method: 'POST',
    path: '/v1/services/:service/confirm',
    id: 'confirm',
    summary:
      'Say that the release of this generation (If-Match) stays, or has some more time to be ' +
      'confirmed in.',
    ...service,
    body: ConfirmBody,
    responses: { 200: refs.service },
    faults: [
      'SERVICE_UNKNOWN',
      'GENERATION_STALE',
      'DEPLOYMENT_IN_PROGRESS',
      'CONFIRM_REFUSED',
      'STATE_NOT_WRITABLE',
    ],
    handle: confirm,
  },
  {
    method: 'POST',
    path: '/v1/services/:service/wake',
    id: 'wake',
    summary: 'Make a warm pool that is kept small or frozen able to take the traffic.',
    ...service,
    body: Attribution,
    responses: { 200: refs.service },
    faults: ['SERVICE_UNKNOWN', 'GENERATION_STALE'],
    handle: async (control, ask) => ofService(await control.wake(nameOf(ask), ask.call)),
  },
  {
    method: 'DELETE',
    path: '/v1/services/:service/standby',
    id: 'retire',
    summary: 'Stop and empty the standby. There is no rollback afterwards.',
    ...service,
    body: Attribution,
    responses: { 200: refs.service },
    faults: ['SERVICE_UNKNOWN', 'RETIRE_REFUSED', 'GENERATION_STALE', 'STATE_NOT_WRITABLE'],
    handle: async (control, ask) => ofService(await control.retire(nameOf(ask), ask.call)),
  },
  {
    method: 'GET',
    path: '/v1/deployments',
    id: 'listDeployments',
    summary: 'Deployments and rollbacks, newest first.',
    params: null,
    query: DeploymentsQuery,
    body: null,
    responses: { 200: DeploymentList },
    faults: ['SERVICE_UNKNOWN'],
    handle: listDeployments,
  },
  {
    method: 'GET',
    path: '/v1/deployments/:id',
    id: 'getDeployment',
    summary: 'One deployment.',
    params: DeploymentParams,
    query: null,
    body: null,
    responses: { 200: refs.deployment },
    faults: ['DEPLOYMENT_UNKNOWN'],
    handle: async (control, ask) => ok(await control.deployment(ask.params.id ?? '')),
  },
  {
    method: 'DELETE',
    path: '/v1/deployments/:id',
    id: 'abort',
    summary: 'Abort a deployment that has not flipped. The live pool is not touched.',
    params: DeploymentParams,
    query: null,
    body: Attribution,
    responses: { 200: refs.deployment },
    faults: ['DEPLOYMENT_UNKNOWN', 'ABORT_TOO_LATE', 'STATE_NOT_WRITABLE'],
    handle: async (control, ask) => ok(await control.abort(ask.params.id ?? '', ask.call)),
  },
  {
    method: 'POST',
    path: '/v1/config/reload',
    id: 'reload',
    summary: 'Read the configuration and the token files again. A bad one changes nothing.',
    params: null,
    query: null,
    body: Attribution,
    responses: { 200: Reloaded },
    faults: ['CONFIG_INVALID', 'CONFIG_UNREADABLE'],
    handle: async (control) => ok(await control.reload()),
  },
  {
    method: 'POST',
    path: '/v1/upgrade',
    id: 'upgrade',
    summary:
      'Replace this Pointsman by the one that is installed now. 202: follow it by GET, and by the events.',
    params: null,
    query: null,
    body: Attribution,
    responses: { 202: LastHandover },
    faults: ['HANDOVER_REFUSED'],
    handle: async (control, ask) => {
      await control.upgrade(ask.call);
      return { ...ok({ handover: control.handover() }), status: 202 };
    },
  },
  {
    method: 'GET',
    path: '/v1/upgrade',
    id: 'getUpgrade',
    summary: 'The hand-over that is under way, or the last one.',
    ...none,
    responses: { 200: LastHandover },
    faults: [],
    handle: async (control) => ok({ handover: control.handover() }),
  },
  {
    method: 'GET',
    path: '/v1/health',
    id: 'getHealth',
    summary: 'What /readyz says, and beside it the version and the workers.',
    ...none,
    responses: { 200: Health },
    faults: [],
    handle: async (control) => ok(control.health()),
  },
];

async function deploy(control: Control, ask: Ask): Promise<Answer> {
  const body = ask.body as DeployBody;
  const deployment = await control.deploy(
    nameOf(ask),
    {
      release: body.release,
      image: body.image ?? null,
      targets: (body.targets ?? []).map(targetOf),
      ...(body.again === undefined ? {} : { again: body.again }),
      flip: body.flip ?? null,
      dryRun: body.dryRun ?? false,
      ...(body.confirmWithin !== undefined && {
        confirmWithinMs: confirmMsOf(body.confirmWithin),
      }),
      ...(body.rollbackUnsafe !== undefined && { rollbackUnsafe: body.rollbackUnsafe.trim() }),
    },
    ask.call,
  );
  if (body.dryRun) return ok(deployment);
  const location = `/v1/deployments/${encodeURIComponent(deployment.id)}`;
  return { status: 202, headers: { location }, body: deployment };
}

async function pause(control: Control, ask: Ask): Promise<Answer> {
  const { page = false } = ask.body as Of<typeof PauseBody>;
  return ofService(await control.pause(nameOf(ask), page, ask.call));
}

async function confirm(control: Control, ask: Ask): Promise<Answer> {
  const { within } = ask.body as Of<typeof ConfirmBody>;
  const withinMs = within === undefined ? null : confirmMsOf(within);
  return ofService(await control.confirm(nameOf(ask), withinMs, ask.call));
}

async function rollback(control: Control, ask: Ask): Promise<Answer> {
  const { to, unsafe } = ask.body as Of<typeof RollbackBody>;
  return flipped(await control.rollback(nameOf(ask), to ?? null, ask.call, unsafe));
}

async function listDeployments(control: Control, ask: Ask): Promise<Answer> {
  const { service: name, limit = 50 } = ask.query as Of<typeof DeploymentsQuery>;
  if (name !== undefined) control.service(name);
  const query = name === undefined ? { limit } : { service: name, limit };
  return ok({ deployments: await control.deployments(query) });
}

/** @throws Fault TARGET_INVALID naming which one. */
function targetOf(text: string, index: number): TargetAddress {
  try {
    return parseTarget(text);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new Fault(cause.code, `targets.${index}: ${cause.message}`, { cause, ...cause.detail });
  }
}

function nameOf(ask: Ask): string {
  return ask.params.service ?? '';
}

function ok(body: unknown): Answer {
  return { status: 200, headers: {}, body };
}

function ofService(status: { readonly generation: number }): Answer {
  return { status: 200, headers: { etag: etagOf(status.generation) }, body: status };
}

function flipped(deployment: Deployment): Answer {
  const generation = deployment.receipt?.generation;
  return {
    status: 200,
    headers: generation === undefined ? {} : { etag: etagOf(generation) },
    body: deployment,
  };
}
