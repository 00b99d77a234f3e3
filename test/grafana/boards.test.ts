/**
 * The boards: every expression is valid, of metrics that exist, and every board can be provisioned.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Metrics } from '../../src/control/telemetry/metrics.ts';
import { Totals } from '../../src/control/telemetry/totals.ts';
import type { HistogramCounts, WorkerStats } from '../../src/wire.ts';
import { expressionsOf, readBoards } from '../support/boards.ts';
import { fakeService } from '../support/fakeControl.ts';
import { filledIn, grafanaDir, prometheusTest, promtool } from '../support/prometheus.ts';

const boards = readBoards();
const expressions = boards.flatMap(expressionsOf);
const values = { service: '.*', __rate_interval: '30s', datasource: 'x' };
const rules = ['recording.yml', 'alerts.yml']
  .map((file) => readFileSync(join(grafanaDir, 'rules', file), 'utf8'))
  .join('\n');

test('there are two boards with ids and titles of their own, and panels with ids of theirs', () => {
  expect(boards.map(({ uid }) => uid).sort()).toEqual(['pointsman-overview', 'pointsman-service']);
  for (const { panels, annotations } of boards) {
    const ids = panels.map((panel) => (panel as { id?: number }).id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(annotations.list.map(({ name }) => name)).toContain('Flips');
  }
});

test('every variable in an expression is one that the board, or Grafana, fills in', () => {
  for (const { where, text } of expressions) {
    expect([where, filledIn(text, values)]).toEqual([where, expect.not.stringContaining('$')]);
  }
});

prometheusTest('Prometheus can parse every expression of every panel', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pointsman-boards-'));
  const file = join(folder, 'expressions.json');
  const asRules = expressions.map(({ text }, n) => ({
    record: `r${n}`,
    expr: filledIn(text, values),
  }));
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'boards', rules: asRules }] }));

  const { status, stdout, stderr } = promtool(['check', 'rules', file]);
  rmSync(folder, { recursive: true });

  expect(expressions.length).toBeGreaterThan(30);
  expect([status, stdout + stderr]).toEqual([0, expect.any(String)]);
});

test('every metric of a board or a rule exists, and so does every recorded series', async () => {
  const page = await pageOf();
  const real = new Set([...page.matchAll(/^# TYPE (\w+)/gm)].map(([, name = '']) => name));
  const recorded = new Set([...rules.matchAll(/record: (\S+)/g)].map(([, name = '']) => name));
  const texts = [...expressions.map(({ text }) => text), rules];

  const used = new Set(
    texts.flatMap((text) => text.match(/\b(pointsman|process)_\w+\b(?!:)/g) ?? []),
  );
  const usedRecorded = new Set(
    texts.flatMap((text) => text.match(/\bservice_color:[\w:]+/g) ?? []),
  );

  const withoutSuffix = (name: string) => name.replace(/_(bucket|sum|count)$/, '');
  const unknown = [...used].filter((name) => !real.has(name) && !real.has(withoutSuffix(name)));
  expect(unknown).toEqual([]);
  expect([...usedRecorded].filter((name) => !recorded.has(name))).toEqual([]);
});

prometheusTest('promtool finds no fault with the metrics page', async () => {
  const { status, stdout, stderr } = promtool(['check', 'metrics'], await pageOf());

  const complaints = (stdout + stderr).split('\n').filter((line) => line.includes('pointsman_'));
  expect(complaints).toEqual([]);
  // 3: only a matter of taste, and then of the metrics that prom-client brings.
  expect([0, 3]).toContain(status);
});

/** The page of a real registry with something in every metric. */
async function pageOf(): Promise<string> {
  const totals = new Totals();
  const counts: HistogramCounts = { buckets: new Array(16).fill(1), sum: 20 };
  const worker: WorkerStats = {
    worker: 1,
    pid: 1,
    tableVersion: 1,
    connections: 3,
    rssBytes: 5e7,
    logLinesDropped: 0,
    unrouted: { ROUTE_UNKNOWN: 2 },
    lanes: { express: 5, general: 2, http2: 1 },
    handovers: { upgrade: 1 },
    handshakes: {},
    services: [
      {
        name: 'shop',
        generation: 3,
        live: 'blue',
        staged: null,
        holding: false,
        waiting: 0,
        held: 4,
        pools: [],
        counts: [
          {
            color: 'blue',
            requests: { 'GET 200': 16, 'POST 502': 1 },
            duration: counts,
            upstream: counts,
            clientAborts: 1,
            retries: { connect: 1 },
            panics: 1,
          },
        ],
      },
    ],
  };
  totals.update([worker]);
  const metrics = new Metrics({
    version: '0.1.0',
    totals,
    stats: async () => [worker],
    services: () => [fakeService('shop')],
    certificates: () => [],
    notifier: () => [
      { receiver: 'a.example', pending: 1, outcomes: { taken: 1, refused: 0, lost: 0 } },
    ],
    stateWritable: () => true,
    configLoaded: () => true,
  });
  metrics.flipAborted('shop', 'deploy');
  metrics.workerRestarted();
  return (await metrics.page()).text;
}
