/**
 * The files that services name: who has which password, pages, and what targets are verified by.
 *
 * The rule this file keeps: they are read with the config, whole and bounded, and a mistake in one
 * is a mistake of the config, told at the key that names it; so what was right before stays.
 */
import { readdir } from 'node:fs/promises';
import { resolve as absolute, join } from 'node:path';
import { Fault } from '../errors.ts';
import { parsePasswordHash } from '../passwordHash.ts';
import type { BasicAuth, ServiceEdge } from '../wireEdge.ts';
import { below, type Reading } from './reading.ts';
import type { FileFields, ServiceFields } from './schema.ts';
import { noTargetPems, readTargetPems, type TargetPems } from './targetTrust.ts';
import { readTextFile } from './textFile.ts';
import { quote } from './tree.ts';

/** What the files of one service hold. */
export interface EdgeFiles {
  readonly users: BasicAuth['users'];
  /** Of its preview. */
  readonly previewUsers: BasicAuth['users'];
  /** HTML, by status. */
  readonly pages: ServiceEdge['pages'];
  readonly targetPems: TargetPems;
}

export type EdgeFilesOf = ReadonlyMap<string, EdgeFiles>;

export const noEdgeFiles: EdgeFiles = {
  users: [],
  previewUsers: [],
  pages: {},
  targetPems: noTargetPems,
};

const usersBytesMax = 256 * 1024;
const usersMax = 1000;
/** They travel to every worker with the table: no place for pictures. */
const pageBytesMax = 64 * 1024;
const pagesBytesMax = 256 * 1024;

/** @throws Fault CONFIG_INVALID with every mistake that is in them. */
export async function readEdgeFiles(
  { services }: FileFields,
  reading: Reading,
  folder: string,
): Promise<EdgeFilesOf> {
  const found = new Map<string, EdgeFiles>();
  for (const [name, service] of Object.entries(services)) {
    const path = below('services', name);
    const { basicAuth, preview } = service;
    const users = await usersOf(basicAuth, `${path}.basicAuth`, reading, folder);
    const auth = preview?.auth ?? null;
    const previewUsers = await usersOf(auth, `${path}.preview.auth`, reading, folder);
    const pages = await pagesOf(service, path, reading, folder);
    const tls = `${path}.targetTls`;
    const targetPems = await readTargetPems(service.targetTls, tls, reading, folder);
    found.set(name, { users, previewUsers, pages, targetPems });
  }
  reading.finish();
  return found;
}

async function usersOf(
  basicAuth: ServiceFields['basicAuth'],
  path: string,
  reading: Reading,
  folder: string,
): Promise<BasicAuth['users']> {
  if (basicAuth === null) return [];
  const key = `${path}.file`;
  const report = (message: string): void => reading.report(key, reading.at(key), message);
  const file = absolute(folder, basicAuth.file);
  const read = await readTextFile(file, 'The file', usersBytesMax).catch((thrown: unknown) => {
    if (!(thrown instanceof Fault)) throw thrown;
    report(`wanted a file of names and passwords, got none: ${thrown.message}`);
    return null;
  });
  if (read === null) return [];
  if (read.mode & 0o007) {
    report(
      `wanted a file that strangers cannot read, got mode ${modeText(read.mode)}: chmod 640 ${file}`,
    );
    return [];
  }
  const users = linesOf(read.text).flatMap(({ line, number }) => {
    const user = userIn(line);
    if (typeof user !== 'string') return [user];
    report(
      `wanted name:hash lines, as \`pointsman password\` makes them; line ${number} of ${file} ${user}`,
    );
    return [];
  });
  const twice = users.find(({ name }, at) => users.findIndex((one) => one.name === name) !== at);
  if (twice !== undefined)
    report(`wanted each name once, got ${quote(twice.name)} twice in ${file}`);
  if (users.length === 0)
    report(`wanted at least one name, got none in ${file}: nobody could come in`);
  if (users.length > usersMax) report(`wanted at most ${usersMax} names, got ${users.length}`);
  return users;
}

async function pagesOf(
  { pages }: ServiceFields,
  service: string,
  reading: Reading,
  folder: string,
): Promise<ServiceEdge['pages']> {
  if (pages === null) return {};
  const key = `${service}.pages`;
  const report = (message: string): void => reading.report(key, reading.at(key), message);
  const of = absolute(folder, pages);
  const names = await readdir(of).catch((cause: NodeJS.ErrnoException) => {
    report(`wanted a folder with pages, got none: ${cause.code ?? cause.message} for ${of}`);
    return null;
  });
  if (names === null) return {};
  const found: Record<string, string> = {};
  let bytes = 0;
  for (const name of names.filter((one) => one.endsWith('.html')).sort()) {
    const status = /^([45]\d\d)\.html$/.exec(name)?.[1];
    if (status === undefined) {
      report(
        `wanted pages named by a status from 400 to 599, such as 503.html, got ${quote(name)}`,
      );
      continue;
    }
    const read = await readTextFile(join(of, name), 'The page', pageBytesMax).catch(
      (thrown: unknown) => {
        if (!(thrown instanceof Fault)) throw thrown;
        report(`wanted pages of at most 64 KiB: ${thrown.message}`);
        return { text: '' };
      },
    );
    bytes += Buffer.byteLength(read.text);
    found[status] = read.text;
  }
  if (bytes > pagesBytesMax) report(`wanted at most 256 KiB of pages, got ${bytes} bytes in ${of}`);
  if (Object.keys(found).length > 0) return found;
  if (!reading.spoilt(key)) report(`wanted at least one page such as 503.html, got none in ${of}`);
  return found;
}

function userIn(line: string): BasicAuth['users'][number] | string {
  const colon = line.indexOf(':');
  if (colon < 1) return 'has no name and colon';
  const hash = parsePasswordHash(line.slice(colon + 1));
  if (hash !== null) return { name: line.slice(0, colon), hash };
  const other = /^\$(2[aby]|apr1|argon2[a-z]*|[156])\$/.exec(line.slice(colon + 1))?.[1];
  return other === undefined
    ? 'has no hash of scrypt within bounds'
    : `has a hash of ${other.startsWith('2') ? 'bcrypt' : other}, and only scrypt is read`;
}

/** Those that say something; `#` begins a comment. */
function linesOf(text: string): readonly { readonly line: string; readonly number: number }[] {
  return text
    .split('\n')
    .map((line, at) => ({ line: line.trim(), number: at + 1 }))
    .filter(({ line }) => line !== '' && !line.startsWith('#'));
}

function modeText(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, '0');
}
