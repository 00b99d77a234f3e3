/**
 * What is said of words of other programs is true: keys and commands that it names exist, YAML that
 * it shows is taken as it stands, and no word that it answers is a key by now.
 *
 * A key that is new, and was answered with "not here" until now: take its word, and what else is said
 * of it, out of src/config/wellKnown/.
 */
import { expect, test } from 'vitest';
import { configKeys } from '../../src/config/document.ts';
import { parseConfig } from '../../src/config/load.ts';
import { everyWord } from '../../src/config/wellKnown/wellKnown.ts';
import { Fault } from '../../src/errors.ts';
import { sources } from '../support/source.ts';

const words = everyWord();
const keys = configKeys();
const answers = [
  ...new Map(words.map(({ at, answer }) => [`${at} ${answer}`, { at, answer }])).values(),
];
const cli = sources('src/cli')
  .map(({ text }) => text)
  .join('\n');

const below = (place: string, key: string): string => (place === '' ? key : `${place}.${key}`);
const bare = (word: string): string => word.toLowerCase().replaceAll(/[-_]/g, '');
const spansOf = (answer: string): string[] =>
  [...answer.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');

test('there are words for every place, and each is written as it is looked up', () => {
  expect(words.length).toBeGreaterThan(500);
  expect(words.filter(({ word }) => word !== bare(word) || word === '')).toEqual([]);
  expect(words.filter(({ at }) => at !== '' && !keys.includes(at) && at !== 'services.*')).toEqual(
    [],
  );
});

test('no word is a key at the place where it is answered', () => {
  const places = new Map(
    [...new Set(words.map(({ at }) => at))].map((at) => [at, new Set(keysAt(at).map(bare))]),
  );

  expect(words.filter(({ at, word }) => places.get(at)?.has(word))).toEqual([]);
});

test('a word has one answer at a place', () => {
  const seen = words.map(({ at, word }) => `${at}: ${word}`);

  expect(seen.filter((one, index) => seen.indexOf(one) !== index)).toEqual([]);
});

test('an answer is one sentence that fits a line', () => {
  expect(answers.filter(({ answer }) => answer.length > 240 || /[.!?]$/.test(answer))).toEqual([]);
  expect(answers.filter(({ answer }) => answer.split('`').length % 2 === 0)).toEqual([]);
});

test.each(answers.filter(({ answer }) => spansOf(answer).length > 0))(
  'at "$at": what is named exists: $answer',
  ({ at, answer }) => {
    expect(spansOf(answer).filter((span) => !exists(span, at))).toEqual([]);
  },
);

test('what does not exist is seen not to', () => {
  const wrong = [
    'limits.nothing',
    'pointsman bury shop',
    'pointsman deploy shop v2 --nothing x',
    'paths: [api]',
    'mirror: true',
    'run: { docker: { prot: 3000 } }',
  ];

  expect(wrong.filter((span) => exists(span, 'services.*'))).toEqual([]);
});

/** The keys of the record at a place. */
function keysAt(place: string): string[] {
  const above = place === '' ? '' : `${place}.`;
  return keys
    .filter((key) => key.startsWith(above))
    .map((key) => key.slice(above.length))
    .filter((key) => !key.includes('.') && key !== '*');
}

function exists(span: string, at: string): boolean {
  if (span.startsWith('pointsman ')) return isCommand(span);
  if (span.includes(': ')) return isTaken(span);
  return ['', 'services.*', at].some((place) => keys.includes(below(place, span)));
}

function isCommand(line: string): boolean {
  const [, name, ...rest] = line.split(' ');
  const options = rest.filter((word) => word.startsWith('--'));
  const named = cli.includes(`.command('${name}')`) || cli.includes(`['${name}', '`);
  return named && options.every((option) => cli.includes(`'${option} `));
}

/** Whether it is right somewhere in a file; an anchor needs its alias beside it, and is let be. */
function isTaken(yaml: string): boolean {
  const [anchored] = /^(\w+): [&*]\w+$/.exec(yaml)?.slice(1) ?? [];
  if (anchored !== undefined) return keysAt('services.*').includes(anchored);
  const acme = 'tls: { acme: { terms: agreed } }';
  const service = (keys: string): string => `${acme}\nservices:\n  shop:\n    ${keys}\n`;
  const beside = service(`run: { static: {} }\n    ${yaml}`);
  const files = [
    `services: {}\n${yaml}\n`,
    beside,
    service(yaml),
    service(`hosts: [shop.example]\n    run: { static: {} }\n    ${yaml}`),
    service(`run: { docker: { port: 3000, ${yaml} } }`),
    service(`run: { process: { command: [node], ${yaml} } }`),
    service(`run: { process: { ${yaml} } }`),
    service(`run: { static: {} }\n    health: { ${yaml} }`),
    service(`run: { static: {} }\n    deploy: { ${yaml} }`),
    `services: {}\n${acme.slice(0, -2)}, ${yaml.replace(/^tls\./, '')} }\n`,
  ];
  return files.some((text) => {
    try {
      parseConfig(text, 'p.yaml');
      return true;
    } catch (thrown) {
      if (thrown instanceof Fault) return false;
      throw thrown;
    }
  });
}
