/**
 * Debian's Prometheus and its promtool, for the tests of rules and boards.
 *
 * The rule this file keeps: where they cannot be had, a test is skipped by name with the reason;
 * with CI set, it fails.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';

export const grafanaDir = fileURLToPath(new URL('../../grafana', import.meta.url));

/** Absolute path of a program on PATH; undefined: it is not there. */
export function programOf(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Runs promtool to its end. @param input for its stdin. */
export function promtool(args: readonly string[], input?: string): SpawnSyncReturns<string> {
  return spawnSync('promtool', args, { encoding: 'utf8', ...(input !== undefined && { input }) });
}

/** A test that needs these programs. */
export function prometheusTest(
  name: string,
  run: () => void | Promise<void>,
  programs: readonly string[] = ['promtool'],
  timeoutMs?: number,
): void {
  const missing = programs.filter((program) => programOf(program) === undefined);
  if (missing.length === 0 || process.env.CI) test(name, run, timeoutMs);
  else test.skip(`${name} (skipped: no ${missing.join(', ')}; apt-get install prometheus)`, run);
}

/** An expression of a board with its variables filled in, as Grafana would. */
export function filledIn(expression: string, values: Readonly<Record<string, string>>): string {
  return expression.replaceAll(/\$\{?(\w+)\}?/g, (whole, name: string) => values[name] ?? whole);
}
