/**
 * `${NAME}` in the values of a file: variables of the environment, or files that variables name.
 *
 * The rule this file keeps: what is filled in is the value of one scalar, after the YAML was read;
 * so no variable can add a key, and one that is not set is a mistake with a place. What was filled
 * in is never told, since it may be a secret.
 *
 * As the images of databases have it: where NAME is not set and NAME_FILE is, the value is what
 * stands in that file, without the line break at its end. `${NAME:-text}` has a default, and `$${`
 * is `${` itself.
 */
import { Fault, reasonOf } from '../errors.ts';
import { below, type Reading } from './reading.ts';
import { type Place, quote, type Scalar, type Value } from './tree.ts';

/** A variable as shells, Caddy, templates, Kubernetes and Windows have it. */
const foreign = [
  /\$([A-Za-z_][A-Za-z0-9_]*)/,
  /\{\$([A-Za-z_][A-Za-z0-9_]*)(?::[^}]*)?\}/,
  /\{env\.([A-Za-z_][A-Za-z0-9_]*)\}/,
  /\{\{\s*(?:env\s+"|\.Env\.)([A-Za-z_][A-Za-z0-9_]*)"?\s*\}\}/,
  /\$\(([A-Za-z_][A-Za-z0-9_]*)\)/,
  /%([A-Za-z_][A-Za-z0-9_]{2,})%/,
];

/** What to say of a value that is wrong, where it has a variable as it is written elsewhere. */
export function foreignVariable(text: string): string | undefined {
  const name = foreign.flatMap((form) => form.exec(text)?.[1] ?? [])[0];
  return name === undefined ? undefined : `a variable is written \${${name}}`;
}

/** What is known of a variable: its value, or why it has none. */
export type Variable = { readonly value: string } | { readonly problem: string };

export type Variables = ReadonlyMap<string, Variable>;

/** A value of a variable, or a file that one names: a key or a certificate, and no more. */
export const variableBytesMax = 64 * 1024;

const reference = /\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

/**
 * Looks up every variable that these texts might name.
 *
 * @param readFile throws where the file cannot be read, or is too long.
 */
export async function lookUp(
  texts: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  readFile: (path: string, bytesMax: number) => Promise<string>,
): Promise<Variables> {
  const names = new Set<string>();
  for (const text of texts) {
    for (const [, , name] of text.matchAll(reference)) if (name !== undefined) names.add(name);
  }
  const found = new Map<string, Variable>();
  for (const name of names) {
    const value = environment[name];
    const file = environment[`${name}_FILE`];
    if (value !== undefined) found.set(name, { value });
    else if (file !== undefined && file !== '') found.set(name, await inFile(name, file, readFile));
  }
  return found;
}

async function inFile(
  name: string,
  file: string,
  readFile: (path: string, bytesMax: number) => Promise<string>,
): Promise<Variable> {
  try {
    return { value: (await readFile(file, variableBytesMax)).replace(/\r?\n$/, '') };
  } catch (thrown) {
    const why = thrown instanceof Fault ? thrown.message : reasonOf(thrown);
    return { problem: `${name}_FILE names a file that cannot be read: ${why}` };
  }
}

/** @returns the same tree with every reference filled in; what is wrong is reported. */
export function fillIn(value: Value, variables: Variables, reading: Reading, path = ''): Value {
  if (value.kind === 'scalar') return filledScalar(value, variables, reading, path);
  if (value.kind === 'list') {
    const items = value.items.map((item, at) => fillIn(item, variables, reading, `${path}[${at}]`));
    return { ...value, items };
  }
  const entries = value.entries.map((entry) => ({
    ...entry,
    value: fillIn(entry.value, variables, reading, below(path, entry.key)),
  }));
  return { ...value, entries };
}

function filledScalar(
  scalar: Scalar,
  variables: Variables,
  reading: Reading,
  path: string,
): Scalar {
  const { text, at } = scalar;
  if (typeof scalar.value !== 'string' || !text.includes('${')) return scalar;
  const filled = text.replace(reference, (_, escaped, name, fallback) =>
    escaped === undefined ? valueFor(name, fallback, variables, reading, path, at) : escaped,
  );
  return { kind: 'scalar', at, text: filled, value: typed(filled), written: text };
}

function valueFor(
  name: string | undefined,
  fallback: string | undefined,
  variables: Variables,
  reading: Reading,
  path: string,
  at: Place,
): string {
  const report = (message: string): string => {
    reading.report(path, at, message);
    return '';
  };
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what people write.
  if (name === undefined) return report('wanted ${NAME}, or $${ for these characters, got "${"');
  const variable = variables.get(name);
  const known = variable !== undefined && 'value' in variable ? variable.value : undefined;
  // As in a shell, `:-` stands in for what is empty, too.
  if (fallback !== undefined && (variable === undefined || known === '')) return fallback;
  if (variable === undefined) {
    const hint = `write $\${${name}} where it is meant as it stands`;
    return report(`wanted a variable that is set, got ${quote(`\${${name}}`)}; ${hint}`);
  }
  return 'problem' in variable ? report(variable.problem) : variable.value;
}

/** As YAML would have read it, had it stood there plainly; an empty one stays text. */
function typed(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^[-+]?(?:\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : text;
}
