/**
 * `pointsman check`: reads a configuration as `run` would, and starts nothing.
 *
 * The rule this file keeps: every mistake is told at once, with its place in the file.
 */
import { loadConfig } from '../config/load.ts';
import { exits } from './exits.ts';
import type { Io } from './io.ts';
import { plural } from './text.ts';

/** @returns 0. @throws Fault CONFIG_INVALID with one mistake a line, CONFIG_UNREADABLE. */
export async function check(io: Io, path: string, json: boolean): Promise<number> {
  const { services } = await loadConfig(path);
  const names = services.map(({ name }) => name);
  const text = `${path} is right: ${plural(names.length, 'service')} (${names.join(', ')})`;
  io.stdout.write(json ? `${JSON.stringify({ ok: true, services: names })}\n` : `${text}\n`);
  return exits.ok;
}
