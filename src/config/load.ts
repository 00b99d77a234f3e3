/**
 * From a file to a Config.
 *
 * The rule this file keeps: there is a Config in which everything is right, or there is one Fault
 * that names every mistake; nothing in between, and nothing of a bad file is ever used.
 */
import { open } from 'node:fs/promises';
import { Fault, reasonOf } from '../errors.ts';
import type { Config } from './config.ts';
import { Reading } from './reading.ts';
import { resolve } from './resolve.ts';
import { checkRules } from './rules.ts';
import { type FileFields, fileKind } from './schema.ts';
import { parseYaml } from './yaml.ts';

/** A thousand services with every key are half of it. */
export const fileBytesMax = 1024 * 1024;

/**
 * @param path of a YAML file of at most 1 MiB, in UTF-8.
 * @throws Fault CONFIG_UNREADABLE where there is no such text; CONFIG_INVALID with one mistake a
 *   line, and all of them as `detail.mistakes` (`Mistake[]`).
 */
export async function loadConfig(path: string): Promise<Config> {
  return parseConfig(await readText(path), path);
}

/**
 * @param file what mistakes call it; relative paths begin at its folder. It is not read.
 * @throws Fault CONFIG_INVALID, as `loadConfig` does; CONFIG_UNREADABLE where the text is too long.
 */
export function parseConfig(text: string, file: string): Config {
  return resolve(readFields(text, new Reading(file)), file);
}

/** @throws Fault CONFIG_INVALID */
export function readFields(text: string, reading: Reading): FileFields {
  if (Buffer.byteLength(text) > fileBytesMax) throw tooLong(reading.file);
  const value = parseYaml(text, reading);
  reading.finish();
  if (value === undefined) {
    reading.report('', { line: 1, column: 1 }, 'wanted a map with at least services, got nothing');
    reading.finish();
  } else {
    reading.place('', value.at);
    const fields = fileKind.read(value, '', reading);
    if (fields !== undefined) checkRules(fields, reading);
    reading.finish();
    if (fields !== undefined) return fields;
  }
  throw new TypeError('a reading without a mistake had no fields');
}

async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path).catch((cause) => {
    // The reason stands in the message; as a cause as well it would be told twice.
    const gone = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const why = gone ? 'there is no such file' : reasonOf(cause);
    const message = `The config file ${path} cannot be read: ${why}`;
    throw new Fault('CONFIG_UNREADABLE', message, { file: path });
  });
  if (bytes.length > fileBytesMax) throw tooLong(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const message = `The config file ${path} is not UTF-8; save it as UTF-8`;
    throw new Fault('CONFIG_UNREADABLE', message, { cause, file: path });
  }
}

/** At most one byte more than is taken, whatever the file is: a device may never end. */
async function readBytes(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const bytes = Buffer.alloc(fileBytesMax + 1);
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await file.close();
  }
}

function tooLong(file: string): Fault {
  const message = `The config file ${file} is longer than 1 MiB, the most that is read`;
  return new Fault('CONFIG_UNREADABLE', message, { file, bytesMax: fileBytesMax });
}
