/**
 * Tables for people, in Markdown, so that what the bench printed can stand in docs/benchmarks.md as it is.
 */

/** @param {string} title @param {string[]} head @param {(string | number)[][]} rows */
export function print(title, head, rows) {
  const cells = [head, ...rows.map((row) => row.map(String))];
  const width = head.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  const line = (row) =>
    `| ${row.map((cell, at) => (at === 0 ? cell.padEnd(width[at]) : cell.padStart(width[at]))).join(' | ')} |`;
  const rule = `|${width.map((w, at) => (at === 0 ? '-'.repeat(w + 2) : `${'-'.repeat(w + 1)}:`)).join('|')}|`;
  console.log(`\n${title}\n\n${line(head)}\n${rule}\n${cells.slice(1).map(line).join('\n')}`);
}

/** Name, CPU µs, its ratio to that of haproxy, what came each second, errors. @param results runs by name */
export function cpuRows(results) {
  const cpu = (name) => median((results.get(name) ?? []).map((one) => one.cpuUs));
  return [...results].map(([name, runs]) => [
    name,
    digits(cpu(name)),
    digits(cpu(name) / cpu('haproxy')),
    digits(median(runs.map((one) => one.perSecond))),
    runs.reduce((sum, one) => sum + one.errors, 0),
  ]);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** A number with as many digits as tell something. */
export function digits(value) {
  if (!Number.isFinite(value)) return '-';
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
