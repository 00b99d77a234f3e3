/** `pointsman password`: what it prints is what `basicAuth` reads. */
import { expect, test } from 'vitest';
import { isPassword, parsePasswordHash } from '../../src/passwordHash.ts';
import { runCli } from '../support/cli.ts';

test('a password on standard input becomes a line with its hash, and nothing else of it is printed', async () => {
  const ran = await runCli(['password', 'ali'], { input: 'open sesame\n' });

  const [name, text = ''] = ran.stdout.trimEnd().split(':');
  const hash = parsePasswordHash(text);
  expect([ran.exit, name, hash?.ln]).toEqual([0, 'ali', 15]);
  expect(ran.stdout + ran.stderr).not.toContain('sesame');
  if (hash === null) throw new Error(`no hash: ${text}`);
  expect(await isPassword('open sesame', hash)).toBe(true);
  expect(await isPassword('open barley', hash)).toBe(false);
});

test('no name, no password, or one of two lines is refused', async () => {
  for (const [name, input] of [
    ['a:b', 'x'],
    ['#a', 'x'],
    ['ali', ''],
    ['ali', 'one\ntwo'],
  ] as const) {
    const ran = await runCli(['password', name], { input });

    expect([ran.exit, ran.stdout]).toEqual([2, '']);
  }
});

test('hashes that cost too little or too much are none', () => {
  const of = (cost: string) =>
    parsePasswordHash(`$scrypt$${cost}$MDEyMzQ1Njc4OWFiY2RlZg$${'A'.repeat(43)}`);

  expect(of('ln=15,r=8,p=1')).toMatchObject({ ln: 15, r: 8, p: 1 });
  for (const cost of [
    'ln=11,r=8,p=1',
    'ln=18,r=8,p=1',
    'ln=15,r=9,p=1',
    'ln=15,r=8,p=9',
    'ln=15,r=0,p=1',
  ]) {
    expect(of(cost)).toBeNull();
  }
});
