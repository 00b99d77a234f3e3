// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the config are written so.
/** What a config file takes from around it: variables of the environment, and files that it includes. */
import { chmod, mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { variableBytesMax } from '../../src/config/variables.ts';
import { Fault } from '../../src/errors.ts';

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pointsman-beside-'));
  await mkdir(join(folder, 'services.d'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

async function refusal(path: string, environment: Record<string, string> = {}): Promise<string> {
  try {
    await loadConfig(path, environment);
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown.message.replaceAll(`${folder}/`, '');
    throw thrown;
  }
  throw new Error('it was not refused');
}

test('a variable is its value, or else what stands in the file that NAME_FILE names', async () => {
  const secret = await file('secret', 'from a file\r\n');
  const path = await file('p.yaml', 'state: ./${ONE}-${TWO}\nservices: {}');

  const config = await loadConfig(path, { ONE: 'one', ONE_FILE: '/nowhere', TWO_FILE: secret });

  expect(config.stateDir).toBe(join(folder, 'one-from a file'));
});

test('a file that a variable names and that cannot be taken is a mistake at the value', async () => {
  const path = await file('p.yaml', 'services: {}\nstate: ${ONE}\n');
  const large = await file('large', 'x'.repeat(variableBytesMax + 1));

  expect(await refusal(path, { ONE_FILE: join(folder, 'gone') })).toBe(
    'p.yaml:2:8: state: ONE_FILE names a file that cannot be read: The file gone cannot be read: there is no such file',
  );
  expect(await refusal(path, { ONE_FILE: large })).toMatch(/ONE_FILE .* longer than 64 KiB/);
  expect(await refusal(path, { ONE_FILE: folder })).toMatch(/ONE_FILE .* it is a folder, a pipe/);
});

test('what is filled in is not told, since it may be a secret', async () => {
  const path = await file('p.yaml', 'workers: ${ONE}\nshutdown: "${ONE}"\nservices: {}');

  const said = await refusal(path, { ONE: 'my secret' });

  expect(said).not.toContain('my secret');
  expect(said.split('\n')).toEqual([
    expect.stringMatching(
      /^p\.yaml:1:10: workers: wanted .*, got what "\$\{ONE\}" is filled in with$/,
    ),
    expect.stringMatching(
      /^p\.yaml:2:11: shutdown: wanted .*, got what "\$\{ONE\}" is filled in with$/,
    ),
  ]);
});

test('services of an included folder stand beside those of the file, by the names of the files', async () => {
  await file('services.d/b.yaml', 'services: { b: { paths: [/b], run: { static: {} } } }');
  await file('services.d/a.yml', 'services: { a: { paths: ["/${A}"], run: { static: {} } } }');
  await file('services.d/.hidden.yaml', 'nonsense');
  await file('services.d/notes.txt', 'nonsense');
  const first = 'services: { first: { run: { static: {} } } }';
  const path = await file('p.yaml', `include: "./\${WHERE}.d"\n${first}`);
  const alone = await file('alone.yaml', 'include: ./services.d\n');

  const names = async (at: string) =>
    (await loadConfig(at, { WHERE: 'services', A: 'api' })).services.map(
      ({ name, paths }) => `${name} ${paths}`,
    );

  expect(await names(path)).toEqual(['first /', 'a /api', 'b /b']);
  expect(await names(alone)).toEqual(['a /api', 'b /b']);
});

test('a mistake in an included file is told with that file, and so is every other', async () => {
  await file('services.d/a.yaml', 'services:\n  a: { hosts: [a..b], run: { static: {} } }\n');
  await file('services.d/b.yaml', 'services:\n  first: { run: { static: {} } }\nworkers: 2\n');
  await file('services.d/c.yaml', 'services:\n  c: { run: { static: {} } }\n');
  const path = await file(
    'p.yaml',
    'include: services.d\nworkers: many\nservices:\n  first: { run: { static: {} } }\n',
  );

  const included = await refusal(path);
  await file('services.d/b.yaml', 'services:\n  first: { run: { static: {} } }\n');
  const all = await refusal(path);

  expect(included).toBe(
    'services.d/b.yaml:3:1: wanted services and nothing else in an included file, got "workers"',
  );
  expect(all.split('\n')).toEqual([
    expect.stringMatching(/^p\.yaml:2:10: workers: wanted /),
    expect.stringMatching(/^services\.d\/a\.yaml:2:16: services\.a\.hosts\[0\]: wanted a host /),
    'services.d/b.yaml:2:3: services.first: wanted each key once, got it again; it stands on line 4 of p.yaml too',
    'services.d/c.yaml:2:3: services.c: wanted a route of its own, got any host, /, which services.first (line 4, column 3) answers for already',
  ]);
});

test('an included file that is no YAML, or cannot be read, spoils the whole', async () => {
  const path = await file(
    'p.yaml',
    'include: services.d\nservices: { a: { run: { static: {} } } }',
  );

  await file('services.d/a.yaml', 'services: [');
  const broken = await refusal(path);
  await file('services.d/a.yaml', 'a list');
  const text = await refusal(path);
  await rm(join(folder, 'services.d/a.yaml'));
  await mkdir(join(folder, 'services.d/a.yaml'));
  const directory = await refusal(path);
  await rm(join(folder, 'services.d'), { recursive: true });
  const gone = await refusal(path);

  expect(broken).toMatch(/^services\.d\/a\.yaml:1:\d+: /);
  expect(text).toBe('services.d/a.yaml:1:1: wanted a map with services, got "a list"');
  expect(directory).toMatch(/services\.d\/a\.yaml cannot be read: it is a folder/);
  expect(gone).toMatch(
    /^p\.yaml:1:10: include: wanted a folder that can be read, got none: there is no folder /,
  );
});

test('a file of passwords is read with the config, and each mistake in it is told at the key', async () => {
  const good = 'ali:$scrypt$ln=15,r=8,p=3$MDEyMzQ1Njc4OWFiY2RlZg$'.concat('A'.repeat(43));
  const users = await file('users', `# who may come in\n${good}\n\n`);
  const auth = 'basicAuth: { file: users, realm: The shop }';
  const path = await file('p.yaml', `services:\n  shop: { ${auth}, run: { static: {} } }\n`);
  const said = async (text: string): Promise<string> => {
    await writeFile(users, text);
    return refusal(path);
  };

  await chmod(users, 0o640);
  const config = await loadConfig(path, {});
  const key = 'p.yaml:2:30: services.shop.basicAuth.file: wanted';

  expect(config.services[0]?.edge?.basicAuth).toMatchObject({
    realm: 'The shop',
    users: [{ name: 'ali', hash: { ln: 15, r: 8, p: 3 } }],
  });
  expect(await said('ali:$2y$05$abc\nnobody\n')).toBe(
    [
      `${key} name:hash lines, as \`pointsman password\` makes them; line 1 of users has a hash of bcrypt, and only scrypt is read`,
      `${key} name:hash lines, as \`pointsman password\` makes them; line 2 of users has no name and colon`,
      `${key} at least one name, got none in users: nobody could come in`,
    ].join('\n'),
  );
  expect(await said(`${good}\n${good}`)).toBe(`${key} each name once, got "ali" twice in users`);
  expect(await said('x'.repeat(300_000))).toMatch(/is longer than 256 KiB/);
  await chmod(users, 0o644);
  expect(await said(good)).toBe(
    `${key} a file that strangers cannot read, got mode 0644: chmod 640 users`,
  );
  await rm(users);
  expect(await refusal(path)).toBe(
    `${key} a file of names and passwords, got none: The file users cannot be read: there is no such file`,
  );
});

test('pages are read with the config, and each mistake in the folder is told at the key', async () => {
  const path = await file('p.yaml', 'services:\n  shop: { pages: ./pages, run: { static: {} } }\n');
  const key = 'p.yaml:2:18: services.shop.pages: wanted';

  const gone = await refusal(path);
  await mkdir(join(folder, 'pages'));
  const empty = await refusal(path);
  await file('pages/503.html', '<h1>später</h1>');
  await file('pages/logo.svg', '<svg/>');
  const config = await loadConfig(path, {});
  await file('pages/5O3.html', 'x');
  const misspelt = await refusal(path);
  await rm(join(folder, 'pages/5O3.html'));
  const large = await open(join(folder, 'pages/504.html'), 'w');
  await large.truncate(2 * 1024 ** 3);
  await large.close();
  const twoGigabytes = await refusal(path);
  for (const status of [504, 505, 506, 507]) {
    await file(`pages/${status}.html`, 'x'.repeat(64 * 1024));
  }
  await file('pages/508.html', 'x');
  const many = await refusal(path);

  expect(gone).toMatch(/ services\.shop\.pages: wanted a folder with pages, got none: ENOENT for /);
  expect(empty).toBe(`${key} at least one page such as 503.html, got none in pages`);
  expect(config.services[0]?.edge?.pages).toEqual({ 503: '<h1>später</h1>' });
  expect(misspelt).toBe(
    `${key} pages named by a status from 400 to 599, such as 503.html, got "5O3.html"`,
  );
  expect(twoGigabytes).toBe(
    `${key} pages of at most 64 KiB: The page pages/504.html is longer than 64 KiB, the most that is read`,
  );
  expect(many).toMatch(/wanted at most 256 KiB of pages, got \d+ bytes/);
});
