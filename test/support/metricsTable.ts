/** The metrics of Pointsman as a Markdown table, read off a page that a real registry printed. */
import { Metrics } from '../../src/control/telemetry/metrics.ts';
import { Totals } from '../../src/control/telemetry/totals.ts';

export async function metricsTable(): Promise<string> {
  const totals = new Totals();
  const metrics = new Metrics({
    version: 'test',
    totals,
    stats: async () => [],
    services: () => [],
    certificates: () => [],
    notifier: () => [],
    stateWritable: () => true,
    configLoaded: () => true,
  });
  const { text } = await metrics.page();
  const helps = new Map(
    [...text.matchAll(/^# HELP (pointsman_\w+) (.+)$/gm)].map((m) => [m[1], m[2]]),
  );
  const types = new Map(
    [...text.matchAll(/^# TYPE (pointsman_\w+) (\w+)$/gm)].map((m) => [m[1], m[2]]),
  );
  const rows = [...helps]
    .map(([name, help]) => `| \`${name}\` | ${types.get(name)} | ${help} |`)
    .sort();
  return ['| metric | type | what |', '|---|---|---|', ...rows].join('\n');
}
