// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the config are written so.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileBytesMax, loadConfig, parseConfig, readFields } from '../../src/config/load.ts';
import { type Mistake, mistakesMax, Reading } from '../../src/config/reading.ts';
import { Fault } from '../../src/errors.ts';
import { fc } from '../support/property.ts';
import { systemTls } from '../support/targetTls.ts';

/** How many texts are made up; more with POINTSMAN_FUZZ_RUNS. */
const numRuns = Number(process.env.POINTSMAN_FUZZ_RUNS ?? 1500);

const example = await readFile('deploy/pointsman.yaml', 'utf8');

const service = (keys: string): string => `services: { shop: { ${keys} } }`;

const staticService = (keys: string): string => service(`run: { static: {} }, ${keys}`);

function faultOf(act: () => unknown): Fault {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

function onlyService(text: string) {
  const [found] = parseConfig(text, '/etc/pointsman/p.yaml').services;
  if (found === undefined) throw new Error('there is no service');
  return found;
}

describe('every mistake is named with its place, what was wanted and what was got', async () => {
  const [, ...parts] = (await readFile('test/config/mistakes.txt', 'utf8')).split(/^### /m);
  const cases = parts.map((part) => {
    const [, name = '', text = '', said = ''] =
      /^(.*)\n([\s\S]*?)\n=>\n([\s\S]*)$/.exec(part) ?? [];
    return { name, text, said: said.trimEnd() };
  });

  test('there are at least thirty of them', () => {
    expect(cases.length).toBeGreaterThanOrEqual(30);
  });

  test.each(cases)('$name', ({ text, said }) => {
    const fault = faultOf(() => parseConfig(text, 'p.yaml'));

    expect(fault.code).toBe('CONFIG_INVALID');
    expect(fault.message).toBe(said);
  });
});

test('a mistake comes as plain values too, for the admin API', () => {
  const fault = faultOf(() => parseConfig('services: {}\nworkers: -1\n', 'p.yaml'));

  expect(fault.detail.mistakes).toEqual([
    {
      file: 'p.yaml',
      line: 2,
      column: 10,
      path: 'workers',
      message: 'wanted auto, or a whole number from 0 to 64, got -1',
    } satisfies Mistake,
  ]);
});

test('a file with thousands of mistakes gets the first hundred and their number', () => {
  const text = `services: {}\n${Array.from({ length: 1000 }, (_, n) => `x${n}: 1`).join('\n')}`;

  const fault = faultOf(() => parseConfig(text, 'p.yaml'));

  expect(fault.detail.mistakes).toHaveLength(mistakesMax);
  expect(fault.message.split('\n').at(-1)).toBe('p.yaml: and 900 more');
});

describe('what is not said has its default', () => {
  test('of the whole file', () => {
    const config = parseConfig('services: {}', '/etc/pointsman/p.yaml');

    expect(config).toEqual({
      file: '/etc/pointsman/p.yaml',
      listen: [{ host: '127.0.0.1', port: 8080 }],
      tls: null,
      workers: Math.min(availableParallelism(), 64),
      stateDir: '/etc/pointsman/pointsman-state',
      admin: {
        listen: { host: '127.0.0.1', port: 9400 },
        tls: null,
        tokenFile: null,
        readTokenFile: null,
        hosts: [],
      },
      edge: { trustedProxies: [], proxyProtocol: [], accessLog: 'off', lanes: 'auto', tls: null },
      shutdownMs: 30_000,
      handoverMs: 600_000,
      notify: [],
      services: [],
    });
  });

  test('of a service', () => {
    expect(onlyService(service('run: { static: {} }'))).toEqual({
      name: 'shop',
      hosts: [],
      paths: ['/'],
      health: {
        path: '/up',
        host: null,
        port: null,
        intervalMs: 2000,
        timeoutMs: 2000,
        rise: 2,
        fall: 3,
        status: { from: 200, to: 299 },
        tls: systemTls,
      },
      deploy: { timeoutMs: 60_000, flip: 'auto' },
      warm: { forMs: null, replicas: null, freeze: false, until: 'flip' },
      protect: { windowMs: 60_000, requestsMin: 50, clientsMin: 2 },
      freeze: null,
      hooks: { beforeFlip: [], afterFlip: [], afterRollback: [], onFailure: [] },
      policy: {
        connectMs: 2000,
        responseMs: 30_000,
        idleMs: 60_000,
        queueMs: 30_000,
        bodyBytesMax: 100 * 1024 * 1024,
        headerBytesMax: 16 * 1024,
        responseHeaderBytesMax: 64 * 1024,
        queueMax: 10_000,
        connectionsPerTargetMax: 256,
        bytesPerSecondMin: 240,
        drainMs: 30_000,
        retryAfterSeconds: 2,
        hstsSeconds: 0,
      },
      tls: { mode: 'default', healthPath: '/up' },
      edge: null,
      targetTls: systemTls,
      preview: null,
      clientCa: null,
      run: { kind: 'static', linkLocal: false },
      first: null,
    });
  });

  test('of a process', () => {
    expect(onlyService(service('run: { process: { command: [node] } }')).run).toEqual({
      kind: 'process',
      command: ['node'],
      replicas: 1,
      env: {},
      cwd: '/etc/pointsman',
      stopMs: 10_000,
    });
  });

  test('of containers', () => {
    expect(onlyService(service('run: { docker: { port: 3000 } }')).run).toEqual({
      kind: 'docker',
      port: 3000,
      replicas: 1,
      env: {},
      envFile: null,
      volumes: [],
      network: null,
      command: null,
      user: null,
      labels: {},
      memoryBytes: null,
      cpus: null,
      stopMs: 10_000,
      stopSignal: null,
      readOnly: false,
      capDrop: [],
      init: false,
      pull: 'missing',
      discover: false,
      keepImages: 5,
    });
  });
});

describe('what is said is taken as it was meant', () => {
  test('a release called 1.10 is not the number 1.1', () => {
    const text = service('run: { process: { command: [node] } }, first: { release: 1.10 }');

    expect(onlyService(text).first?.release).toBe('1.10');
  });

  test('numbers and booleans in an environment stay as they were written', () => {
    const env = '{ A: 0x10, B: true, C: 1e3, D: "", E: off, F: "null", __proto__: x }';
    const { run } = onlyService(service(`run: { process: { command: [node], env: ${env} } }`));

    expect(run.kind === 'process' && Object.entries(run.env)).toEqual([
      ['A', '0x10'],
      ['B', 'true'],
      ['C', '1e3'],
      ['D', ''],
      ['E', 'off'],
      ['F', 'null'],
      ['__proto__', 'x'],
    ]);
  });

  test('off is a word even in a file that says it is YAML 1.1', () => {
    const text = '%YAML 1.1\n---\naccessLog: off\nservices: {}\n';

    expect(parseConfig(text, 'p.yaml').edge.accessLog).toBe('off');
  });

  test('relative paths begin at the folder of the file', () => {
    const text = `state: ../state
admin: { tokenFile: token }
services:
  a: { hosts: [a], run: { process: { command: [x], cwd: "releases/{release}" } } }
  b: { hosts: [b], run: { docker: { port: 1, envFile: /run/b.env } } }`;

    const config = parseConfig(text, '/etc/pointsman/p.yaml');

    expect(config.stateDir).toBe('/etc/state');
    expect(config.admin.tokenFile).toBe('/etc/pointsman/token');
    expect(config.services[0]?.run).toMatchObject({ cwd: '/etc/pointsman/releases/{release}' });
    expect(config.services[1]?.run).toMatchObject({ envFile: '/run/b.env' });
  });

  test('a variable is filled in where a value names it, and not where its dollar is doubled', () => {
    const variables = new Map([
      ['WORKERS', { value: '3' }],
      ['DIR', { value: 'a: {b' }],
      ['EMPTY', { value: '' }],
    ]);
    const text = [
      'workers: ${WORKERS}',
      'shutdown: ${EMPTY:-45s}',
      'accessLog: ${UNSET:-all}',
      'state: "/x/${DIR}/$${HOME}$HOME"',
      'services: {}',
    ].join('\n');

    const config = parseConfig(text, '/etc/p.yaml', { variables, included: [] });

    expect(config).toMatchObject({ workers: 3, shutdownMs: 45_000, edge: { accessLog: 'all' } });
    expect(config.stateDir).toBe('/x/a: {b/${HOME}$HOME');
  });

  test.each([
    ['until-next', { forMs: null, replicas: null, freeze: false, until: 'flip' }],
    ['90m', { forMs: 5_400_000, replicas: null, freeze: false, until: 'flip' }],
    ['{ replicas: 1 }', { forMs: null, replicas: 1, freeze: false, until: 'flip' }],
    ['{ for: 30m, replicas: 1 }', { forMs: 1_800_000, replicas: 1, freeze: false, until: 'flip' }],
    ['{ until: deploy }', { forMs: null, replicas: null, freeze: false, until: 'deploy' }],
  ])('warm: %s', (written, expected) => {
    const text = service(`run: { process: { command: [x], replicas: 2 } }, warm: ${written}`);

    expect(onlyService(text).warm).toEqual(expected);
  });

  test('containers that others start are in the place of those that were warm, unless somebody says otherwise', () => {
    const found = (more: string) => service(`run: { docker: { discover: true } }${more}`);

    expect(onlyService(found('')).warm.until).toBe('deploy');
    expect(onlyService(found(', warm: { until: flip }')).warm.until).toBe('flip');
  });

  test.each([
    ['204', { from: 204, to: 204 }],
    ['200-399', { from: 200, to: 399 }],
  ])('status: %s', (written, expected) => {
    expect(onlyService(staticService(`health: { status: ${written} }`)).health.status).toEqual(
      expected,
    );
  });

  test('a probe faster than the default limit is limited by its interval', () => {
    const { health, policy } = onlyService(staticService('health: { interval: 500ms }'));

    expect(health.timeoutMs).toBe(500);
    expect(policy.retryAfterSeconds).toBe(1);
  });

  test('hosts are lower case, prefixes end without a slash, blocks have their bits', () => {
    const text = `trustedProxies: [10.0.0.1, "::1", 10.0.0.0/8]
services: { shop: { hosts: [SHOP.Example], paths: [/Api/, /], run: { static: {} } } }`;

    const { edge, services } = parseConfig(text, 'p.yaml');

    expect(edge.trustedProxies).toEqual(['10.0.0.1/32', '::1/128', '10.0.0.0/8']);
    expect(services[0]?.hosts).toEqual(['shop.example']);
    expect(services[0]?.paths).toEqual(['/Api', '/']);
  });

  test('discovered containers need neither port nor image', () => {
    const text = service('run: { docker: { discover: true } }, first: { release: v1 }');

    expect(onlyService(text)).toMatchObject({ run: { discover: true, port: 0 } });
  });

  test('the same prefix on other hosts, and a wildcard beside an exact host, are no clash', () => {
    const text = `services:
  a: { hosts: [a.example], run: { static: {} } }
  b: { hosts: ["*.example"], run: { static: {} } }
  c: { run: { static: {} } }
  d: { paths: [/api], run: { static: {} } }`;

    expect(parseConfig(text, 'p.yaml').services).toHaveLength(4);
  });

  test('an alias repeats a whole value', () => {
    const text = `services:
  a: { hosts: [a], health: &fast { interval: 1s }, run: &run { static: {} } }
  b: { hosts: [b], health: *fast, run: *run }`;

    const [a, b] = parseConfig(text, 'p.yaml').services;

    expect(b?.health).toEqual(a?.health);
  });
});

describe('whatever the text is, there is a config or a Fault', () => {
  const parses = (text: string): void => {
    try {
      parseConfig(text, 'p.yaml');
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(Fault);
    }
  };

  test('any text at all', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 200 })), parses),
      { numRuns },
    );
  });

  test('the example, with a part of it taken away, doubled, or replaced', () => {
    const junk = fc.oneof(
      fc.constantFrom('', '\t', ': ', '- ', '[', '}', '"', '|\n', '&a ', '*a', '!!map ', '~', '30'),
      fc.string({ maxLength: 8 }),
    );
    const cut = fc.tuple(fc.nat(example.length), fc.nat(40), junk, fc.boolean());
    fc.assert(
      fc.property(fc.array(cut, { minLength: 1, maxLength: 4 }), (cuts) => {
        let text = example;
        for (const [from, length, with_, twice] of cuts) {
          const part = text.slice(from, from + length);
          text = text.slice(0, from) + (twice ? part + part : with_) + text.slice(from + length);
        }
        parses(text);
      }),
      { numRuns: Math.ceil(numRuns / 5) },
    );
  });

  test('every key with every shape of value', () => {
    const shapes = ['', '1', '-1.5', 'x', 'true', '[]', '[1, {a: b}]', '{}', '{a: [b]}', '.nan'];
    const keys = new Reading('x');
    readFields(example, keys);
    for (const path of keys.paths.filter((written) => !written.includes('['))) {
      for (const shape of shapes) {
        const names = path.split('.');
        parses(
          `${names.map((name, depth) => `${'  '.repeat(depth)}${name}:`).join('\n')} ${shape}`,
        );
      }
    }
  });

  test.each([
    ['brackets', '['.repeat(20_000)],
    ['braces', '{a: '.repeat(20_000)],
    ['dashes', '- '.repeat(20_000)],
    ['question marks', '? '.repeat(20_000)],
    ['closed brackets', `a: ${'['.repeat(20_000)}${']'.repeat(20_000)}`],
  ])('a tower of %s is refused, and does not end the process', (_, text) => {
    const fault = faultOf(() => parseConfig(text, 'p.yaml'));

    expect(fault.message).toMatch(/^p\.yaml:1:\d+: wanted at most 32 levels of nesting, got more$/);
  });

  test('aliases that would unfold into a billion are refused', () => {
    const laughs = Array.from({ length: 9 }, (_, n) => {
      const before = n === 0 ? 'lol' : `*a${n - 1}`;
      return `a${n}: &a${n} [${Array.from({ length: 200 }, () => before).join(', ')}]`;
    }).join('\n');

    const fault = faultOf(() => parseConfig(`${laughs}\nservices: {}`, 'p.yaml'));

    expect(fault.message).toContain('wanted at most 1000 aliases, got more');
  });
});

describe('a file', () => {
  let folder = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pointsman-config-'));
  });

  afterAll(() => rm(folder, { recursive: true }));

  test('is read, and remembered by its absolute path', async () => {
    const file = join(folder, 'good.yaml');
    await writeFile(file, '\ufeffservices: {}\n');

    expect((await loadConfig(file)).file).toBe(file);
  });

  test.each([
    ['that is missing', 'missing.yaml', null, /cannot be read: there is no such file/],
    ['that is a folder', '.', null, /cannot be read: EISDIR/],
    ['that is not UTF-8', 'latin1.yaml', Buffer.from('# b\xfccher\n', 'latin1'), /not UTF-8/],
    ['of more than 1 MiB', 'long.yaml', Buffer.alloc(fileBytesMax + 1, '#'), /longer than 1 MiB/],
  ])('%s is refused by name', async (_, name, bytes, said) => {
    const file = join(folder, name);
    if (bytes !== null) await writeFile(file, bytes);

    const loaded = loadConfig(file);

    await expect(loaded).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE', detail: { file } });
    await expect(loaded).rejects.toThrow(said);
  });

  test.runIf(process.platform === 'linux')('that never ends is not read to its end', async () => {
    await expect(loadConfig('/dev/zero')).rejects.toThrow(/longer than 1 MiB/);
  });
});
