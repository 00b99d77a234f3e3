/**
 * `npm run bench`: what Pointsman costs beside what it is built on and every peer on PATH.
 *
 *   npm run bench                     the loads, the flip, and memory
 *   npm run bench -- loads flip       only these parts; a name that is none is answered with all
 *   npm run bench -- --brief          two short rounds: is it alive? (what .ci/run does)
 *   npm run bench -- --rounds 7 --seconds 4 --only pointsman,haproxy
 *   npm run bench -- floods --seconds 60 --only pointsman --floods PING,MadeYouReset
 *   POINTSMAN_BEFORE=../before npm run bench -- loads     another checkout, built, in the same rounds
 *
 * The rule this file keeps: rounds are interleaved, figures are medians, and what counts are the
 * ratios within one run: the machine is shared, so the times of two runs do not compare.
 */
import { parseArgs } from 'node:util';
import { kinds, onPath, versionOf } from './contenders.mjs';
import { deployBench } from './deploy.mjs';
import { flipBench } from './flip.mjs';
import { floodBench } from './floods.mjs';
import { h2Bench } from './h2.mjs';
import { latencyBench, loadBench } from './loads.mjs';
import { overloadBench } from './overload.mjs';
import { refusalBench } from './refusals.mjs';
import { saturatedBench } from './saturated.mjs';
import { memoryBench, scaleBench, scrapeBench, socketsBench } from './scale.mjs';
import { tlsBench } from './tls.mjs';
import { warmUpBench } from './warmUp.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    brief: { type: 'boolean', default: false },
    only: { type: 'string' },
    floods: { type: 'string' },
  },
});

const options = {
  rounds: values.brief ? 2 : Number(values.rounds),
  seconds: values.brief ? 0.5 : Number(values.seconds),
  names: contenders(values.only),
  floods: values.floods?.split(','),
};
const parts = {
  loads: loadBench,
  saturated: saturatedBench,
  latency: latencyBench,
  flip: flipBench,
  deploy: deployBench,
  'warm-up': warmUpBench,
  scale: scaleBench,
  memory: memoryBench,
  sockets: socketsBench,
  scrape: scrapeBench,
  overload: overloadBench,
  refusals: refusalBench,
  tls: tlsBench,
  h2: h2Bench,
  floods: floodBench,
};
const wanted = positionals.length > 0 ? positionals : ['loads', 'flip', 'memory'];
const unknown = wanted.filter((part) => !(part in parts));
if (unknown.length > 0) {
  process.stderr.write(
    `No such part: ${unknown.join(', ')}. There are: ${Object.keys(parts).join(', ')}\n`,
  );
  process.exit(2);
}

console.log(machine());
let errors = 0;
for (const part of wanted) errors += (await parts[part](options)) ?? 0;
if (errors > 0) console.log(`${errors} failed: what stands above is worth nothing`);
process.exit(errors > 0 ? 1 : 0);

function contenders(only) {
  const all = ['direct', ...Object.keys(kinds)];
  if (only) return only.split(',').filter((name) => all.includes(name) && given(name));
  return all.filter((name) => given(name) && (!kinds[name]?.on || onPath(kinds[name].on)));
}

/** Another checkout is measured where one is given. */
function given(name) {
  if (name !== 'pointsman before' || process.env.POINTSMAN_BEFORE) return true;
  if (values.only) {
    process.stderr.write('pointsman before: POINTSMAN_BEFORE names no checkout to measure\n');
    process.exit(2);
  }
  return false;
}

function machine() {
  const versions = options.names
    .filter((name) => kinds[name]?.on)
    .map((name) => `${name} ${versionOf(name)}`);
  return [`Node ${process.versions.node}`, `${process.arch}`, ...versions].join(' · ');
}
