/**
 * What the schema says, for people and for editors.
 *
 * The rule this file keeps: nothing is said here that the schema does not say.
 */
import type { Keys } from './kind.ts';
import { aboutFile, fileKind } from './schema.ts';
import type { Plain } from './tree.ts';

/** Every key by its path, `*` for any name: `services.*.health.interval`. */
export function configKeys(): readonly string[] {
  return rows().map(({ path }) => path);
}

/** The keys as a Markdown table: key, default, bounds, meaning. Ends with a line break. */
export function configTable(): string {
  const lines = rows().map(({ path, fallback, literal, bounds, about }) => {
    const shown = literal && fallback !== '' ? `\`${fallback}\`` : fallback;
    return `| \`${path}\` | ${[shown, bounds, about].map(cell).join(' | ')} |`;
  });
  return `${['| key | default | bounds | meaning |', '|---|---|---|---|', ...lines].join('\n')}\n`;
}

/** JSON Schema (draft 07) of the file, for editors: what `deploy/pointsman.schema.json` holds. */
export function configSchema(): { readonly [keyword: string]: Plain } {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Pointsman',
    description: aboutFile,
    ...fileKind.json,
  };
}

interface Row {
  readonly path: string;
  readonly fallback: string;
  readonly literal: boolean;
  readonly bounds: string;
  readonly about: string;
}

function rows(keys: Keys = fileKind.keys ?? {}, above = ''): Row[] {
  return Object.entries(keys).flatMap(([name, { kind, about, fallback, preset }]) => {
    const path = above === '' ? name : `${above}.${name}`;
    const literal = preset !== undefined;
    const row = { path, fallback, literal, bounds: kind.bounds, about };
    return [
      ...(name === '*' ? [] : [row]),
      ...(kind.keys === undefined ? [] : rows(kind.keys, path)),
    ];
  });
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
