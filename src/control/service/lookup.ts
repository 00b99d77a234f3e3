/**
 * What a name stands for, asked of the system's resolver as connections ask it.
 *
 * The rule this file keeps: a name that stands for nothing, or that nobody can say anything of, is
 * no failure here.
 */
import { lookup as resolve } from 'node:dns/promises';

/** The addresses that a name stands for; none where it stands for nothing. Never rejects. */
export type Lookup = (name: string) => Promise<readonly string[]>;

export const lookup: Lookup = async (name) => {
  const found = await resolve(name, { all: true }).catch(() => []);
  return found.map(({ address }) => address);
};
