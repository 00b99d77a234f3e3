/** The configs that the documents show, between kinds of proxies and in the tours, are taken by this version. */
import { expect, test } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { read, sources } from '../support/source.ts';

const pages = ['README.md', ...sources('docs', ['.md']).map(({ path }) => path)];

/** A block of YAML that calls itself so in its first line is a whole file. */
function examplesOf(markdown: string): string[] {
  const blocks = markdown.matchAll(/^```yaml\n(# pointsman\.yaml\n[\s\S]*?)^```/gm);
  return [...blocks].map((match) => match[1] ?? '');
}

const examples = pages.flatMap((page) => examplesOf(read(page)).map((text) => ({ page, text })));

test('every page about another proxy shows a config of ours beside theirs', () => {
  const without = pages
    .filter((page) => page.startsWith('docs/coming-from/'))
    .filter((page) => !examples.some((example) => example.page === page));

  expect(without).toEqual([]);
  expect(pages.filter((page) => page.startsWith('docs/coming-from/'))).toHaveLength(4);
});

for (const { page, text } of examples) {
  test(`the config that ${page} shows is right`, () => {
    expect(parseConfig(text, page).services).not.toEqual([]);
  });
}
