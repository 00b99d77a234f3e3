/**
 * The admin port behind another proxy, under a path: the page, the documents, the CLI and the
 * stream of events. The other proxy is a Pointsman, with `prefix.strip`.
 */
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectionHandler } from '../../../src/proxy/express/lane.ts';
import { createGeneralLane } from '../../../src/proxy/general/lane.ts';
import { type Served, serveAdmin } from '../../support/admin.ts';
import { runCli } from '../../support/cli.ts';
import { ask } from '../../support/client.ts';
import { entry, pool, serviceEdge, startProxy } from '../../support/proxy.ts';

const page = fileURLToPath(new URL('../../../dist/dashboard', import.meta.url));

let served: Served | null = null;

beforeEach(() => {
  served = null;
});

afterEach(() => served?.close());

/** @returns the port of the proxy in front. */
async function behind(pageDir: string | null): Promise<number> {
  served = await serveAdmin({ pageDir });
  const { port } = await startProxy(
    (plane) => {
      const { server, deadlines } = createGeneralLane(plane);
      return connectionHandler(plane, server, deadlines);
    },
    {
      services: [
        entry({
          paths: ['/ops/pointsman'],
          pools: { blue: pool('ops.blue.1', [served.port]), green: null },
          edge: serviceEdge({ stripPrefix: '/ops/pointsman' }),
        }),
      ],
    },
  );
  return port;
}

/** What a browser would load or offer from here, as addresses. */
function linksIn(html: string, base: string): string[] {
  const found = [...html.matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, link]) => link ?? '');
  return found.map((link) => new URL(link.replaceAll('&amp;', '&'), base).href);
}

test.each([
  ['the page', page, '/'],
  ['the page that says there is none', null, '/'],
  ['the documents', null, '/docs/'],
  ['the documents without their slash', null, '/docs'],
])('%s leads nowhere outside of its prefix', async (_, pageDir, path) => {
  const port = await behind(pageDir);
  const base = `http://127.0.0.1:${port}/ops/pointsman${path}`;

  const { body } = await ask(port, { path: new URL(base).pathname });

  const links = linksIn(body, base);
  expect(links.length).toBeGreaterThan(1);
  for (const link of links) {
    const { pathname, search } = new URL(link);
    const got = await ask(port, { path: pathname + search });
    expect([link, got.status]).toEqual([link, 200]);
  }
});

test('the CLI asks, acts and follows events under the prefix, with and without a slash', async () => {
  const port = await behind(null);

  for (const slash of ['', '/', '//']) {
    const url = `http://127.0.0.1:${port}/ops/pointsman${slash}`;
    const status = await runCli(['status', '--json'], { url });
    const paused = await runCli(['pause', 'shop'], { url });
    const events = await runCli(['events', '--json'], { url });

    expect([status.exit, paused.exit, events.exit]).toEqual([0, 0, 0]);
    expect(JSON.parse(status.stdout)).toBeTruthy();
  }
});
