/**
 * `pointsman password NAME`: a line for the file that `basicAuth` names.
 *
 * The rule this file keeps: a password is never an argument, where everybody who lists processes
 * could read it, and only its hash is printed.
 */
import { hashPassword } from '../passwordHash.ts';
import { exits, Failure } from './exits.ts';
import type { Io } from './io.ts';

const charsMax = 512;

/** @returns 0. @throws Failure where it is no name or no password. */
export async function password(io: Io, name: string): Promise<number> {
  if (!/^[^:\s\p{Cc}#][^:\p{Cc}]{0,127}$/u.test(name)) {
    throw new Failure(exits.usage, 'A name has 1 to 128 characters, and no colon among them.');
  }
  if (io.stderr.isTTY) io.stderr.write('The password, then Ctrl-D (it shows as you type):\n');
  const secret = (await io.input()).replace(/\r?\n$/, '');
  if (secret === '' || secret.length > charsMax || /\p{Cc}/u.test(secret)) {
    const wanted = `A password is one line of 1 to ${charsMax} characters on standard input.`;
    throw new Failure(exits.usage, wanted);
  }
  io.stdout.write(`${name}:${await hashPassword(secret)}\n`);
  return exits.ok;
}
