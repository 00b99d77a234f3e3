/**
 * Every key of the YAML file: its kind and bounds, its default, and one sentence on what it is for.
 *
 * The rule this file keeps: a key stands here or nowhere. Validation, the JSON Schema for editors
 * (`deploy/pointsman.schema.json`) and the table in docs/configuration.md all come from these tables.
 *
 * Values may be filled in by variables of the environment (`variables.ts`); keys may not.
 */
import { isHostName } from './address.ts';
import { edgeKeys } from './edgeSchema.ts';
import { hookKeys } from './hookSchema.ts';
import {
  anyText,
  choice,
  cidr,
  duration,
  envName,
  flag,
  hostPattern,
  listenAddress,
  number,
  orWord,
  pathPrefix,
  requestPath,
  scalar,
  size,
  statusRange,
  targetAddress,
  text,
  whole,
} from './kinds.ts';
import {
  listOf,
  mapOf,
  oneOrMany,
  optional,
  preset,
  record,
  recordAt,
  required,
  shortOrFull,
} from './records.ts';
import { targetTlsKind } from './targetTrust.ts';

/** What stands at the top of the JSON Schema. */
export const aboutFile =
  'The configuration of Pointsman. Durations and sizes need a unit; relative paths begin at the ' +
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what people write.
  'folder of this file; ${NAME} in a value is a variable of the environment.';

const serviceName = text('a service name: 1 to 63 of a-z, 0-9 and -', /^[a-z0-9-]{1,63}$/);

const releaseName = text(
  'a release name: 1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit',
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
);

const path = text('a path');

const env = mapOf(envName, anyText, 1000);

const command = listOf(anyText, 1, 1000);

const httpHost = scalar(
  { wanted: 'a host name', bounds: 'a host, or host:port', json: { type: 'string' } },
  ({ text: written }) => (isHostName(written.replace(/:\d{1,5}$/, '')) ? written : undefined),
);

const health = recordAt('services.*.health', {
  path: preset(requestPath, '/up', 'What is asked for with GET; a query may follow.'),
  host: optional(
    httpHost,
    'The Host header of a probe, for applications that answer to their own name only.',
    "the target's address",
  ),
  port: optional(
    whole(1, 65_535),
    'The port that is asked, where the application says how it is on one of its own. Of containers it ' +
      'is the one inside, and a change of it comes with the next release.',
    "the target's port",
  ),
  grpc: optional(
    text('the name of a service of gRPC, or ""', /^[A-Za-z0-9_.]{0,100}$/),
    'The service that is asked for by gRPC (grpc.health.v1) in the place of a path; "": the whole server.',
    'a path is asked for',
  ),
  interval: preset(duration('10ms', '1h'), '2s', 'From the start of a probe to that of the next.'),
  timeout: optional(
    duration('10ms', '1h'),
    'How long a probe may take; never longer than the interval.',
    '2s, or the interval where that is shorter',
  ),
  rise: preset(whole(1, 100), 2, 'Passes in a row after which a target counts as healthy.'),
  fall: preset(
    whole(1, 100),
    3,
    'Failures in a row after which a target stops counting as healthy.',
  ),
  status: preset(
    statusRange,
    '200-299',
    'The statuses that pass; a redirect (to a login, say) does not unless you say so.',
  ),
});

const deploy = recordAt('services.*.deploy', {
  timeout: preset(
    duration('100ms', '1d'),
    '60s',
    'How long a deployment may take to have every target healthy; after that it fails.',
  ),
  flip: preset(
    choice('auto', 'manual'),
    'auto',
    'manual: a deployment that is ready waits for `pointsman flip`.',
  ),
});

const warm = shortOrFull(
  orWord('until-next', duration('1s', '14d')),
  record({
    for: preset(
      orWord('until-next', duration('1s', '14d')),
      'until-next',
      'The same, written out, where `replicas` is wanted too.',
    ),
    replicas: optional(
      whole(1, 100),
      'The size of the warm pool; it is grown back before a rollback counts as ready.',
      'all',
    ),
    freeze: preset(
      flag,
      false,
      'Whether the warm pool is frozen (`docker pause`): it keeps its memory and uses no CPU; it is thawed before a rollback counts as ready.',
    ),
    until: optional(
      choice('flip', 'deploy'),
      'Whether the next deployment keeps it until its flip, beside the release that is proved (three pools run then), or stops it first.',
      'flip; deploy with `discover`',
    ),
  }),
);

const protect = shortOrFull(
  choice('on', 'off'),
  record({
    window: preset(
      duration('5s', '1d'),
      '60s',
      'How long after its flip a release is held against the one before it.',
    ),
    requests: preset(
      whole(10, 1_000_000),
      50,
      'So many requests it has to have had before anything is concluded from them.',
    ),
    clients: preset(
      whole(1, 8),
      2,
      'Failures of so many clients (addresses) are wanted as evidence; 1 where all come from one address.',
    ),
  }),
);

const freezePattern = /^(?!(?:yes|no|on|off|none)$)[^\p{C}\u2028\u2029]{1,500}$/u;
const freeze = scalar<string>(
  {
    wanted: 'a sentence on why',
    bounds: 'a sentence on why',
    json: { type: 'string', pattern: freezePattern.source },
  },
  ({ value }, hint) => {
    if (typeof value === 'string' && freezePattern.test(value)) return value;
    // Whoever writes `freeze: false` to end one would have begun it.
    hint('one line of text; leave it away to end a freeze');
    return undefined;
  },
);

const timeouts = recordAt('services.*.timeouts', {
  connect: preset(
    duration('10ms', '1m'),
    '2s',
    'How long connecting to a target may take; then another one is tried.',
  ),
  response: preset(
    duration('10ms', '1d'),
    '30s',
    'From the last byte of a request to the first of its answer; raise it for slow reports.',
  ),
  idle: preset(
    duration('10ms', '1d'),
    '60s',
    'Silence in mid-message, on either side, after which the exchange is cut; event streams and ' +
      'tunnels live on.',
  ),
  queue: preset(
    duration('10ms', '10m'),
    '30s',
    'How long a request may wait for a place or for the end of a pause; then it gets a 503.',
  ),
});

const limits = recordAt('services.*.limits', {
  body: preset(
    size('1B', '1TiB'),
    '100MiB',
    'The largest body of a request; a larger one gets 413.',
  ),
  header: preset(
    size('1KiB', '256KiB'),
    '16KiB',
    'The largest header of a request, all lines together; a larger one gets 431.',
  ),
  responseHeader: preset(
    size('1KiB', '256KiB'),
    '64KiB',
    'The largest header of an answer of a target; for a larger one the client gets 502.',
  ),
  queue: preset(
    whole(0, 100_000),
    10_000,
    'How many requests may wait in each worker, for up to `timeouts.queue`; more get a 503 with Retry-After.',
  ),
  connectionsPerTarget: preset(
    whole(1, 65_535),
    256,
    'How many requests of each worker may be inside one target; more wait. Event streams and tunnels are not counted; requests whose body still comes get half.',
  ),
  minRate: preset(
    size('0B', '1GiB'),
    '240B',
    'What a client has to send of a body, or take of an answer that waits for it, per second, on average over `timeouts.idle`; a slower one gets 408 or is cut. 0B: any pace.',
  ),
});

const replicas = preset(whole(1, 100), 1, 'How many run side by side in a pool.');

const stopTimeout = preset(
  duration('0s', '10m'),
  '10s',
  'From the signal to stop to SIGKILL; give the application time to end its requests.',
);

const docker = recordAt('services.*.run.docker', {
  port: optional(
    whole(1, 65_535),
    'The port the application listens on inside its container; with `discover`, the label may say it.',
    'required without `discover`',
  ),
  replicas,
  env: preset(env, {}, 'Environment of the containers.'),
  envFile: optional(path, 'A file of NAME=value lines, for what does not belong in this one.'),
  volumes: preset(
    listOf(text('a volume such as data:/var/lib/app', /^[^\0:]+(:[^\0:]+){1,2}$/), 0, 100),
    [],
    'Volumes or host folders, as source:target or source:target:ro; both colors share them.',
  ),
  network: optional(
    text('a network name'),
    'The network the containers join.',
    "the engine's default",
  ),
  command: optional(command, 'Takes the place of the command of the image.', "the image's"),
  user: optional(text('a user'), 'User, or user:group, the application runs as.', "the image's"),
  labels: preset(
    mapOf(
      text('a label that does not begin with pointsman.', /^(?!pointsman\.)[^\0\s=]+$/),
      anyText,
      100,
    ),
    {},
    'Labels of your own on the containers.',
  ),
  memory: optional(
    size('6MiB', '64TiB'),
    'The most memory a container may use; remember that two pools run at once, and three during a deployment.',
    'no limit',
  ),
  cpus: optional(number(0.01, 1024), 'How many CPUs a container may use.', 'no limit'),
  stopTimeout,
  stopSignal: optional(
    text('a signal such as SIGTERM', /^SIG[A-Z0-9+-]+$/),
    'What asks the application to stop.',
    "the image's, or SIGTERM",
  ),
  readOnly: preset(flag, false, 'Whether the file system of the container is read-only.'),
  capDrop: preset(
    listOf(text('a capability such as ALL or NET_RAW', /^[A-Z][A-Z0-9_]*$/), 0, 64),
    [],
    'Capabilities the application does without.',
  ),
  init: preset(
    flag,
    false,
    'Whether a small init runs as PID 1 and reaps what the application leaves.',
  ),
  pull: preset(
    choice('always', 'missing', 'never'),
    'missing',
    'When an image is pulled at a deployment; running releases are pinned by digest in any case.',
  ),
  discover: preset(
    flag,
    false,
    'true: someone else starts the containers, and their pointsman.* labels say which pool is theirs.',
  ),
  keepImages: preset(
    whole(1, 100),
    5,
    'Images of so many releases are kept, so that going back needs no registry.',
  ),
});

const process = recordAt('services.*.run.process', {
  command: required(
    command,
    [],
    'Program and arguments; {release} in them becomes the name of the release. PORT says where to listen.',
  ),
  replicas,
  env: preset(env, {}, 'Environment of the processes, beside PORT and that of Pointsman itself.'),
  cwd: optional(
    path,
    'The folder the processes run in; {release} becomes the name of the release.',
    'the folder of this file',
  ),
  stopTimeout,
});

const fixed = recordAt('services.*.run.static', {
  linkLocal: preset(
    flag,
    false,
    'Whether targets may have link-local addresses (169.254.0.0/16, fe80::/10), where clouds keep credentials.',
  ),
});

const run = recordAt(
  'services.*.run',
  {
    docker: optional(docker, 'Releases are images, pools are containers.', ''),
    process: optional(process, 'Releases are runs of a command, on this machine.', ''),
    static: optional(fixed, 'Releases are addresses that come with each deployment.', ''),
  },
  { exactlyOne: true },
);

const first = recordAt('services.*.first', {
  color: preset(choice('blue', 'green'), 'blue', 'The color it fills.'),
  release: required(releaseName, '', 'The name of the release.'),
  image: optional(
    text('an image such as shop:v1', /^[^\s\0]+$/, 1024),
    'The image; needed where the service runs containers.',
  ),
  targets: preset(
    listOf(targetAddress, 0, 1000),
    [],
    'The addresses; needed where the service is static.',
  ),
});

const service = recordAt('services.*', {
  hosts: preset(
    listOf(hostPattern, 0, 1000),
    [],
    'Hosts it answers for; an exact one wins over *.domain; none: any host.',
  ),
  paths: preset(
    listOf(pathPrefix, 1, 1000),
    ['/'],
    'Path prefixes it answers for, on segment borders; the longest match wins.',
  ),
  health: preset(health, {}, 'How targets are probed.'),
  deploy: preset(deploy, {}, 'How a deployment ends.'),
  drain: preset(
    duration('0s', '1h'),
    '30s',
    'How long requests inside the old pool may take to end after a flip; then they are cut.',
  ),
  warm: preset(
    warm,
    'until-next',
    'How long the old pool is kept for a rollback: until the next deployment has taken its place, or a time.',
  ),
  protect: preset(
    protect,
    'on',
    'on: a release that fails more of its requests than the one before it is taken back by itself.',
  ),
  freeze: optional(
    freeze,
    'Why it is not deployed to now: deployments and flips are refused with this sentence, rollbacks are not.',
  ),
  ...hookKeys,
  timeouts: preset(timeouts, {}, 'How long a request may take, step by step.'),
  limits: preset(limits, {}, 'What one service may use up.'),
  tls: preset(
    choice('default', 'auto', 'off'),
    'default',
    'default: HTTPS where a certificate fits; auto: by ACME where no file fits; off: plain HTTP only.',
  ),
  protocol: preset(
    choice('http1', 'h2'),
    'http1',
    'How targets are spoken to; h2: HTTP/2, as gRPC needs it: by ALPN where they have https://, else at once (h2c).',
  ),
  hsts: preset(
    duration('0s', '1000d'),
    '0s',
    'How long browsers shall use HTTPS alone (Strict-Transport-Security); 0s: nothing is said.',
  ),
  clientCa: optional(
    path,
    "A PEM file with the authorities of clients' certificates; without one no request passes.",
  ),
  targetTls: preset(targetTlsKind, {}, 'How targets with `https://` are verified.'),
  ...edgeKeys,
  run: required(run, { docker: null, process: null, static: null }, 'How its releases are run.'),
  first: optional(
    first,
    'The release it begins with; used only while there is no state of it.',
    '',
  ),
});

const certificatePair = record({
  cert: required(path, '', 'A PEM file: the certificate, then those between it and the authority.'),
  key: required(path, '', 'A PEM file: its private key, without a passphrase.'),
});

/** Caddy's and Traefik's words where they agree: acme, email, profile, eab. */
const acme = record({
  email: optional(
    text('an address such as ops@example.org', /^[^\s@]+@[^\s@]+$/, 254),
    'Where the authority may write to.',
  ),
  terms: required(
    choice('agreed'),
    'agreed',
    "agreed: you have read the authority's terms of service, and agree to them.",
  ),
  directory: preset(
    text('a URL that begins with https://', /^https:\/\/[\x21-\x7e]+$/, 1024),
    'https://acme-v02.api.letsencrypt.org/directory',
    'The directory of the authority.',
  ),
  staging: preset(
    flag,
    false,
    "true: Let's Encrypt's staging directory: certificates nobody trusts, and wide limits.",
  ),
  profile: optional(
    text('the name of a profile', /^[A-Za-z0-9._-]{1,64}$/),
    'Which of its kinds of certificates the authority shall give, such as tlsserver.',
    "the authority's",
  ),
  key: preset(
    choice('p256', 'p384', 'rsa2048', 'rsa4096'),
    'p256',
    'The kind of key of the certificates; p256 is small and quick, rsa2048 for very old clients.',
  ),
  challenges: preset(
    listOf(choice('http-01', 'tls-alpn-01'), 1, 2),
    ['http-01', 'tls-alpn-01'],
    'How names are proved, in this order: on port 80, or on port 443.',
  ),
  eab: optional(
    record({
      kid: required(text('a key id'), '', "The key's id, as the authority gave it."),
      keyFile: required(path, '', 'A file with the key, in base64url as the authority gave it.'),
    }),
    'External account binding, for authorities that ask for an account of theirs.',
  ),
  caFile: optional(
    path,
    "A PEM file that the authority's own HTTPS is trusted by, for one of your own.",
    "the system's",
  ),
});

const redirect = scalar<boolean | number>(
  {
    wanted: 'true, false, or the port that clients reach HTTPS at',
    bounds: 'true, false, or a port',
    json: { anyOf: [{ type: 'boolean' }, { type: 'integer', minimum: 1, maximum: 65_535 }] },
  },
  ({ value }) => {
    if (typeof value === 'boolean') return value;
    if (typeof value !== 'number' || !Number.isInteger(value)) return undefined;
    return value >= 1 && value <= 65_535 ? value : undefined;
  },
);

const tls = recordAt('tls', {
  listen: preset(
    oneOrMany(listenAddress, 1, 16),
    '0.0.0.0:443',
    'Where clients connect by HTTPS: one address, or several.',
  ),
  redirect: preset(
    redirect,
    true,
    'Whether plain HTTP is sent to HTTPS (308), where the host has a certificate; the health path and ' +
      'ACME challenges are not.',
  ),
  http2: preset(
    flag,
    false,
    'Experimental: whether HTTP/2 is offered to clients; targets are spoken to by HTTP/1.1 in any case.',
  ),
  minimum: preset(choice('1.2', '1.3'), '1.2', 'The oldest version of TLS that is spoken.'),
  unknown: preset(
    choice('default', 'refuse'),
    'default',
    'What a name without a certificate gets: the first of `certificates`, or an alert.',
  ),
  certificates: preset(
    listOf(shortOrFull(path, certificatePair), 0, 1000),
    [],
    'Certificates in files, looked at all the time: a pair, or a folder, where NAME.pem or NAME.crt ' +
      'goes with NAME.key; the names come from the certificates.',
  ),
  acme: optional(acme, 'Certificates by themselves, for services that say `tls: auto`.', ''),
});

const receiver = record({
  url: required(
    text('a URL that begins with https:// or http://', /^https?:\/\/[\x21-\x7e]+$/, 2048),
    '',
    'Where a POST of each goes; what stands behind the host is shown nowhere.',
  ),
  format: preset(
    choice('json', 'slack'),
    'json',
    'json: the whole event; slack: its sentence, as incoming webhooks of Slack and others take it.',
  ),
  on: preset(
    listOf(choice('flip', 'rollback', 'failure', 'hold'), 1, 4),
    ['flip', 'rollback', 'failure', 'hold'],
    'What it is told of: traffic that moved, or went back; a deployment that failed; a release that ' +
      'should be gone back from and cannot be.',
  ),
  secretFile: optional(
    path,
    'A file with the key that each is signed by (Standard Webhooks, HMAC-SHA256).',
    'unsigned',
  ),
  private: preset(flag, false, 'Whether it may have an address that is not public.'),
});

const admin = recordAt('admin', {
  listen: preset(
    listenAddress,
    '127.0.0.1:9400',
    'Where the admin API, the page and the metrics are served.',
  ),
  tls: optional(
    certificatePair,
    'The certificate of the admin port, which then speaks HTTPS alone; its files are read again at a reload.',
    'none: plain HTTP',
  ),
  tokenFile: optional(
    path,
    "A file with the operators' bearer token; required where others than this machine can connect.",
  ),
  readTokenFile: optional(
    path,
    'A file with a bearer token whose holder may look and not act; takes a `tokenFile` beside it.',
  ),
  hosts: preset(
    listOf(text('a host name', /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$/), 0, 100),
    [],
    'Names, besides those of loopback, by which the admin port may be called (DNS rebinding).',
  ),
});

/** The whole file. */
export const fileKind = recordAt('', {
  include: optional(
    path,
    'A folder: each .yaml file in it holds `services` and nothing else, so that a service keeps a ' +
      'file of its own.',
  ),
  listen: preset(
    oneOrMany(listenAddress, 0, 16),
    '127.0.0.1:8080',
    'Where clients connect: one address, or several; :8080 is every IPv4 address; a reload changes ' +
      'it by a hand-over.',
  ),
  tls: optional(tls, 'HTTPS: where, and with which certificates.', ''),
  workers: preset(
    orWord('auto', whole(0, 64)),
    'auto',
    'Processes that carry traffic; auto: one for each CPU; 0: everything in one process, and a ' +
      'change from or to that takes a restart.',
  ),
  state: preset(
    path,
    './pointsman-state',
    'The directory Pointsman remembers in what is live; changing it takes a restart.',
  ),
  admin: preset(admin, {}, 'The port for operators and monitoring.'),
  trustedProxies: preset(
    listOf(cidr, 0, 1000),
    [],
    'Whose X-Forwarded-* headers are believed; from anyone else they are replaced.',
  ),
  proxyProtocol: preset(
    listOf(cidr, 0, 1000),
    [],
    'Whose connections begin with a PROXY header (v1 or v2), and have to; of anyone else none is read.',
  ),
  accessLog: preset(
    choice('off', 'errors', 'all'),
    'off',
    'Which requests leave a JSON line on standard output.',
  ),
  lanes: preset(
    choice('auto', 'general'),
    'auto',
    'auto: plain HTTP/1.1 takes the express lane; general: everything takes the general one.',
  ),
  shutdown: preset(
    duration('0s', '10m'),
    '30s',
    'How long SIGTERM waits for requests in flight; a second one ends at once.',
  ),
  handover: preset(
    duration('0s', '1d'),
    '10m',
    'How long connections may stay with the Pointsman that was replaced (`pointsman upgrade`); then it ends as with SIGTERM.',
  ),
  notify: preset(
    listOf(receiver, 0, 16),
    [],
    'Who is told of flips, rollbacks and failures; kept on disk and tried again until it is taken.',
  ),
  freeze: optional(
    freeze,
    'Why no service is deployed to now; a service that says why itself is told for its own reason.',
  ),
  services: required(
    mapOf(serviceName, service, 5000),
    {},
    'The services, by name: 1 to 63 of a-z, 0-9 and -.',
  ),
});

/** A file after reading, before `resolve.ts` makes a Config of it. */
export type FileFields = NonNullable<ReturnType<typeof fileKind.read>>;

export type ServiceFields = FileFields['services'][string];
