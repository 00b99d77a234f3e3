/**
 * Env files, as `docker run --env-file` reads them.
 *
 * The rule this file keeps: no shell. A line is `NAME=value` with the value byte for byte, quotes
 * and blanks included; `NAME` alone takes the value Pointsman itself has; `#` begins a comment
 * line.
 */
import { readFile } from 'node:fs/promises';
import type { DockerRun } from '../../../../config/config.ts';
import { Fault, reasonOf } from '../../../../errors.ts';

/** An env file is written by hand; more than this is another file by mistake. */
const bytesMax = 1024 * 1024;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * @returns `NAME=value` for each variable; `env` wins over `envFile`.
 * @throws Fault RELEASE_INVALID naming the file and line.
 */
export async function environmentOf(run: DockerRun, own: Env = process.env): Promise<string[]> {
  const merged = new Map<string, string>();
  if (run.envFile !== null) {
    for (const [name, value] of await readEnvFile(run.envFile, own)) merged.set(name, value);
  }
  for (const [name, value] of Object.entries(run.env)) merged.set(name, value);
  return [...merged].map(([name, value]) => `${name}=${value}`);
}

async function readEnvFile(file: string, own: Env): Promise<readonly [string, string][]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (thrown) {
    throw new Fault('RELEASE_INVALID', `run.docker.envFile cannot be read: ${reasonOf(thrown)}.`, {
      file,
      cause: thrown,
    });
  }
  if (text.length > bytesMax || text.includes('\0')) {
    throw new Fault(
      'RELEASE_INVALID',
      `run.docker.envFile: ${file} is not a text file of settings.`,
      {
        file,
      },
    );
  }
  return parseEnvFile(text, file, own);
}

/** @param file for messages. */
export function parseEnvFile(text: string, file: string, own: Env): readonly [string, string][] {
  const pairs: [string, string][] = [];
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  for (const [at, raw] of lines.entries()) {
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const equals = line.indexOf('=');
    const name = equals < 0 ? line.trimEnd() : line.slice(0, equals);
    if (name === '' || /\s/.test(name)) {
      throw new Fault(
        'RELEASE_INVALID',
        `${file}:${at + 1}: NAME=value was wanted, without blanks in the name; got "${name}".`,
        { file, line: at + 1 },
      );
    }
    const value = equals < 0 ? own[name] : line.slice(equals + 1);
    if (value !== undefined) pairs.push([name, value]);
  }
  return pairs;
}
