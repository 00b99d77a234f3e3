/**
 * From a clean folder to HTTPS that a client trusts, by three commands, with pebble for an
 * authority: as docs/quick-start.md has it.
 *
 * The rule this file keeps: the commands are run as a person types them, by the built program.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { pebble, pebbleTest } from '../support/acme/pebble.ts';
import { shake } from '../support/tls.ts';
import { freePort, mainFile, preparePointsman, startReleases, until } from '../support/whole.ts';

interface Ran {
  readonly code: number | null;
  readonly text: string;
}

function pointsman(cwd: string, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [mainFile, ...args], { cwd });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
    }
    child.once('close', (code) => resolve({ code, text }));
  });
}

pebbleTest('init, check and run: HTTPS answers with a certificate that is trusted', async () => {
  const { alder = '' } = await startReleases(['alder']);
  const place = await preparePointsman({ workers: 2, run: {}, first: {} });
  const { dir, port: http, adminPort, configFile } = place;
  const https = await freePort();
  const { directory, rootsFile, root } = await pebble({ httpPort: http, tlsPort: https });
  const file = 'first.yaml';
  const host = 'localhost';

  const written = await pointsman(
    dir,
    ...['init', '-c', file, '--host', host, '--target', alder, '--email', 'ops@example.org'],
    ...['--http', `${http}`, '--https', `${https}`, '--directory', directory],
    ...['--ca-file', rootsFile],
  );
  // Where a test may listen: beside other ones.
  const text = readFileSync(`${dir}/${file}`, 'utf8').replace(':9400', `:${adminPort}`);
  writeFileSync(`${dir}/${file}`, text);
  const checked = await pointsman(dir, 'check', '--acme', '-c', file);
  writeFileSync(configFile, text);
  await place.start();
  const ca = await root();
  const visit = { servername: host, host, ca, rejectUnauthorized: true };
  const trusted = await until('HTTPS is trusted', async () => {
    const seen = await shake(https, visit);
    return seen.status === undefined ? null : seen;
  });

  expect(written).toMatchObject({ code: 0 });
  expect(checked).toMatchObject({ code: 0 });
  expect(checked.text).toMatch(/^acme: 127\.0\.0\.1:\d+ answers, and renews by two thirds/m);
  expect(checked.text).toMatch(/^acme: localhost is at (127\.0\.0\.1|::1)/m);
  expect(checked.text).toContain(`${file} is right: 1 service (web)`);
  expect(trusted.status).toBe(200);
});

pebbleTest('check --acme says what the authority would refuse, and orders nothing', async () => {
  const place = await preparePointsman({ workers: 0, run: {}, first: {} });
  const { dir, configFile } = place;
  const { directory, rootsFile } = await pebble({ httpPort: 1, tlsPort: 2 });
  const check = async (acme: object) => {
    const services = { shop: { hosts: ['nobody.invalid'], tls: 'auto', run: { static: {} } } };
    const listen = `127.0.0.1:${place.port}`;
    const tls = { listen: `127.0.0.1:${await freePort()}`, acme: { terms: 'agreed', ...acme } };
    const admin = { listen: `127.0.0.1:${place.adminPort}` };
    writeFileSync(configFile, JSON.stringify({ listen, tls, admin, services }));
    return pointsman(dir, 'check', '--acme', '-c', configFile);
  };

  const good = await check({ directory, caFile: rootsFile });
  const profile = await check({ directory, caFile: rootsFile, profile: 'nosuch' });
  const distrusted = await check({ directory });

  expect(good.code).toBe(0);
  expect(good.text).toContain('note: nobody.invalid is at no address');
  expect(profile.code).toBe(1);
  expect(profile.text).toContain('has no profile "nosuch"');
  expect(distrusted.code).toBe(1);
  expect(distrusted.text).toContain('tls.acme.caFile');
});
