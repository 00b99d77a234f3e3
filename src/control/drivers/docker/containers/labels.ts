/**
 * What a container says of itself: the names and labels by which it is found again.
 *
 * The rule this file keeps: labels are the record. Everything a restarted driver needs to know of a
 * container stands on the container, so there is no second book that could disagree with the
 * engine.
 *
 * A container with `pointsman.pool` was started by a Pointsman, and `pointsman.instance` says by
 * which. One without it, but with service, color and port, was started by someone else (compose,
 * CI) and may be adopted; it is never stopped by us.
 */
import { type Color, colors } from '../../../../wire.ts';

export const label = {
  service: 'pointsman.service',
  color: 'pointsman.color',
  port: 'pointsman.port',
  healthPort: 'pointsman.health-port',
  release: 'pointsman.release',
  pool: 'pointsman.pool',
  generation: 'pointsman.generation',
  replica: 'pointsman.replica',
  image: 'pointsman.image',
  digest: 'pointsman.digest',
  instance: 'pointsman.instance',
} as const;

/** Labels of this beginning are ours alone; a config may not set them. */
export const labelPrefix = 'pointsman.';

/** The labels of one container, read. */
export interface Marks {
  readonly service: string;
  readonly color: Color;
  /** The port the app listens on inside the container. */
  readonly port: number;
  /** The one on which it says how it is; mostly the same. */
  readonly healthPort: number;
  /** '' where an adopted container does not say. */
  readonly release: string;
  /** null: started by someone else. */
  readonly own: OwnMarks | null;
}

export interface OwnMarks {
  readonly poolId: string;
  readonly generation: number;
  readonly replica: number;
  readonly digest: string;
  readonly instance: string;
}

export type Labels = Readonly<Record<string, string>>;

export function labelsOf(marks: Marks & { readonly own: OwnMarks }, image: string): Labels {
  return {
    [label.service]: marks.service,
    [label.color]: marks.color,
    [label.port]: String(marks.port),
    [label.healthPort]: String(marks.healthPort),
    [label.release]: marks.release,
    [label.pool]: marks.own.poolId,
    [label.generation]: String(marks.own.generation),
    [label.replica]: String(marks.own.replica),
    [label.image]: image,
    [label.digest]: marks.own.digest,
    [label.instance]: marks.own.instance,
  };
}

/**
 * @returns null where the labels do not say all that is needed: not a container of ours, nor to
 *   adopt.
 */
export function marksOf(labels: Labels): Marks | null {
  const service = labels[label.service];
  const color = colors.find((one) => one === labels[label.color]);
  const port = portIn(labels[label.port]);
  if (!service || color === undefined || port === null) return null;
  const healthPort = portIn(labels[label.healthPort]) ?? port;
  const base = { service, color, port, healthPort, release: labels[label.release] ?? '' };
  const poolId = labels[label.pool];
  if (poolId === undefined) return { ...base, own: null };
  const replica = wholeNumber(labels[label.replica]);
  if (replica === null) return null;
  return {
    ...base,
    own: {
      poolId,
      replica,
      generation: wholeNumber(labels[label.generation]) ?? 0,
      digest: labels[label.digest] ?? '',
      instance: labels[label.instance] ?? '',
    },
  };
}

/** `shop-blue-v2-0`: the container's name, and its target's id. */
export function replicaName(
  marks: Pick<Marks, 'service' | 'color' | 'release'>,
  replica: number,
): string {
  return `${marks.service}-${marks.color}-${marks.release}-${replica}`;
}

/** Names what someone else started of a color; the release where the containers say one. */
export function adoptedPoolId(marks: Marks): string {
  return `${marks.service}.${marks.color}.adopted-${marks.release || 'unnamed'}`;
}

function portIn(text: string | undefined): number | null {
  const port = wholeNumber(text);
  return port !== null && port >= 1 && port <= 65_535 ? port : null;
}

function wholeNumber(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}
