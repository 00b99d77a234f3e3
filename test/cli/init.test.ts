/** A first configuration out of three answers, and that it is one. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { type CliOptions, runCli } from '../support/cli.ts';

function start() {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-init-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, 'pointsman.yaml');
  const init = (argv: readonly string[], options: CliOptions = {}) =>
    runCli(['init', '-c', file, ...argv], options);
  return { file, init };
}

const target = ['--target', '127.0.0.1:3000'];

test('three answers make a configuration with HTTPS by itself', async () => {
  const { file, init } = start();

  const { exit, stdout } = await init([], {
    answers: ['shop.example', '127.0.0.1:3000', 'ops@example.org'],
  });
  const { listen, tls, services } = await loadConfig(file);

  expect(exit).toBe(0);
  expect(stdout).toContain(`pointsman check -c ${file}`);
  expect(listen[0]).toEqual({ host: '0.0.0.0', port: 80 });
  expect(tls?.listen[0]).toEqual({ host: '0.0.0.0', port: 443 });
  expect(tls?.acme).toMatchObject({ email: 'ops@example.org' });
  expect(services).toMatchObject([{ name: 'web', hosts: ['shop.example'], tls: { mode: 'auto' } }]);
});

test('flags say the same without anybody there, and a name alone is plain HTTP', async () => {
  const { file, init } = start();

  const { exit } = await init(['--host', 'shop.example', ...target, '--service', 'shop']);
  const { listen, tls, services } = await loadConfig(file);

  expect(exit).toBe(0);
  expect(listen[0]).toEqual({ host: '0.0.0.0', port: 8080 });
  expect(tls).toBeNull();
  expect(services).toMatchObject([{ name: 'shop', hosts: ['shop.example'] }]);
  expect(readFileSync(file, 'utf8')).toContain('pointsman rollback shop');
});

test('a file that is there is left as it is', async () => {
  const { file, init } = start();
  writeFileSync(file, 'mine');

  const { exit, stderr } = await init(target);

  expect(exit).toBe(6);
  expect(stderr).toContain('is there already');
  expect(readFileSync(file, 'utf8')).toBe('mine');
});

test.each([
  [[], /init takes --target/],
  [['--target', 'nonsense'], /targets\[0\]/],
  [['--email', 'ops@example.org', ...target], /--email takes --host/],
  [['--host', 'a.example', '--email', 'not one', ...target], /tls\.acme\.email/],
  [['--host', 'x"]\nadmin: {}', ...target], /hosts\[0\]/],
  [['--http', '99999', ...target], /listen/],
  [['--service', 'a: b', ...target], /--service takes/],
])('what would be no configuration is not written: %j', async (argv, why) => {
  const { file, init } = start();

  const { exit, stderr } = await init(argv);

  expect(exit).toBe(2);
  expect(stderr).toMatch(why);
  expect(existsSync(file)).toBe(false);
});
