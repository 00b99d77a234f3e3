/**
 * The shapes of deployments and of what they leave behind, as the admin API answers them.
 *
 * The rule this file keeps: as in `responseSchemas.ts`, which it is a part of, they describe the types
 * of `model/` and do not filter.
 */
import { colors } from '../../wire.ts';
import { checkPhases, confirmPhases, hookMoments, phases, watchPhases } from '../model/state.ts';
import { closed, named, nullable, oneOf, ref, Type } from './shape.ts';

export const time = Type.String({ description: 'ISO 8601' });
export const count = Type.Integer({ minimum: 0 });
export const color = oneOf(colors);
const direction = oneOf(['deploy', 'rollback']);
export const side = closed({ color, release: Type.String() });
export const text = Type.String();

export const inside = closed({ http: count, sse: count, upgrade: count });

const drained = closed({
  inflight: inside,
  finished: count,
  clientAborted: count,
  cut: count,
  stillOpen: count,
  done: Type.Boolean(),
});

const figures = closed({ sent: count, failed: count });

export const watch = closed(
  {
    deployment: text,
    generation: count,
    release: text,
    since: time,
    until: time,
    phase: oneOf(watchPhases),
    reason: nullable(text),
    baseline: figures,
    figures: nullable(figures),
  },
  { description: 'How the release that is live stands against the one before it.' },
);

export const latch = closed(
  { release: text, deployment: text, at: time, reason: text },
  { description: 'A release was taken back by itself; deployments wait for `acknowledge`.' },
);

export const confirm = closed(
  {
    deployment: text,
    generation: count,
    release: text,
    since: time,
    until: time,
    phase: oneOf(confirmPhases),
    reason: nullable(text),
  },
  {
    description:
      'The release that is live is gone back from at `until` unless it is confirmed. `held`: there ' +
      'is no way back yet, and `reason` says why.',
  },
);

const check = closed(
  {
    moment: oneOf(hookMoments),
    name: text,
    phase: oneOf(checkPhases),
    runs: count,
    startedAt: nullable(time),
    ms: nullable(count),
    result: nullable(text),
    output: Type.Array(text),
  },
  {
    description:
      'What had to pass before the flip, or was done after it. `void`: a target was lost, so it ' +
      'is made again; `stopped`: it was given up; `output` is the last it printed.',
  },
);

export const Receipt = named(
  'Receipt',
  closed(
    {
      service: text,
      generation: count,
      direction,
      from: nullable(side),
      to: side,
      committedAt: time,
      holdMs: Type.Number(),
      flipMs: Type.Number(),
      workers: count,
      attempts: Type.Optional(count),
      waited: count,
      waitedMsMax: Type.Number(),
      inflight: inside,
      warmUp: Type.Optional(text),
      drained: nullable(drained),
    },
    {
      description:
        'What a flip reports about itself. `attempts` is how often the workers were asked to ' +
        'hold; `warmUp` is what was asked of the new pool before it; `drained` is null until the ' +
        'old pool is empty.',
    },
  ),
);

export const Deployment = named(
  'Deployment',
  closed(
    {
      id: text,
      service: text,
      direction,
      from: nullable(side),
      to: side,
      phase: oneOf(phases),
      by: text,
      why: text,
      startedAt: time,
      endedAt: nullable(time),
      error: nullable(closed({ code: text, message: text, detail: Type.Optional(Type.Unknown()) })),
      receipt: nullable(ref(Receipt)),
      checks: Type.Optional(Type.Array(check)),
      confirmWithinMs: Type.Optional(count),
      rollbackUnsafe: Type.Optional(text),
      cause: Type.Optional(
        Type.Union([
          closed({ kind: oneOf(['errors', 'down']), release: text, figures, baseline: figures }),
          closed({ kind: oneOf(['unconfirmed']), release: text }),
        ]),
      ),
    },
    { description: 'One attempt to move a service to a release.' },
  ),
);
