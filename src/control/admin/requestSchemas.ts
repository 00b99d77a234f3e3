/**
 * The shapes of what callers send: parameters, queries and bodies.
 *
 * The rule this file keeps: text that people write (`by`, `why`) carries no control characters,
 * because it is printed in terminals and logs later. What a name means is decided behind `Control`,
 * not here.
 */
import { durationPattern, formatDuration, parseDuration } from '../../config/units.ts';
import { Fault } from '../../errors.ts';
import { closed, type Of, oneOf, Type } from './shape.ts';

/** C0, DEL, C1, line and paragraph separators, and the marks that turn the direction of text. */
const printable = '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*$';

export const byMax = 100;
const whyMax = 1000;
const unsafeMax = 500;

const attribution = {
  by: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: byMax,
      pattern: printable,
      description:
        'Who calls, for history. The header X-Pointsman-By says the same, and comes first.',
    }),
  ),
  why: Type.Optional(
    Type.String({ maxLength: whyMax, pattern: printable, description: 'Why, for history.' }),
  ),
};

/** Is the text free of control characters, and at most `max` long? */
export function speakable(text: string, max: number): boolean {
  return text.length <= max && new RegExp(printable, 'u').test(text);
}

/** A call that takes nothing but who and why. */
export const Attribution = closed(attribution);

export const PauseBody = closed({
  page: Type.Optional(
    Type.Boolean({
      description:
        'Requests do not wait: they get a 503 at once, with the page of the service for it.',
    }),
  ),
  ...attribution,
});

const confirmWithin = (description: string) =>
  Type.Optional(Type.String({ maxLength: 20, pattern: durationPattern, description }));

/** How long a release may wait to be confirmed: as long as a clock can be set at once, and more. */
const confirmMs = { min: 5_000, max: 7 * 86_400_000 } as const;

/** @throws Fault BODY_INVALID */
export function confirmMsOf(within: string): number {
  const ms = parseDuration(within);
  if (ms !== undefined && ms >= confirmMs.min && ms <= confirmMs.max) return ms;
  const [min, max] = [formatDuration(confirmMs.min), formatDuration(confirmMs.max)];
  const text = `wanted a time from ${min} to ${max} in which it has to be confirmed, got ${within}.`;
  throw new Fault('BODY_INVALID', text, { within });
}

export const ConfirmBody = closed({
  within: confirmWithin(
    'Not yet: it is to be confirmed within this time from now (30s, 10m). Left out: the release stays.',
  ),
  ...attribution,
});

export const DeployBody = closed({
  release: Type.String({
    minLength: 1,
    maxLength: 128,
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
    description: 'The name of the release: letters, digits, ".", "_" and "-".',
  }),
  image: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 512,
      pattern: '^[!-~]+$',
      description: 'The image to run, where the service runs containers.',
    }),
  ),
  targets: Type.Optional(
    Type.Array(Type.String({ maxLength: 300 }), {
      maxItems: 256,
      description: 'Where the service is static: host:port, https://host or unix:/path.',
    }),
  ),
  again: Type.Optional(
    Type.Boolean({
      description:
        'Deploy a release that was live before as it ran then; names neither image nor targets.',
    }),
  ),
  flip: Type.Optional(oneOf(['auto', 'manual'])),
  confirmWithin: confirmWithin(
    'Go back by itself so long after the flip (30s, 10m), unless it is confirmed before.',
  ),
  rollbackUnsafe: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: unsafeMax,
      pattern: `^(?=.*\\S)${printable.slice(1)}`,
      description:
        'Why going back from this release, once it is live, is unsafe: nobody does it by accident, ' +
        'and nothing by itself.',
    }),
  ),
  dryRun: Type.Optional(
    Type.Boolean({
      description: 'Check what can be checked, start nothing, say what would happen.',
    }),
  ),
  ...attribution,
});
export type DeployBody = Of<typeof DeployBody>;

export const RollbackBody = closed({
  unsafe: Type.Optional(
    Type.String({
      maxLength: unsafeMax,
      pattern: printable,
      description:
        'Why it is unsafe to go back from what is live, as its deployment said: repeated by whoever ' +
        'does so all the same.',
    }),
  ),
  to: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 128,
      description:
        'The release to go back to. Required unless If-Match names the generation to leave.',
    }),
  ),
  ...attribution,
});

export const ServiceParams = closed({ service: Type.String({ minLength: 1, maxLength: 100 }) });

export const DeploymentParams = closed({ id: Type.String({ minLength: 1, maxLength: 100 }) });

export const DeploymentsQuery = closed({
  service: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 50 })),
});

export const EventsQuery = closed({
  after: Type.Optional(
    Type.Integer({
      minimum: 0,
      description:
        'Begin behind this id; 0: with the oldest event kept. Default: with what comes next.',
    }),
  ),
  service: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  samples: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        'Also a `sample` each second: rates and latencies of all services, without an id.',
    }),
  ),
  follow: Type.Optional(
    Type.Boolean({ default: true, description: 'false: end after the events that are kept.' }),
  ),
});
