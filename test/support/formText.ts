/**
 * What a run of the suite says before it begins: how long it takes, what it leaves out, and why.
 *
 * The rule this file keeps: nothing is left out in silence. It imports no test runner, since it is
 * read before there is one.
 */

export interface Form {
  readonly long: boolean;
  readonly longOnly: Readonly<Record<string, string>>;
  /** Why there is none here; null: there is. */
  readonly noEngine: string | null;
  readonly noBrowser: string | null;
}

export function formText({ long, longOnly, noEngine, noBrowser }: Form): string {
  const missing = [
    ...(noEngine === null ? [] : [`what needs a Docker Engine: ${noEngine}`]),
    ...(noBrowser === null ? [] : [`what needs a browser: ${noBrowser}`]),
  ];
  if (long) {
    return [
      'The long form (CI is set): about half an hour on two idle cores. Nothing may be skipped.',
      ...missing.map((what) => `  fails: ${what}`),
    ].join('\n');
  }
  return [
    'The short form: about five minutes on two idle cores; CI=true runs the long one.',
    ...missing.map((what) => `  skipped: ${what}`),
    ...Object.entries(longOnly).map(([file, what]) => `  left out: ${what} (${file})`),
    '  left out: most repetitions, most stories of containers under load and of upgrades, handshakes that never end',
  ].join('\n');
}
