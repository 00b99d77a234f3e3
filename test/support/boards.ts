/** The Grafana boards as the tests read them: every expression with where it stands. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { grafanaDir } from './prometheus.ts';

export interface Expression {
  /** Board and panel, for messages. */
  readonly where: string;
  readonly text: string;
}

interface Panel {
  readonly title?: string;
  readonly targets?: readonly { readonly expr?: string }[];
  readonly panels?: readonly Panel[];
}

export interface Board {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly annotations: {
    readonly list: readonly { readonly name: string; readonly expr?: string }[];
  };
}

export function readBoards(): readonly Board[] {
  const folder = join(grafanaDir, 'dashboards');
  return readdirSync(folder).map((file) => ({
    file,
    ...(JSON.parse(readFileSync(join(folder, file), 'utf8')) as Omit<Board, 'file'>),
  }));
}

/** Of every panel and annotation. */
export function expressionsOf(board: Board): readonly Expression[] {
  const inPanels = (panels: readonly Panel[]): readonly Expression[] =>
    panels.flatMap(({ title = '', targets = [], panels: inner = [] }) => [
      ...targets.map(({ expr = '' }) => ({ where: `${board.file}: ${title}`, text: expr })),
      ...inPanels(inner),
    ]);
  const marks = board.annotations.list.flatMap(({ name, expr }) =>
    expr === undefined ? [] : [{ where: `${board.file}: annotation ${name}`, text: expr }],
  );
  return [...inPanels(board.panels), ...marks];
}
