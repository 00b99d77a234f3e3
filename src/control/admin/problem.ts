/**
 * What the admin API answers when it refuses: problem+json (RFC 9457), from whatever was thrown.
 *
 * The rule this file keeps: a `Fault` tells the caller all it knows; anything else is a bug, and of
 * a bug the caller learns the id of the request and nothing more. What the HTTP framework itself
 * refuses (a body too large, no JSON, a wrong shape) is put into the words of the one table of
 * faults first.
 */
import { Fault } from '../../errors.ts';
import { bugCode } from './responseSchemas.ts';

export const problemType = 'application/problem+json';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly instance: string;
  readonly retry: boolean;
  readonly [member: string]: unknown;
}

/** @param requestId becomes `instance`. @param fault null: a bug. */
export function problemOf(fault: Fault | null, requestId: string): Problem {
  const instance = `urn:uuid:${requestId}`;
  if (!fault) {
    return {
      type: typeOf(bugCode),
      title: 'Pointsman made a mistake',
      status: 500,
      detail: `This is a bug. The log of Pointsman tells what happened under ${requestId}.`,
      code: bugCode,
      instance,
      retry: false,
    };
  }
  return {
    ...fault.detail,
    type: typeOf(fault.code),
    title: new Fault(fault.code).message,
    status: fault.status,
    detail: fault.message,
    code: fault.code,
    instance,
    retry: fault.retry,
  };
}

/** What fastify adds to the errors it throws itself. */
interface FrameworkError {
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly validation?: readonly Mistake[];
  readonly validationContext?: string;
  readonly message?: string;
}

/** One mistake as ajv and typebox tell it. */
interface Mistake {
  readonly keyword?: string;
  readonly instancePath?: string;
  readonly message?: string;
  readonly params?: {
    readonly additionalProperties?: readonly string[];
    readonly requiredProperties?: readonly string[];
    readonly allowedValues?: readonly unknown[];
  };
}

/**
 * @param bodyBytesMax for the message of a body too large.
 * @returns the fault it is, or null for a bug.
 */
export function faultOf(thrown: unknown, bodyBytesMax: number): Fault | null {
  if (thrown instanceof Fault) return thrown;
  if (typeof thrown !== 'object' || thrown === null) return null;
  const error = thrown as FrameworkError;
  if (error.validation) return misshapen(error);
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const limit = `Send at most ${bodyBytesMax} bytes. Nothing was changed.`;
    return new Fault('ADMIN_BODY_TOO_LARGE', limit, { limitBytes: bodyBytesMax });
  }
  if (error.statusCode === 415) {
    return new Fault('BODY_INVALID', 'Send the body as JSON, with Content-Type: application/json.');
  }
  if (error.statusCode === 404) return new Fault('NOT_FOUND');
  if (typeof error.statusCode !== 'number' || error.statusCode >= 500) return null;
  const ofBody = thrown instanceof SyntaxError || String(error.code).startsWith('FST_ERR_CTP');
  return new Fault(
    ofBody ? 'BODY_INVALID' : 'CALL_INVALID',
    ofBody ? `The body is not valid JSON: ${error.message}` : `${error.message}`,
  );
}

function misshapen(error: FrameworkError): Fault {
  const mistakes = (error.validation ?? []).flatMap(sentenceOf).slice(0, 20);
  const context = error.validationContext ?? 'body';
  const place = { params: 'path', querystring: 'query' }[context] ?? context;
  return new Fault(
    context === 'body' ? 'BODY_INVALID' : 'CALL_INVALID',
    `In the ${place}: ${mistakes.join('; ') || 'something is wrong'}. Nothing was changed.`,
    { mistakes },
  );
}

function sentenceOf(mistake: Mistake): readonly string[] {
  const where = (mistake.instancePath ?? '').slice(1).replaceAll('/', '.');
  const at = where ? `${where}: ` : '';
  const { additionalProperties, requiredProperties, allowedValues } = mistake.params ?? {};
  if (additionalProperties?.length) {
    return additionalProperties.map((key) => `${at}unknown key ${JSON.stringify(key)}`);
  }
  if (requiredProperties?.length) return requiredProperties.map((key) => `${at}${key} is missing`);
  if (allowedValues) return [`${at}wanted one of ${allowedValues.join(', ')}`];
  if (mistake.keyword === 'pattern') return [`${at}has characters that are not allowed there`];
  // typebox tells an unknown key twice: this is the one without its name.
  if (mistake.keyword === 'boolean') return [];
  return [`${at}${mistake.message ?? 'is wrong'}`];
}

function typeOf(code: string): string {
  return `urn:pointsman:error:${code}`;
}
