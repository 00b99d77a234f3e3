/**
 * The keys of a service that say what has to pass before its flips, and what is done after them.
 *
 * The rule this file keeps: as in `schema.ts`, which takes these keys in. Each has a bound in
 * number and in time, so that whatever a hook does, a deployment ends.
 */
import {
  anyText,
  choice,
  duration,
  envName,
  flag,
  requestPath,
  scalar,
  statusRange,
  text,
  whole,
} from './kinds.ts';
import {
  exactlyOneOf,
  listOf,
  mapOf,
  oneOrMany,
  optional,
  preset,
  record,
  required,
  shortOrFull,
} from './records.ts';

const hooksMax = 16;

const folder = text('a path');
const fieldName = text('the name of a header field', /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/);
const fieldValue = text('visible ASCII', /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?$/);
const url = text('a URL that begins with https:// or http://', /^https?:\/\/[\x21-\x7e]+$/, 2048);

/** A value of JSON that holds no others, as YAML has it: "200" in quotes is text. */
const plain = scalar<string | number | boolean | null>(
  {
    wanted: 'text, a number, true, false or null',
    bounds: 'text, a number, true, false or null',
    json: { type: ['string', 'number', 'boolean', 'null'] },
  },
  ({ value }) => value,
);

const status = preset(
  statusRange,
  '200-299',
  'The statuses that pass; a redirect is followed nowhere.',
);
const headers = preset(mapOf(fieldName, fieldValue, 100), {}, 'Header fields that are sent.');

export const httpKeys = {
  path: required(requestPath, '/', 'What is asked for on every target; a query may follow.'),
  method: preset(
    choice('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'),
    'GET',
    'The method; there is no body.',
  ),
  headers,
  status,
  text: optional(anyText, 'What stands somewhere in the body.'),
  json: preset(
    mapOf(text('a name, or several divided by dots'), plain, 100),
    {},
    'Members of the JSON in the body, `status: ok` or `db.up: true`, and what each has to be.',
  ),
  times: preset(whole(1, 1000), 1, 'How often it is asked of each target; all have to pass.'),
  every: preset(duration('0s', '1m'), '1s', 'From one answer to the next question.'),
  timeout: preset(duration('10ms', '1h'), '30s', 'How long all of that may take.'),
};

const argv = listOf(anyText, 1, 1000);

export const commandKeys = {
  run: required(argv, [''], 'Program and arguments; no shell reads them.'),
  cwd: optional(folder, 'The folder it runs in.', 'the folder of this file'),
  env: preset(mapOf(envName, anyText, 1000), {}, 'Environment, beside that of Pointsman itself.'),
  timeout: preset(duration('10ms', '1h'), '60s', 'How long it may take; then it is ended.'),
};

export const callKeys = {
  url: required(url, 'http://localhost', 'Where a POST goes, with JSON of what it is about.'),
  headers,
  status,
  private: preset(flag, false, 'Whether it may have an address that is not public.'),
  timeout: preset(duration('10ms', '10m'), '10s', 'How long the answer may take.'),
};

export const warmUpKeys = {
  paths: required(
    listOf(requestPath, 1, hooksMax),
    ['/'],
    'What is asked for of every target, in turn; answers of 400 and more are counted, and fail nothing.',
  ),
  requests: preset(
    whole(1, 10_000),
    100,
    'How often each path is asked for, of each target: a round.',
  ),
  p95: optional(
    duration('1ms', '1m'),
    'Rounds are made until 95 % of the answers of one came within so long.',
    'one round',
  ),
  timeout: preset(duration('100ms', '10m'), '30s', 'Then the deployment goes on, warm or not.'),
};

const outside = {
  command: optional(
    shortOrFull(argv, record(commandKeys)),
    'A command that has to end with 0.',
    '',
  ),
  call: optional(shortOrFull(url, record(callKeys)), 'A URL that has to answer 2xx.', ''),
};

const asked = {
  http: optional(
    shortOrFull(requestPath, record(httpKeys)),
    'A request that every target has to answer.',
    '',
  ),
};

const hook = exactlyOneOf({ ...asked, ...outside });
/** The targets of what failed are gone, or about to be. */
const hookWithoutTargets = exactlyOneOf(outside);

export const hookKeys = {
  smoke: preset(
    oneOrMany(requestPath, 0, hooksMax),
    [],
    'Paths that every target of a new release has to answer with 200-299 before the flip: the short form of `hooks.beforeFlip`.',
  ),
  warmUp: optional(
    shortOrFull(listOf(requestPath, 1, hooksMax), record(warmUpKeys)),
    'What every target of a new release is asked for again and again, last before the flip, so that no client meets a cold one: paths, or `paths` with `requests` and `p95`.',
  ),
  hooks: preset(
    record({
      beforeFlip: preset(
        listOf(hook, 0, hooksMax),
        [],
        'What has to pass, in this order, once every target is healthy; one that fails ends the deployment.',
      ),
      afterFlip: preset(
        listOf(hook, 0, hooksMax),
        [],
        'What is done once a release is live; one that fails is recorded and told, and moves nothing.',
      ),
      afterRollback: preset(
        listOf(hook, 0, hooksMax),
        [],
        'The same, once the traffic went back to the release before.',
      ),
      onFailure: preset(
        listOf(hookWithoutTargets, 0, hooksMax),
        [],
        'The same, once a deployment has failed before its flip: commands and calls.',
      ),
    }),
    {},
    'Checks, commands and calls around a flip: each is `http`, `command` or `call`.',
  ),
};
