/**
 * Every alert is shown to fire when it should and to be silent when it should not, by promtool,
 * which runs the very rules that Prometheus would.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { grafanaDir, prometheusTest, promtool } from '../support/prometheus.ts';

const files = ['recording.yml', 'alerts.yml'].map((file) => join(grafanaDir, 'rules', file));
const alerts = readFileSync(join(grafanaDir, 'rules', 'alerts.yml'), 'utf8');
const alertNames = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);

interface Case {
  readonly name: string;
  readonly alert: string;
  readonly fires: boolean;
  /** Minutes after the beginning. */
  readonly at: string;
  /** Series in promtool's notation, one value every 15 s. */
  readonly series: Readonly<Record<string, string>>;
}

const live = { 'pointsman_live{service="shop",color="blue"}': '1x400' };
const standby = { 'pointsman_live{service="shop",color="green"}': '0x400' };
const target = (color: string, id: string) =>
  `pointsman_target_up{service="shop",color="${color}",target="${id}"}`;
const phase = (name: string) => `pointsman_deployment_phase{service="shop",phase="${name}"}`;
const requests = (color: string, code: number) =>
  `pointsman_requests_total{service="shop",color="${color}",method="GET",code="${code}"}`;

const expires = (source: string) =>
  `pointsman_certificate_expires_timestamp_seconds{certificate="shop",source="${source}"}`;

/** Blue serves for 15 minutes, then green does; green's errors of 100 requests are given. */
const flipAt15 = (oldErrors: number, newErrors: number): Readonly<Record<string, string>> => ({
  'pointsman_live{service="shop",color="blue"}': '1x60 0x100',
  'pointsman_live{service="shop",color="green"}': '0x60 1x100',
  'pointsman_generation{service="shop"}': '4x60 5x100',
  [requests('blue', 200)]: `0+${100 - oldErrors}x60 ${(100 - oldErrors) * 60}x100`,
  [requests('blue', 502)]: `0+${oldErrors}x60 ${oldErrors * 60}x100`,
  [requests('green', 200)]: `0x60 0+${100 - newErrors}x100`,
  [requests('green', 502)]: `0x60 0+${newErrors}x100`,
});

const cases: readonly Case[] = [
  ...pair(
    'PointsmanDown',
    '2m',
    { 'up{job="pointsman"}': '0x20' },
    { 'up{job="pointsman"}': '1x20' },
  ),
  {
    name: 'a scrape lost once is no outage',
    alert: 'PointsmanDown',
    fires: false,
    at: '2m',
    series: { 'up{job="pointsman"}': '1x6 0 1x20' },
  },
  ...pair(
    'PointsmanNoHealthyTarget',
    '2m',
    { ...live, [target('blue', 'a')]: '0x20', [target('blue', 'b')]: '0x20' },
    { ...live, [target('blue', 'a')]: '0x20', [target('blue', 'b')]: '1x20' },
  ),
  {
    name: 'a live pool without any target counts as down',
    alert: 'PointsmanNoHealthyTarget',
    fires: true,
    at: '2m',
    series: live,
  },
  {
    name: 'a standby that is down is nobody’s outage',
    alert: 'PointsmanNoHealthyTarget',
    fires: false,
    at: '2m',
    series: { ...live, ...standby, [target('blue', 'a')]: '1x20', [target('green', 'b')]: '0x20' },
  },
  ...pair(
    'PointsmanLivePoolBelowSize',
    '3m',
    { ...live, [target('blue', 'a')]: '1x20', [target('blue', 'b')]: '0x20' },
    { ...live, ...standby, [target('blue', 'a')]: '1x20', [target('green', 'b')]: '0x20' },
  ),
  ...pair(
    'PointsmanRollbackNotReady',
    '20m',
    {
      'pointsman_rollback_ready{service="shop"}': '0x100',
      'pointsman_generation{service="shop"}': '4x100',
    },
    {
      'pointsman_rollback_ready{service="shop"}': '0x40 1 0x59',
      'pointsman_generation{service="shop"}': '4x100',
    },
  ),
  {
    name: 'the first release has nothing to go back to',
    alert: 'PointsmanRollbackNotReady',
    fires: false,
    at: '20m',
    series: {
      'pointsman_rollback_ready{service="shop"}': '0x100',
      'pointsman_generation{service="shop"}': '1x100',
    },
  },
  {
    name: 'a warm pool that sleeps by the config is no trouble',
    alert: 'PointsmanRollbackNotReady',
    fires: false,
    at: '20m',
    series: {
      'pointsman_rollback_ready{service="shop"}': '0x100',
      'pointsman_rollback_asleep{service="shop"}': '1x100',
      'pointsman_generation{service="shop"}': '4x100',
    },
  },
  {
    name: 'a warm pool that was retired is no trouble',
    alert: 'PointsmanRollbackNotReady',
    fires: false,
    at: '20m',
    series: {
      'pointsman_rollback_ready{service="shop"}': '0x100',
      'pointsman_rollback_retired{service="shop"}': '1x100',
      'pointsman_generation{service="shop"}': '4x100',
    },
  },
  ...pair(
    'PointsmanDeploymentStuck',
    '20m',
    { [phase('probing')]: '1x100', [phase('ready')]: '0x100' },
    { [phase('probing')]: '1x20 0x80', [phase('live')]: '0x20 1x80' },
  ),
  ...pair(
    'PointsmanDeploymentWaits',
    '65m',
    { [phase('ready')]: '1x400' },
    { [phase('ready')]: '1x100 0x300' },
  ),
  ...pair('PointsmanNewColorErrors', '18m', flipAt15(1, 20), flipAt15(1, 2)),
  {
    name: 'a service that failed as much before is not blamed on the release',
    alert: 'PointsmanNewColorErrors',
    fires: false,
    at: '18m',
    series: flipAt15(20, 20),
  },
  {
    name: 'errors without a flip are not blamed on one',
    alert: 'PointsmanNewColorErrors',
    fires: false,
    at: '39m',
    series: flipAt15(1, 20),
  },
  ...pair(
    'PointsmanReleaseHeld',
    '2m',
    { 'pointsman_watch_phase{service="shop",phase="held"}': '0x2 1x20' },
    { 'pointsman_watch_phase{service="shop",phase="passed"}': '0x2 1x20' },
  ),
  ...pair(
    'PointsmanConfirmHeld',
    '4m',
    { 'pointsman_confirm_held{service="shop"}': '0x2 1x20' },
    { 'pointsman_confirm_held{service="shop"}': '0x20' },
  ),
  ...pair(
    'PointsmanReleaseTakenBack',
    '2m',
    { 'pointsman_latched{service="shop"}': '0x2 1x20' },
    { 'pointsman_latched{service="shop"}': '0x20' },
  ),
  ...pair(
    'PointsmanHookFailed',
    '5m',
    { 'pointsman_hook_failed{service="shop",hook="afterFlip"}': '0x4 1x20' },
    { 'pointsman_hook_failed{service="shop",hook="beforeFlip"}': '0x4 1x20' },
  ),
  ...pair(
    'PointsmanFlipAborted',
    '10m',
    { 'pointsman_flips_total{service="shop",direction="deploy",result="aborted"}': '0x20 1x20' },
    { 'pointsman_flips_total{service="shop",direction="deploy",result="committed"}': '0x20 1x20' },
  ),
  {
    name: 'the very first abort of a service, which has no zero before it',
    alert: 'PointsmanFlipAborted',
    fires: true,
    at: '10m',
    series: {
      'pointsman_flips_total{service="shop",direction="deploy",result="aborted"}': '_x20 1x20',
    },
  },
  ...pair(
    'PointsmanPaused',
    '7m',
    { 'pointsman_paused{service="shop"}': '1x40' },
    { 'pointsman_paused{service="shop"}': '1x16 0x24' },
  ),
  ...pair(
    'PointsmanWorkerRestarts',
    '10m',
    { pointsman_worker_restarts_total: '0x20 1x20' },
    { pointsman_worker_restarts_total: '3x40' },
  ),
  ...pair(
    'PointsmanConfigReloadFailed',
    '3m',
    { pointsman_config_last_reload_successful: '0x20' },
    { pointsman_config_last_reload_successful: '1x20' },
  ),
  ...pair(
    'PointsmanStateNotWritable',
    '2m',
    { pointsman_state_writable: '0x20' },
    { pointsman_state_writable: '1x20' },
  ),
  // The clock of these tests begins in 1970: a day has 86400.
  ...pair(
    'PointsmanCertificateExpires',
    '20m',
    { [expires('file')]: `${6 * 86_400}x100` },
    { [expires('file')]: `${8 * 86_400}x100` },
  ),
  ...pair(
    'PointsmanCertificateExpires',
    '20m',
    { [expires('acme')]: `${86_400}x100` },
    { [expires('acme')]: `${2 * 86_400}x100` },
  ),
  {
    name: 'a certificate that does not come',
    alert: 'PointsmanCertificateExpires',
    fires: true,
    at: '20m',
    series: { [expires('temporary')]: '0x100' },
  },
  {
    name: 'a start that waits for its first certificate',
    alert: 'PointsmanCertificateExpires',
    fires: false,
    at: '20m',
    series: { [expires('temporary')]: '0x10 _x90' },
  },
  ...pair(
    'PointsmanNameUnresolved',
    '20m',
    { 'pointsman_target_resolved{service="shop",color="blue",target="app:80"}': '0x100' },
    { 'pointsman_target_resolved{service="shop",color="blue",target="app:80"}': '1x40 0x8 1x60' },
  ),
  ...pair(
    'PointsmanCertificateError',
    '20m',
    { 'pointsman_certificate_error{certificate="shop",source="acme"}': '1x100' },
    { 'pointsman_certificate_error{certificate="shop",source="acme"}': '0x40 1x10 0x50' },
  ),
  ...pair(
    'PointsmanNotificationsStuck',
    '35m',
    { 'pointsman_notifications_pending{receiver="hooks.example"}': '2x200' },
    { 'pointsman_notifications_pending{receiver="hooks.example"}': '2x80 0 1x120' },
  ),
];

test('every alert has a case in which it fires and one in which it does not', () => {
  expect(alertNames.length).toBeGreaterThan(8);
  for (const fires of [true, false]) {
    const shown = new Set(cases.filter((one) => one.fires === fires).map(({ alert }) => alert));
    expect(alertNames.filter((name) => !shown.has(name))).toEqual([]);
  }
});

test('every alert has a severity, a summary and a runbook of its own name', () => {
  const blocks = alerts.split(/- alert: /).slice(1);

  for (const block of blocks) {
    const name = /^\w+/.exec(block)?.[0] ?? '';
    expect(block).toMatch(/severity: (critical|warning|info)/);
    expect(block).toMatch(/summary: /);
    expect(block).toContain(`/runbook.html#${name.toLowerCase()}'`);
  }
});

test('the runbook that Pointsman serves has a place for every alert, and no link that leads nowhere', () => {
  const page = readFileSync(new URL('../../dist/dashboard/runbook.html', import.meta.url), 'utf8');

  for (const name of alertNames)
    expect(page).toContain(`<h3 id="${name.toLowerCase()}">${name}</h3>`);
  expect([...page.matchAll(/<a [^>]*href="([^"]*)"/g)].map(([, href]) => href)).toEqual(['./']);
});

for (const [said, begins] of [
  ['http://proxy.example:9400', 'http://proxy.example:9400'],
  [null, 'http://127.0.0.1:9400'],
]) {
  prometheusTest(`a runbook link is absolute: the external label is ${said}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'pointsman-rules-'));
    const file = { rule_files: files, evaluation_interval: '15s', tests: [linkTest(said, begins)] };
    writeFileSync(join(folder, 'test.json'), JSON.stringify(file));

    const { status, stdout, stderr } = promtool(['test', 'rules', join(folder, 'test.json')]);
    rmSync(folder, { recursive: true });

    expect([status, stdout + stderr]).toEqual([0, expect.any(String)]);
  });
}

prometheusTest('promtool finds no fault with the rules and the configuration', () => {
  const rules = promtool(['check', 'rules', ...files]);
  const config = promtool(['check', 'config', '--syntax-only', join(grafanaDir, 'prometheus.yml')]);

  expect([rules.status, rules.stdout + rules.stderr]).toEqual([0, expect.any(String)]);
  expect([config.status, config.stdout + config.stderr]).toEqual([0, expect.any(String)]);
});

for (const one of cases) {
  prometheusTest(`${one.alert}: ${one.name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'pointsman-rules-'));
    // promtool reads YAML, and JSON is YAML.
    writeFileSync(join(folder, 'test.json'), JSON.stringify(promtoolTest(one)));

    const { status, stdout, stderr } = promtool(['test', 'rules', join(folder, 'test.json')]);
    rmSync(folder, { recursive: true });

    expect([status, stdout + stderr]).toEqual([0, expect.any(String)]);
  });
}

function linkTest(said: string | null | undefined, begins: string | null | undefined): unknown {
  return {
    interval: '15s',
    ...(said === null ? {} : { external_labels: { pointsman: said } }),
    input_series: [{ series: 'up{job="pointsman",instance="a:9400"}', values: '0x20' }],
    alert_rule_test: [
      {
        eval_time: '2m',
        alertname: 'PointsmanDown',
        exp_alerts: [
          {
            exp_labels: { job: 'pointsman', instance: 'a:9400', severity: 'critical' },
            exp_annotations: {
              summary: "Pointsman's admin port at a:9400 does not answer",
              description:
                'Traffic may go on: workers serve their last table. Deployments, probes and rollbacks do not.',
              runbook_url: `${begins}/runbook.html#pointsmandown`,
            },
          },
        ],
      },
    ],
  };
}

function pair(
  alert: string,
  at: string,
  firing: Case['series'],
  silent: Case['series'],
): readonly Case[] {
  return [
    { name: 'fires', alert, fires: true, at, series: firing },
    { name: 'does not fire when all is well', alert, fires: false, at, series: silent },
  ];
}

function promtoolTest({ alert, fires, at, series }: Case): unknown {
  return {
    rule_files: files,
    evaluation_interval: '15s',
    tests: [
      {
        interval: '15s',
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          {
            expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
            eval_time: at,
            exp_samples: fires ? [{ labels: '{}', value: 1 }] : [],
          },
        ],
      },
    ],
  };
}
