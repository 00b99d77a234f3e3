/**
 * How the shapes of calls and answers are written down, and how a call is held against them.
 *
 * The rule this file keeps: it is the only importer of typebox's provider for fastify. A shape
 * refuses keys that it does not name, in every object, so that a misspelt option is an error and
 * not a default.
 */
import { createRequire } from 'node:module';
import type { Static, TProperties, TSchema } from '@fastify/type-provider-typebox';

// It is made of hundreds of files. `import` opens them all at once, and a process that may open few
// does not start; `require` takes one after the other, which is quicker as well.
const { Type, TypeBoxValidatorCompiler } = createRequire(import.meta.url)(
  '@fastify/type-provider-typebox',
) as typeof import('@fastify/type-provider-typebox');

export { Type };

export type Shape = TSchema;

/** The TypeScript type of what a shape describes. */
export type Of<S extends Shape> = Static<S>;

/**
 * Holds parameters, queries and bodies against their shapes. Parameters and queries arrive as text
 * and are converted first (`limit=5`); a body is taken as it is: `"5"` is no number there.
 */
export const validatorCompiler = TypeBoxValidatorCompiler;

/** An object with these keys and no others. */
export function closed<P extends TProperties>(fields: P, words: { description?: string } = {}) {
  return Type.Object(fields, { additionalProperties: false, ...words });
}

/** The value or null. */
export function nullable<S extends Shape>(shape: S) {
  return Type.Union([shape, Type.Null()]);
}

/** A shape that stands under `components.schemas` of the OpenAPI document, by this name. */
export function named<S extends Shape>(name: string, shape: S): S & { $id: string } {
  return Object.assign(shape, { $id: name });
}

/** Points to a named shape. */
export function ref<S extends Shape>(shape: S & { $id: string }) {
  return Type.Unsafe<Static<S>>({ $ref: `${shape.$id}#` });
}

/** One of these words. */
export function oneOf<const W extends readonly string[]>(words: W) {
  return Type.Unsafe<W[number]>({ type: 'string', enum: [...words] });
}
