/** `pointsman check`: what `run` refuses is refused before, and nothing is taken by looking. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/run.ts';
import { runCli } from '../support/cli.ts';

const services = 'services: { shop: { run: { static: {} } } }';

function fileWith(text: string, tokens: Readonly<Record<string, string>> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), 'pointsman-check-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  for (const [name, token] of Object.entries(tokens)) {
    writeFileSync(join(dir, name), token);
    chmodSync(join(dir, name), 0o600);
  }
  writeFileSync(join(dir, 'pointsman.yaml'), text);
  return join(dir, 'pointsman.yaml');
}

test('a token of six characters is refused by check as by run, in the same words', async () => {
  const admin = 'admin: { listen: 127.0.0.1:2, tokenFile: ./short }';
  const file = fileWith(`listen: 127.0.0.1:1\n${admin}\n${services}\n`, { short: 'abc123\n' });

  const checked = await runCli(['check', '-c', file]);
  const refused = await run(file, '0.0.0').catch((thrown: Error) => thrown.message);

  expect(checked.exit).toBe(3);
  expect(checked.stderr).toContain('at least 16 visible ASCII characters');
  expect(checked.stderr).toContain('it holds 6');
  expect(checked.stderr).toContain(refused);
});

test('both token files are looked at, and both mistakes are told', async () => {
  const admin = 'admin: { listen: 127.0.0.1:2, tokenFile: ./short, readTokenFile: ./none }';
  const file = fileWith(`listen: 127.0.0.1:1\n${admin}\n${services}\n`, { short: 'abc123\n' });

  const { exit, stderr } = await runCli(['check', '-c', file]);

  expect(exit).toBe(3);
  expect(stderr).toMatch(/admin\.tokenFile: .*it holds 6/);
  expect(stderr).toMatch(/admin\.readTokenFile: .* cannot be read/);
});

test('an address that another program has is refused, and is still the other one’s after', async () => {
  const server = createServer((socket) => void socket.end('here'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const file = fileWith(`listen: 127.0.0.1:${port}\nadmin: { listen: 127.0.0.1:2 }\n${services}\n`);

  const { exit, stderr } = await runCli(['check', '-c', file]);

  expect(exit).toBe(1);
  expect(stderr).toContain(`127.0.0.1:${port}: process ${process.pid} (`);
  expect(server.listening).toBe(true);
});
