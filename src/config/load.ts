/**
 * From a file to a Config.
 *
 * The rule this file keeps: there is a Config in which everything is right, or there is one Fault
 * that names every mistake; nothing in between, and nothing of a bad file is ever used.
 */
import { resolve as absolute, dirname } from 'node:path';
import { Fault, reasonOf } from '../errors.ts';
import type { Config } from './config.ts';
import { readEdgeFiles } from './edgeFiles.ts';
import { type Included, includeOf, readIncluded, withIncluded } from './include.ts';
import { Reading } from './reading.ts';
import { resolve } from './resolve.ts';
import { checkRules } from './rules.ts';
import { type FileFields, fileKind } from './schema.ts';
import { configFile, readTextFile, tooLong } from './textFile.ts';
import type { Value } from './tree.ts';
import { fillIn, lookUp, type Variables } from './variables.ts';
import { parseYaml } from './yaml.ts';

/** A thousand services with every key are half of it. */
export const fileBytesMax = 1024 * 1024;

/** What stands beside the text of a file. */
export interface Beside {
  readonly variables: Variables;
  readonly included: readonly Included[];
}

const nothingBeside: Beside = { variables: new Map(), included: [] };

/**
 * @param path of a YAML file of at most 1 MiB, in UTF-8.
 * @param environment where `${NAME}` is looked up.
 * @throws Fault CONFIG_UNREADABLE where there is no such text; CONFIG_INVALID with one mistake a
 *   line, and all of them as `detail.mistakes` (`Mistake[]`).
 */
export async function loadConfig(
  path: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Config> {
  const { text } = await readTextFile(path, configFile, fileBytesMax);
  const ofText = await lookUp([text], environment, variableFile);
  const included = await includedBy(text, path, ofText);
  const texts = [text, ...included.map((one) => one.text)];
  const variables = await lookUp(texts, environment, variableFile);
  const reading = new Reading(path);
  const fields = readFields(text, reading, { variables, included });
  const folder = dirname(absolute(path));
  return resolve(fields, path, await readEdgeFiles(fields, reading, folder));
}

/**
 * @param file what mistakes call it; relative paths begin at its folder. Neither it nor any file
 *   that it names is read.
 * @throws Fault CONFIG_INVALID, as `loadConfig` does; CONFIG_UNREADABLE where the text is too long.
 */
export function parseConfig(text: string, file: string, beside: Beside = nothingBeside): Config {
  return resolve(readFields(text, new Reading(file), beside), file);
}

/** @throws Fault CONFIG_INVALID */
export function readFields(
  text: string,
  reading: Reading,
  { variables, included }: Beside = nothingBeside,
): FileFields {
  if (Buffer.byteLength(text) > fileBytesMax) {
    throw tooLong(reading.file, configFile, fileBytesMax);
  }
  const own = parseYaml(text, reading);
  reading.finish();
  if (own === undefined) {
    reading.report('', { line: 1, column: 1 }, 'wanted a map with at least services, got nothing');
    reading.finish();
  } else {
    const whole = withIncluded(own, included, reading);
    reading.finish();
    const value = fillIn(whole, variables, reading);
    // What is not filled in would be wanted as something else a second time.
    reading.finish();
    reading.place('', value.at);
    const fields = fileKind.read(value, '', reading);
    if (fields !== undefined) checkRules(fields, reading);
    reading.finish();
    if (fields !== undefined) return fields;
  }
  throw new TypeError('a reading without a mistake had no fields');
}

/** The files of the folder that the text names; none where it names none, or has mistakes. */
async function includedBy(
  text: string,
  path: string,
  variables: Variables,
): Promise<readonly Included[]> {
  // Its mistakes are found anew, and told then.
  const entry = includeOf(parsed(text, path));
  if (entry === undefined) return [];
  const reading = new Reading(path);
  const value = fillIn(entry.value, variables, reading, 'include');
  reading.finish();
  if (value.kind !== 'scalar' || value.text === '') return [];
  try {
    return await readIncluded(absolute(dirname(absolute(path)), value.text), fileBytesMax);
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    reading.report(
      'include',
      value.at,
      `wanted a folder that can be read, got none: ${reasonOf(thrown)}`,
    );
    reading.finish();
    return [];
  }
}

function parsed(text: string, path: string): Value | undefined {
  return parseYaml(text, new Reading(path));
}

async function variableFile(path: string, bytesMax: number): Promise<string> {
  return (await readTextFile(path, 'The file', bytesMax)).text;
}
