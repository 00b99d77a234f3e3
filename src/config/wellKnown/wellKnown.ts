/**
 * Words that people bring from other proxies and from compose files, and how each is done here, or
 * what people do where it is not.
 *
 * The rule this file keeps: an answer is for the place where the word was written, and is true.
 * What it names in backquotes is a key, a command, or YAML that is taken as it stands; a test holds
 * it to that, and to answering no word that is a key by now. One answer or none.
 */
import { wordsOfTheFile } from './ofFile.ts';
import { wordsOfHealth } from './ofHealth.ts';
import { wordsOfRuns } from './ofRuns.ts';
import { wordsOfServices } from './ofServices.ts';
import type { Place, WellKnown } from './word.ts';

const entries: readonly WellKnown[] = [
  ...wordsOfTheFile,
  ...wordsOfServices,
  ...wordsOfHealth,
  ...wordsOfRuns,
];

const table = new Map<Place, Map<string, string>>();
for (const { at, word, answer } of everyWord()) {
  const known = table.get(at) ?? new Map<string, string>();
  table.set(at, known.set(word, answer));
}

/** What is said of a word that is no key at this place; undefined where nothing is known. */
export function wellKnown(place: Place, word: string): string | undefined {
  return table.get(place)?.get(bare(word));
}

/** Everything that is known, for the test that holds it against the schema. */
export function everyWord(): readonly {
  readonly at: Place;
  readonly word: string;
  readonly answer: string;
}[] {
  return entries.flatMap(({ at: places, words, answer }) =>
    places.flatMap((at) =>
      words
        .trim()
        .split(/\s+/)
        .map((word) => ({ at, word, answer })),
    ),
  );
}

function bare(word: string): string {
  return word.slice(0, 64).toLowerCase().replaceAll(/[-_]/g, '');
}
