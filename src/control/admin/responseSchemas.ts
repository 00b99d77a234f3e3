/**
 * The shapes of what the admin API answers, for the OpenAPI document.
 *
 * The rule this file keeps: they describe the types of `model/`, they do not
 * filter. What `Control` gives is sent whole, and a test holds real answers against these shapes,
 * so that neither can drift from the other.
 */
import { type FaultCode, faults } from '../../errors.ts';
import {
  color,
  confirm,
  count,
  Deployment,
  inside,
  latch,
  Receipt,
  side,
  text,
  time,
  watch,
} from './deploymentSchemas.ts';
import { closed, named, nullable, oneOf, ref, Type } from './shape.ts';

const ProbeResult = named(
  'ProbeResult',
  closed({
    at: time,
    ms: Type.Number(),
    passed: Type.Boolean(),
    status: nullable(Type.Integer()),
    error: nullable(text),
    body: nullable(text),
  }),
);

const TargetStatus = named(
  'TargetStatus',
  closed({
    id: text,
    address: text,
    addresses: Type.Array(closed({ address: text, used: Type.Boolean(), error: nullable(text) })),
    unresolved: nullable(closed({ reason: text, since: time })),
    healthy: Type.Boolean(),
    state: text,
    detail: text,
    probe: nullable(ref(ProbeResult)),
    passes: count,
    failures: count,
    changedAt: nullable(time),
    ejectedBy: count,
    inside: count,
    requests: count,
    errors: count,
    answered: count,
    answeredMs: Type.Number({ description: 'Summed over `answered`.' }),
    retries: count,
    memoryBytes: Type.Optional(Type.Number()),
    cpuPercent: Type.Optional(Type.Number()),
  }),
);

const PoolStatus = named(
  'PoolStatus',
  closed({
    id: text,
    color,
    role: oneOf(['live', 'warm', 'starting', 'probing', 'ready', 'draining', 'retiring']),
    release: text,
    source: text,
    filledAt: time,
    since: nullable(time),
    healthy: count,
    targets: Type.Array(ref(TargetStatus)),
    inside,
  }),
);

export const ServiceStatus = named(
  'ServiceStatus',
  closed({
    name: text,
    hosts: Type.Array(text),
    paths: Type.Array(text),
    run: oneOf(['static', 'process', 'docker']),
    generation: count,
    live: nullable(color),
    paused: Type.Boolean(),
    pausePage: Type.Boolean(),
    pools: closed({ blue: nullable(ref(PoolStatus)), green: nullable(ref(PoolStatus)) }),
    candidate: nullable(ref(PoolStatus)),
    warmUntil: oneOf(['flip', 'deploy']),
    rollback: closed({
      ready: Type.Boolean(),
      to: nullable(side),
      reason: nullable(text),
      asleep: Type.Boolean(),
      unsafe: nullable(text),
    }),
    deployment: nullable(ref(Deployment)),
    releases: Type.Array(closed({ name: text, source: text }), {
      description: 'What can be deployed `again`, the last first.',
    }),
    limits: closed({ deployMs: count, drainMs: count, until: nullable(time) }),
    watch: nullable(watch),
    latch: nullable(latch),
    confirm: nullable(confirm),
    freeze: nullable(
      Type.String({ description: 'Why deployments are refused, as the configuration says it.' }),
    ),
    preview: nullable(
      closed({ url: nullable(text), host: text, header: text, deployment: nullable(text) }),
    ),
    waiting: count,
    problem: nullable(text),
  }),
);

const CertificateStatus = named(
  'CertificateStatus',
  closed(
    {
      name: text,
      source: oneOf(['file', 'acme', 'temporary']),
      service: nullable(text),
      names: Type.Array(text),
      serial: nullable(text),
      issuer: nullable(text),
      notAfter: nullable(time),
      lastError: nullable(text),
      lastErrorAt: nullable(time),
      nextTryAt: nullable(time),
    },
    {
      description:
        'A certificate, of a file or an authority. `temporary`: self-signed, until the authority has given a real one.',
    },
  ),
);

export const CertificateList = closed({ certificates: Type.Array(ref(CertificateStatus)) });

export const ServiceList = closed({ services: Type.Array(ref(ServiceStatus)) });

const colorSample = nullable(
  closed({
    requests: Type.Number({ description: 'Answered per second.' }),
    errors: Type.Number({ description: 'Of these, answered 5xx.' }),
    p50: nullable(Type.Number({ description: 'ms' })),
    p99: nullable(Type.Number({ description: 'ms' })),
    inside: count,
  }),
);

export const SampleList = closed({
  samples: Type.Array(
    closed({
      atMs: Type.Number({ description: 'ms since 1970' }),
      blue: colorSample,
      green: colorSample,
    }),
  ),
});

export const DeploymentList = closed({ deployments: Type.Array(ref(Deployment)) });

/** What a bug is answered with, where a fault has its own code. */
export const bugCode = 'INTERNAL';

export const Problem = named(
  'Problem',
  Type.Object(
    {
      type: Type.String({ description: 'urn:pointsman:error:<code>' }),
      title: text,
      status: Type.Integer(),
      detail: Type.String({ description: 'What was wanted, what was got, and what to do next.' }),
      code: oneOf([...(Object.keys(faults) as FaultCode[]), bugCode]),
      instance: Type.String({ description: 'The id of the request, as in the log.' }),
      retry: Type.Boolean({ description: 'Whether the same call may succeed later, unchanged.' }),
    },
    { description: 'RFC 9457. Some problems carry members of their own beside these.' },
  ),
);

/** Every named shape, for the document. */
export const namedShapes = [
  Receipt,
  Deployment,
  ProbeResult,
  TargetStatus,
  PoolStatus,
  ServiceStatus,
  CertificateStatus,
  Problem,
] as const;

/** Points to them from the routes. */
export const refs = {
  deployment: ref(Deployment),
  service: ref(ServiceStatus),
  problem: ref(Problem),
};
