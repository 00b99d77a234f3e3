/** Which room of the house a file stands in, for the tests that say who may import whom. */

/**
 * The rooms, from the cellar up; a file may import from its own room and from those named with it.
 */
export const rooms: Readonly<Record<string, readonly string[]>> = {
  ground: [],
  config: ['ground'],
  frame: ['ground', 'config'],
  handover: ['ground', 'frame', 'config'],
  proxy: ['ground', 'frame', 'config'],
  control: ['ground', 'frame', 'config'],
  cli: ['ground', 'frame', 'config', 'control'],
  top: ['ground', 'frame', 'config', 'proxy', 'control', 'cli', 'handover'],
};

/**
 * Files that stand directly in src/, on three floors: what everybody stands on, what joins the
 * processes, and what starts them.
 */
export const standing: Readonly<Record<string, string>> = {
  'src/clock.ts': 'ground',
  'src/errors.ts': 'ground',
  'src/wire.ts': 'ground',
  'src/wireEdge.ts': 'ground',
  'src/wireTls.ts': 'ground',
  'src/targetTls.ts': 'ground',
  'src/passwordHash.ts': 'ground',
  'src/log.ts': 'ground',
  'src/priority.ts': 'ground',
  'src/processIdentity.ts': 'ground',
  'src/ipc.ts': 'frame',
  'src/listener.ts': 'frame',
  'src/socketActivation.ts': 'frame',
  'src/portOwner.ts': 'frame',
  'src/nodeSupport.ts': 'frame',
  'src/scoreboard.ts': 'frame',
  'src/supervisor/household.ts': 'top',
  'src/supervisor/child.ts': 'top',
  'src/supervisor/crew.ts': 'top',
  'src/supervisor/placement.ts': 'top',
  'src/supervisor/supervisor.ts': 'top',
  'src/alone.ts': 'top',
  'src/run.ts': 'top',
  'src/main.ts': 'top',
};

export function roomOf(path: string): string {
  return standing[path] ?? path.split('/')[1] ?? '';
}

/** Its folder; of the files that stand directly in src/, their floor. */
export function folderOf(path: string): string {
  const floor = standing[path];
  return floor === undefined ? path.slice(0, path.lastIndexOf('/')) : `src (${floor})`;
}
